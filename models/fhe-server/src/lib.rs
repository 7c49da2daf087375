//! The box's side of encrypted inference: evaluation keys and the evaluation of a circuit.
//!
//! Knows no secret key: nothing here can decrypt. Reads nothing and writes nothing but memory.
//!
//! Two ways to evaluate, chosen by the parameters' small secret: uniform binary secrets keep ciphertexts of
//! 64-bit words and look up one at a time with tfhe's own routines; block-binary secrets keep 32-bit words and
//! look up in batches with the key switch and the rotation of this crate.
//!
//! Failure model: keys and items are checked for exact length, kind and parameters before any arithmetic;
//! whatever passes that check evaluates without a panic, though garbage in is garbage out. An evaluation that
//! fails or is cancelled leaves nothing behind.

mod answer;
mod batched;
mod control;
mod evaluate;
mod input;
mod key_switch;
mod keys;
#[doc(hidden)]
pub mod measure;
mod rotation;
mod single;

pub use control::{Control, Progress};
pub use evaluate::{evaluate, evaluation_bytes};
pub use keys::EvaluationKeys;

use obscura_fhe_core::FormatError;

/// Why an evaluation was refused or given up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The object is not one of these parameters.
    #[error(transparent)]
    Peer(#[from] FormatError),
    /// The keys belong to other parameters than the circuit.
    #[error("the evaluation keys belong to other parameters than the circuit")]
    PeerParameters,
    /// No kernel is written for the parameters.
    #[error("no kernel is written for the parameters")]
    UnsupportedParameters,
    /// The circuit is not the one the plan was made from.
    #[error("the plan was made from another circuit")]
    MisusePlan,
    /// The caller cancelled.
    #[error("the evaluation was cancelled")]
    Cancelled,
    /// The evaluation needs more memory than it was given or than there is.
    #[error("the evaluation needs {needed_bytes} bytes, more than it may have")]
    OutOfMemory {
        /// What could not be had.
        needed_bytes: usize,
    },
}
