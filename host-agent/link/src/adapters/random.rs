//! Challenges from the operating system.

use crate::ports::Random;

/// The operating system's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn challenge(&mut self) -> [u8; 16] {
        let mut challenge = [0; 16];
        if let Err(error) = getrandom::fill(&mut challenge) {
            // An all-zero challenge still works; only an older welcome could then pass for a new one, and
            // every message after it would be refused.
            tracing::warn!(%error, "the operating system gave no randomness");
        }
        challenge
    }
}
