//! Batched blind rotation under a block-binary secret.
//!
//! As many ciphertexts as a vector has lanes go through the rotation side by side, one per lane: transforms
//! and products then never move a number between lanes, key elements are broadcast, and each is used by the
//! whole vector once it is in a register. The vector width is the processor's, found at run time. Arithmetic
//! is in double precision throughout: an accumulator holds torus elements in -1/2..=1/2, digits are integers,
//! and what rounding adds is part of the predicted noise.
//!
//! Failure model: shapes are checked when a key is made; a rotation of well-shaped inputs cannot fail.
#![expect(
    clippy::inline_always,
    reason = "only what is inlined into the entry function is compiled for the processor that was found"
)]
#![expect(
    clippy::needless_range_loop,
    reason = "an iterator's closure would not be compiled for that processor"
)]

mod buffer;
mod kernel;
mod key;
mod monomial;
mod product;
mod transform;
mod vector;

#[cfg(test)]
mod tests;

pub(crate) use kernel::RotationInput;
pub(crate) use key::{RotationKey, Shape, to_torus};
