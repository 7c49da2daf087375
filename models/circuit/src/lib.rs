//! Quantised circuits: small graphs of integer operations over tensors, and their evaluation in the clear.
//!
//! The integer reference here defines what a model computes; every encrypted result is compared with it.
//! Knows no ciphertexts and no parameters of an encryption scheme.
//!
//! Failure model: a circuit is checked completely when it is loaded (shapes, ranges, references), with
//! errors that name the layer; evaluation of a loaded circuit can only fail on its inputs.

mod error;
mod graph;
mod load;
mod range;
mod reference;

pub use error::CircuitError;
pub use graph::{Circuit, Layer, Linear, Lut, Operation, OutputLayer};
pub use range::Interval;
pub use reference::{Output, OutputKind};
