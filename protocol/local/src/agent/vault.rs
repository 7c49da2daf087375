//! What the command line asks of the vault, and what the vault answers.

use obscura_protocol::{
    identity::{Digest, JobId},
    job::Ticket,
    transfer::ObjectHeader,
};
use serde::{Deserialize, Serialize};

use super::{Comparison, ContractView, Outcome, Pixels, Problem, Reading, Record, ScanOutcome, Secret};

/// What the command line asks of the vault.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub enum VaultRequest {
    /// Unlocks the secret file, or makes it.
    Open {
        /// The password.
        password: Secret,
        /// Make a new file; refused when there is one.
        create: bool,
    },
    /// Seals the secret file under another password.
    ChangePassword {
        /// The new password.
        password: Secret,
    },
    /// What the vault holds; answered while locked, too, with less.
    Status,
    /// The input contract of the verified model.
    Contract,
    /// Makes keys for the model's parameters, with progress.
    GenerateKeys {
        /// Make new ones although there are some; jobs under the old ones are given up.
        replace: bool,
    },
    /// One chunk of the evaluation key object.
    KeyChunk {
        /// Chunk number, from 0.
        index: u32,
    },
    /// Whether a record fits the contract.
    Check {
        /// The record.
        record: Record,
    },
    /// Encrypts a record and opens a job for it.
    Encrypt {
        /// The name the user gave the record; stays in the vault.
        label: String,
        /// The record.
        record: Record,
    },
    /// Checks the receipt of an answer and decrypts it.
    Accept {
        /// The job.
        job: JobId,
        /// Item number.
        item: u32,
        /// The encrypted answer.
        answer: Vec<u8>,
        /// Encoded `Signed<Receipt>`.
        receipt: Vec<u8>,
    },
    /// Forgets a job, after its result was shown or when it is given up.
    Settle {
        /// The job.
        job: JobId,
    },
    /// What the model says of a record, computed on this device in the clear.
    Reference {
        /// The record.
        record: Record,
    },
    /// Keeps the pixels of an image, sealed, and opens a job with one item per patch.
    OpenScan {
        /// The name the user gave the image; stays in the vault.
        label: String,
        /// The pixels, as the contract asks for them.
        pixels: Pixels,
    },
    /// The ticket of such a job once more, for one that never reached the link.
    Ticket {
        /// The job.
        job: JobId,
    },
    /// Encrypts one item of such a job; again, with other bytes, when it was asked for before.
    EncryptItem {
        /// The job.
        job: JobId,
        /// Item number.
        index: u32,
    },
    /// The result of an image whose answers were all accepted, without another answer.
    ScanResult {
        /// The job.
        job: JobId,
    },
    /// The pixels of an image's job, to draw its result on.
    Pixels {
        /// The job.
        job: JobId,
    },
    /// Compares the answers to an image's job, all of which were accepted, with the same model in the clear.
    Compare {
        /// The job.
        job: JobId,
    },
}

/// What the vault answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub enum VaultReply {
    /// Done, nothing to tell.
    Done,
    /// To [`VaultRequest::Open`] and [`VaultRequest::Status`].
    Status(VaultStatus),
    /// To [`VaultRequest::Contract`].
    Contract(ContractView),
    /// Before [`Self::Keys`], any number of times.
    KeyProgress {
        /// Steps finished.
        done: u32,
        /// Steps in all.
        of: u32,
    },
    /// To [`VaultRequest::GenerateKeys`].
    Keys(ObjectHeader),
    /// To [`VaultRequest::KeyChunk`].
    KeyChunk(Vec<u8>),
    /// The record does not fit the contract: everything that is wrong with it.
    Problems(Vec<Problem>),
    /// To [`VaultRequest::Encrypt`].
    Encrypted {
        /// What the link is to sign.
        ticket: Ticket,
        /// The encrypted record.
        item: Vec<u8>,
    },
    /// To [`VaultRequest::Accept`].
    Outcome(Box<Outcome>),
    /// To [`VaultRequest::Reference`].
    Reference(Reading),
    /// To [`VaultRequest::OpenScan`] and [`VaultRequest::Ticket`].
    Ticket {
        /// What the link is to sign.
        ticket: Ticket,
    },
    /// To [`VaultRequest::EncryptItem`].
    Item(Vec<u8>),
    /// To [`VaultRequest::Accept`], while other items of the job have no answer yet.
    ItemAccepted {
        /// Items accepted.
        done: u32,
        /// Items in all.
        of: u32,
    },
    /// To [`VaultRequest::Accept`] of an image's last item, and to [`VaultRequest::ScanResult`].
    ScanOutcome(Box<ScanOutcome>),
    /// To [`VaultRequest::Pixels`].
    Pixels(Pixels),
    /// To [`VaultRequest::Compare`].
    Comparison(Comparison),
    /// Refused or failed.
    Failed {
        /// What class of failure.
        fault: VaultFault,
        /// What happened, for people; carries no secret and no patient data.
        text: String,
    },
}

/// Classes of failure, by which the command line chooses what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum VaultFault {
    /// The request came before the vault was opened.
    Locked,
    /// Wrong password, or the file was altered.
    WrongPassword,
    /// There is no secret file yet.
    NoVault,
    /// There is a secret file already.
    VaultExists,
    /// There are no keys for the model's parameters.
    NoKeys,
    /// The evaluation key file is gone or altered.
    KeysLost,
    /// The job is not open here, or has no such item.
    UnknownJob,
    /// The model does not read what was given.
    OtherKind,
    /// What the job was to be encrypted from or for is not here any more: it has to be entered again.
    JobLost,
    /// A receipt or signature does not match.
    Trust,
    /// Anything else.
    Internal,
}

/// What the vault holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VaultStatus {
    /// Whether there is a secret file.
    pub exists: bool,
    /// Whether it is open.
    pub open: bool,
    /// Model id from the verified manifest.
    pub model_id: String,
    /// Model version from the verified manifest.
    pub model_version: String,
    /// SHA-256 of the verified manifest.
    pub model_hash: Digest,
    /// SHA-256 of the cryptographic parameters.
    pub parameter_hash: Digest,
    /// SHA-256 of the root document.
    pub root_fingerprint: Digest,
    /// SHA-256 of the key the box signs receipts with.
    pub receipt_key_fingerprint: Digest,
    /// The evaluation keys for these parameters, when open.
    pub keys: Option<ObjectHeader>,
    /// Jobs without an answer shown, when open.
    pub open_jobs: Vec<OpenJob>,
}

/// A job whose result was not shown yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenJob {
    /// The job.
    pub job: JobId,
    /// SHA-256 of the evaluation keys it needs.
    pub key_fingerprint: Digest,
    /// Items in all.
    pub items: u32,
    /// Numbers of the items without an accepted answer, ascending.
    pub unanswered: Vec<u32>,
}
