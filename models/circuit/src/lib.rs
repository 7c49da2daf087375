//! Quantised circuits: small graphs of integer operations over tensors, and their evaluation in the clear.
//!
//! The integer reference here defines what a model computes; every encrypted result is compared with it. The
//! simulator adds the noise of an encrypted run to it, as numbers. Knows no ciphertexts and no parameters of an
//! encryption scheme.
//!
//! Failure model: a circuit is checked completely when it is loaded (shapes, ranges, references), with
//! errors that name the layer; evaluation of a loaded circuit can only fail on its inputs.

mod batch;
mod error;
mod figures;
mod graph;
mod layers;
mod load;
mod lut;
mod product;
mod range;
mod reference;
mod shape;
mod simulate;
mod tensors;
mod weights;

pub use error::CircuitError;
pub use figures::{NoiseFigures, TableNoise};
pub use graph::{Circuit, Layer, Operation, OutputLayer};
pub use layers::{Conv2d, Dense, Linear, SumPool};
pub use lut::Lut;
pub use product::{product_u32, product_u64};
pub use range::Interval;
pub use reference::{Output, OutputKind};
pub use shape::{Shape, WindowFault};
pub use simulate::{Deviation, Simulation};
pub use weights::Weights;
