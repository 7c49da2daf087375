//! What the agent's processes say to each other: the command line to the vault, and to the link.
//!
//! The command line is in the middle: vault and link never meet. Everything that is secret or speaks of
//! a patient hides itself in `Debug`.

use std::fmt;

use obscura_protocol::{
    identity::{Digest, JobId},
    job::{Receipt, Ticket},
    message::{Lane, Phase, Refusal},
    transfer::ObjectHeader,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

/// Largest frame between the agent's processes: the pixels of an image, or one chunk of a key object.
pub const MAX_FRAME_BYTES: usize = 1024 * 1024;

/// A password on its way to the vault; wiped on drop, never printed.
#[derive(Clone)]
pub struct Secret(pub Zeroizing<Vec<u8>>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.as_slice().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(|bytes| Self(Zeroizing::new(bytes)))
    }
}

/// One value of a record, as typed.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// A measured number, in the unit of its field.
    Number(f64),
    /// One of the field's codes.
    Code(String),
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Value(..)")
    }
}

/// A record: field names and values, in the order given. Patient data.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Record(pub Vec<(String, Value)>);

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Record({} fields)", self.0.len())
    }
}

/// The pixels of an image, `[side, side, 3]` levels of red, green and blue. Patient data; wiped on drop.
#[derive(Clone)]
pub struct Pixels(pub Zeroizing<Vec<u8>>);

impl fmt::Debug for Pixels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pixels({} bytes)", self.0.len())
    }
}

impl Serialize for Pixels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        obscura_protocol::codec::bytes::serialize(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for Pixels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        obscura_protocol::codec::bytes::deserialize(deserializer).map(|bytes| Self(Zeroizing::new(bytes)))
    }
}

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

/// The input contract, for showing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContractView {
    /// Model id.
    pub model_id: String,
    /// What the model is, in a few words.
    pub title: String,
    /// What it is for.
    pub intended_use: String,
    /// What it is not for.
    pub not_for: String,
    /// Shown with every result.
    pub warning: String,
    /// What it reads.
    pub reads: ReadsView,
}

/// What a model reads, for showing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ReadsView {
    /// Records of these fields, in order.
    Record(Vec<FieldView>),
    /// Images.
    Image(ImageView),
}

/// How an image is prepared and what it can be found to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageView {
    /// Side of the square to which its central square is resized, pixels.
    pub side: u32,
    /// Side of the square that is cut from its centre, pixels.
    pub crop: u32,
    /// Patches of it, each of which is one item.
    pub patches: u32,
    /// Name and label of each class.
    pub classes: Vec<(String, String)>,
}

/// One field of the contract, for showing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldView {
    /// Its name in a record.
    pub name: String,
    /// Its name for people.
    pub label: String,
    /// Its unit, empty for codes.
    pub unit: String,
    /// How to fill it in.
    pub help: String,
    /// What it takes.
    pub takes: FieldTakes,
}

/// What a field takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FieldTakes {
    /// A number within a range.
    Number {
        /// Smallest.
        min: f64,
        /// Largest.
        max: f64,
    },
    /// One of some codes.
    Code {
        /// Code and label of each.
        codes: Vec<(String, String)>,
    },
}

/// One thing that is wrong with a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The field.
    pub field: String,
    /// What is wrong and what is allowed.
    pub text: String,
}

/// What the model says of a record. A diagnosis.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// The exact score.
    pub score: i64,
    /// The calibrated probability, in steps of `1 / probability_scale`.
    pub probability: i64,
    /// Steps of a probability of one.
    pub probability_scale: i64,
    /// Whether the score reaches the contract's threshold.
    pub positive: bool,
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reading(..)")
    }
}

/// A decrypted answer whose receipt was checked. A diagnosis.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The name the user gave the record.
    pub label: String,
    /// What the model says.
    pub reading: Reading,
    /// Smallest table entry within the stated error, in steps of the probability.
    pub probability_low: i64,
    /// Largest table entry within the stated error, in steps of the probability.
    pub probability_high: i64,
    /// The stated table error, entries to either side.
    pub table_error_entries: i64,
    /// The decision, in a few words.
    pub decision: String,
    /// What the decision means.
    pub decision_text: String,
    /// The intended-use warning.
    pub warning: String,
    /// The receipt.
    pub receipt: Receipt,
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Outcome(job {})", self.receipt.job)
    }
}

/// The share of one class, in thousandths.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassShare {
    /// Short name.
    pub name: String,
    /// Name for people.
    pub label: String,
    /// Its probability, rounded to thousandths.
    pub permille: u16,
}

impl fmt::Debug for ClassShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClassShare(..)")
    }
}

/// What the model says of an image. A diagnosis.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanReading {
    /// The most probable class, by its place in [`Self::classes`].
    pub class: u32,
    /// What it means that this class is the most probable.
    pub text: String,
    /// Every class, in the model's order.
    pub classes: Vec<ClassShare>,
    /// Patches of a row, and rows.
    pub rows: u32,
    /// The most probable class of each patch and its probability in thousandths, row by row.
    pub map: Vec<(u32, u16)>,
}

impl fmt::Debug for ScanReading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScanReading(..)")
    }
}

/// The decrypted answers to all items of an image, whose receipts were checked. A diagnosis.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanOutcome {
    /// The name the user gave the image.
    pub label: String,
    /// What the model says.
    pub reading: ScanReading,
    /// The intended-use warning.
    pub warning: String,
    /// Items, each with a receipt of its own.
    pub items: u32,
    /// The receipt of the item that was accepted last.
    pub receipt: Receipt,
}

impl fmt::Debug for ScanOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScanOutcome(job {})", self.receipt.job)
    }
}

/// An encrypted run beside the same model in the clear.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// What the model says in the clear.
    pub reading: ScanReading,
    /// Whether the most probable class is the same.
    pub same_class: bool,
    /// Root of the mean square difference of all outputs, in predicted deviations.
    pub rms_deviations: f64,
    /// Largest difference of an output, in predicted deviations.
    pub max_deviations: f64,
}

impl fmt::Debug for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Comparison(..)")
    }
}

/// How soon a job is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Which jobs go first.
    pub lane: Lane,
    /// Seconds from the box's acceptance after which the box gives it up.
    pub within_s: Option<u32>,
}

/// What the command line asks of the link.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub enum LinkCommand {
    /// Makes sure the box holds these keys; jobs wait for it.
    UseKeys {
        /// The evaluation key object.
        object: ObjectHeader,
    },
    /// Sends this signed model to the box, which uses it from its next start.
    SendModel {
        /// The bundle.
        object: ObjectHeader,
    },
    /// The chunk the link asked for.
    Chunk {
        /// The object.
        object: Digest,
        /// Chunk number.
        index: u32,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// Signs the ticket, journals the job, and sends it until it is answered.
    Submit {
        /// What to sign.
        ticket: Ticket,
        /// All encrypted items, or none: they then come one by one as [`Self::Item`].
        items: Vec<Vec<u8>>,
        /// How soon it is wanted.
        wanted: Wanted,
    },
    /// Journals one item of a job that was submitted without, and sends it until it is answered.
    Item {
        /// The job.
        job: JobId,
        /// Item number.
        index: u32,
        /// The encrypted item.
        bytes: Vec<u8>,
    },
    /// Drops one item from the journal: its answer was accepted.
    SettleItem {
        /// The job.
        job: JobId,
        /// Item number.
        index: u32,
    },
    /// Drops a job from the journal; withdraws it at the box when it has no answer.
    Settle {
        /// The job.
        job: JobId,
    },
    /// Takes up the jobs in the journal.
    Resume,
    /// Has the box forget every evaluation key of this device.
    RevokeKeys,
    /// Says goodbye and ends.
    Close,
}

/// What the link reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum LinkEvent {
    /// The broker is reached.
    Online,
    /// There is no way to the broker; the link tries again by itself.
    Offline {
        /// Why.
        cause: OfflineCause,
        /// Time until the next attempt.
        retry_in_ms: u64,
    },
    /// The broker does not let this device publish.
    Denied,
    /// A session with the box is open.
    Session,
    /// The broker is reached and the box says nothing.
    BoxSilent {
        /// Time until the next attempt.
        retry_in_ms: u64,
    },
    /// The box has the keys from before.
    KeysFound,
    /// Part of the keys, or of the model, is at the box.
    Uploading {
        /// Bytes there or on the way.
        done_bytes: u64,
        /// Bytes in all.
        of_bytes: u64,
    },
    /// A chunk to be sent; answered by [`LinkCommand::Chunk`].
    NeedChunk {
        /// The object.
        object: Digest,
        /// Chunk number.
        index: u32,
    },
    /// The box has the keys now.
    KeysStored {
        /// Bytes sent for it in this run.
        sent_bytes: u64,
    },
    /// The box has the model now and uses it from its next start.
    ModelStored {
        /// Bytes sent for it in this run.
        sent_bytes: u64,
    },
    /// The box is of a release that cannot do what is wanted.
    BoxTooOld {
        /// Protocol version it speaks.
        speaks: u16,
        /// Protocol version that is needed.
        needs: u16,
    },
    /// The box took the ticket; the items were sent.
    Sent {
        /// The job.
        job: JobId,
        /// Bytes of the items.
        sent_bytes: u64,
    },
    /// An item moved.
    Progress {
        /// The job.
        job: JobId,
        /// Item number.
        index: u32,
        /// Where it is.
        phase: Phase,
    },
    /// What the box says of a job's end.
    Outlook {
        /// The job.
        job: JobId,
        /// Items of anybody before the job's next one.
        ahead: u32,
        /// Seconds until its last answer, once the box has measured how fast it is.
        left_s: Option<u32>,
    },
    /// The box gave one item up for good; the others of its job go on.
    ItemDead {
        /// The job.
        job: JobId,
        /// Item number.
        index: u32,
        /// Why.
        code: Refusal,
    },
    /// An item is answered.
    Answer {
        /// The job.
        job: JobId,
        /// Item number.
        index: u32,
        /// The encrypted answer.
        bytes: Vec<u8>,
        /// Encoded `Signed<Receipt>`.
        receipt: Vec<u8>,
    },
    /// The box asked to wait, or failed and will be asked again.
    Delayed {
        /// Why.
        code: Refusal,
        /// Time until the next attempt.
        retry_in_ms: u64,
    },
    /// The box refused a job for good.
    JobRefused {
        /// The job.
        job: JobId,
        /// Why.
        code: Refusal,
    },
    /// The box refused this device or its keys for good.
    Refused {
        /// Why.
        code: Refusal,
    },
    /// The box holds no evaluation keys of this device any more.
    KeysRevoked {
        /// Objects it forgot.
        objects: u32,
    },
    /// The jobs found in the journal.
    Resumed {
        /// The jobs.
        jobs: Vec<ResumedJob>,
    },
    /// The journal cannot be written; jobs are sent all the same, but would not survive this process.
    JournalFailed,
}

/// A job found in the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResumedJob {
    /// The job.
    pub job: JobId,
    /// Numbers of the items that are there, ascending.
    pub items: Vec<u32>,
}

/// Why there is no connection to the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum OfflineCause {
    /// Nobody answers at the address.
    #[error("is unreachable")]
    Unreachable,
    /// The broker refused the connection or the subscription.
    #[error("refused this device")]
    Refused,
    /// The certificates do not fit.
    #[error("and this device do not accept each other's certificates")]
    Tls,
    /// The connection ended.
    #[error("closed the connection")]
    Closed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_passwords_records_and_readings() {
        let record = Record(vec![("age_years".into(), Value::Number(61.0))]);
        let requests = [
            VaultRequest::Open {
                password: Secret(Zeroizing::new(b"hunter2".to_vec())),
                create: false,
            },
            VaultRequest::Encrypt {
                label: "r".into(),
                record,
            },
        ];
        let shown = format!("{requests:?}");
        assert!(
            !shown.contains("hunter2") && !shown.contains("104") && !shown.contains("61"),
            "{shown}"
        );
        let pixels = Pixels(Zeroizing::new(vec![61; 3]));
        assert_eq!(format!("{pixels:?}"), "Pixels(3 bytes)");
        let reading = Reading {
            score: 424_242,
            probability: 77,
            probability_scale: 4096,
            positive: true,
        };
        assert_eq!(format!("{reading:?}"), "Reading(..)");
    }

    #[test]
    fn a_secret_survives_the_wire() {
        let sent = Secret(Zeroizing::new(vec![1, 2, 3]));
        let bytes = obscura_protocol::codec::encode(&sent);
        let got: Secret = obscura_protocol::codec::decode(&bytes, 64).unwrap();
        assert_eq!(*got.0, [1, 2, 3]);
    }
}
