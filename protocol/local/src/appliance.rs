//! What the box's processes say to each other: gate to compute, compute to trust.
//!
//! All of it stays on one machine and within one release, so these types may change freely. Sizes are
//! limited by [`MAX_FRAME_BYTES`]; longer things travel in pieces of [`PIECE_BYTES`].

use obscura_protocol::{
    codec,
    identity::{Digest, JobId},
};
use serde::{Deserialize, Serialize};

/// Largest frame on the box's sockets.
pub const MAX_FRAME_BYTES: usize = PIECE_BYTES + 4096;
/// Largest piece of a model file or of evaluation keys in one frame.
pub const PIECE_BYTES: usize = 1024 * 1024;
/// Socket of the trust process inside the runtime folder.
pub const TRUST_SOCKET: &str = "trust.sock";
/// Socket of the compute process inside the runtime folder.
pub const COMPUTE_SOCKET: &str = "compute.sock";
/// File the gate keeps inside the runtime folder while the box serves.
pub const READY_FILE: &str = "ready";

/// Compute asks trust.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TrustRequest {
    /// Which verified models are there.
    Models,
    /// The next piece of a file of a verified bundle.
    FilePiece {
        /// SHA-256 of the manifest.
        model_hash: Digest,
        /// Name of the file in the manifest.
        file: String,
        /// Where the piece begins.
        offset: u64,
    },
    /// A receipt for one answered item.
    SignReceipt(ReceiptRequest),
    /// A model was loaded and is good, or is not: trust raises the rollback floor, or falls back.
    Verdict {
        /// SHA-256 of the manifest.
        model_hash: Digest,
        /// Whether it conforms and fits this box.
        good: bool,
    },
}

/// What compute states about an answered item; trust adds what it verified itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptRequest {
    /// The job.
    pub job: JobId,
    /// The item, from 0.
    pub item: u32,
    /// SHA-256 of the encrypted input.
    pub input_hash: Digest,
    /// SHA-256 of the encrypted answer.
    pub answer_hash: Digest,
    /// SHA-256 of the manifest of the model that was evaluated.
    pub model_hash: Digest,
    /// SHA-256 of the cryptographic parameters.
    pub parameter_hash: Digest,
    /// SHA-256 of the evaluation keys that were used.
    pub key_fingerprint: Digest,
}

/// Trust answers compute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TrustReply {
    /// The verified models.
    Models(Vec<VerifiedModel>),
    /// A piece of a file, at most [`PIECE_BYTES`]; empty at its end.
    FilePiece {
        /// Length of the whole file, bytes.
        file_bytes: u64,
        /// The piece.
        #[serde(with = "codec::bytes")]
        bytes: Vec<u8>,
    },
    /// Encoded `Signed<Receipt>`.
    Receipt(#[serde(with = "codec::bytes")] Vec<u8>),
    /// The request was refused; trust goes on.
    Refused(TrustRefusal),
    /// A verdict was heard: the model to load instead of a bad one, when there is another.
    Instead(Option<VerifiedModel>),
}

/// A model whose signatures held when the box started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifiedModel {
    /// Model id from the manifest.
    pub model_id: String,
    /// SHA-256 of the manifest.
    pub model_hash: Digest,
    /// Security counter from the manifest.
    pub security_counter: u32,
    /// Encryption scheme from the manifest.
    pub scheme: String,
}

/// Why trust refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum TrustRefusal {
    /// No verified bundle has this manifest.
    #[error("no verified model has this hash")]
    UnknownModel,
    /// The bundle has no such file, or the file ends before the offset.
    #[error("the model has no such file or no such place in it")]
    UnknownFile,
}

/// Gate asks compute. Requests are worked off one after the other, except [`ComputeRequest::Cancel`], which is
/// heard while an item is evaluated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ComputeRequest {
    /// Which models can be evaluated.
    Models,
    /// Evaluation keys follow in pieces.
    KeysBegin {
        /// SHA-256 of the object.
        fingerprint: Digest,
        /// Length of the object, bytes.
        len_bytes: u64,
        /// SHA-256 of the cryptographic parameters they are said to belong to.
        parameter_hash: Digest,
    },
    /// The next piece, in order.
    KeysPiece(#[serde(with = "codec::bytes")] Vec<u8>),
    /// All pieces are sent: check and load.
    KeysEnd,
    /// Evaluate one item.
    Evaluate {
        /// The job.
        job: JobId,
        /// The item, from 0.
        item: u32,
        /// SHA-256 of the manifest of the model to run.
        model_hash: Digest,
        /// SHA-256 of the evaluation keys to use.
        key_fingerprint: Digest,
        /// The encrypted input.
        #[serde(with = "codec::bytes")]
        bytes: Vec<u8>,
    },
    /// Forget these evaluation keys, if they are loaded: their device wants them gone.
    Forget {
        /// SHA-256 of the object.
        fingerprint: Digest,
    },
    /// Stop what was asked about this job before. Its item ends as [`ItemFault::Cancelled`], or with the answer
    /// that came first; without such an item nothing happens.
    Cancel {
        /// The job.
        job: JobId,
    },
}

/// Compute answers gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ComputeReply {
    /// The models.
    Models(Vec<ComputeModel>),
    /// The keys are loaded, or not.
    Keys {
        /// SHA-256 of the object.
        fingerprint: Digest,
        /// Why not.
        outcome: Result<(), KeyFault>,
    },
    /// The item moved.
    Progress {
        /// The job.
        job: JobId,
        /// The item.
        item: u32,
        /// Table look-ups finished; layers, when the model has no table.
        done: u32,
        /// How many there are in all.
        of: u32,
    },
    /// The item is finished, or not.
    Item {
        /// The job.
        job: JobId,
        /// The item.
        item: u32,
        /// The answer, or why there is none.
        outcome: Result<Answer, ItemFault>,
    },
}

/// An answered item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The encrypted answer.
    #[serde(with = "codec::bytes")]
    pub bytes: Vec<u8>,
    /// Encoded `Signed<Receipt>`.
    #[serde(with = "codec::bytes")]
    pub receipt: Vec<u8>,
}

/// A model compute can evaluate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComputeModel {
    /// Model id from the manifest.
    pub model_id: String,
    /// SHA-256 of the manifest.
    pub model_hash: Digest,
    /// Security counter from the manifest.
    pub security_counter: u32,
    /// SHA-256 of the cryptographic parameters.
    pub parameter_hash: Digest,
    /// Exact length of an encrypted input, bytes.
    pub request_bytes: u32,
    /// Exact length of the evaluation keys, bytes.
    pub key_bytes: u64,
}

/// Why keys were not loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFault {
    /// The bytes do not have the hash they are named by, or not the length announced.
    #[error("the object's hash or length is wrong")]
    HashMismatch,
    /// They are not keys of these parameters, or no model uses such parameters.
    #[error("the object is not evaluation keys of a model here")]
    NonConforming,
    /// They need more memory than the cache has.
    #[error("the keys do not fit the key cache")]
    TooLarge,
}

/// Why an item was not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum ItemFault {
    /// The keys are not in memory: load them, then ask again.
    #[error("the keys are not loaded")]
    KeysNotLoaded,
    /// The model is not here.
    #[error("the model is not loaded")]
    UnknownModel,
    /// The ciphertext is not of the model's parameters.
    #[error("the ciphertext does not conform")]
    BadCiphertext,
    /// The evaluation or the receipt failed.
    #[error("the evaluation failed")]
    Internal,
    /// Gate stopped the evaluation: no answer, no receipt.
    #[error("the evaluation was cancelled")]
    Cancelled,
    /// The evaluation needs more memory than compute may use.
    #[error("the evaluation needs more memory than there is")]
    OutOfMemory,
}
