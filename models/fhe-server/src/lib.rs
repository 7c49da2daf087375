//! The box's side of encrypted inference: evaluation keys and the evaluation of a circuit.
//!
//! Knows no secret key: nothing here can decrypt. Reads nothing and writes nothing but memory.
//!
//! Failure model: keys and items are checked for exact length, kind and parameters before any arithmetic;
//! whatever passes that check evaluates without a panic, though garbage in is garbage out.

mod evaluate;
mod keys;
mod linear;
mod rotation;
mod table;
mod transform;

pub use evaluate::evaluate;
pub use keys::EvaluationKeys;

use obscura_fhe_core::FormatError;

/// Why an evaluation was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The object is not one of these parameters.
    #[error(transparent)]
    Peer(#[from] FormatError),
    /// The keys belong to other parameters than the circuit.
    #[error("the evaluation keys belong to other parameters than the circuit")]
    PeerParameters,
}
