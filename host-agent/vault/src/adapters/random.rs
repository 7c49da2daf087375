//! Randomness from the operating system.

use crate::ports::{ModelFailure, Random};

/// The operating system's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, out: &mut [u8]) -> Result<(), ModelFailure> {
        getrandom::fill(out).map_err(|error| ModelFailure {
            operation: "drawing randomness",
            source: Box::new(error),
        })
    }
}
