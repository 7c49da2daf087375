//! Randomness from the operating system.

use zeroize::Zeroizing;

use crate::ports::{Entropy, EntropyUnavailable};

/// The operating system's generator.
#[derive(Debug)]
pub(crate) struct OsEntropy;

impl Entropy for OsEntropy {
    fn seed(&self) -> Result<Zeroizing<[u8; 32]>, EntropyUnavailable> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *seed).map_err(|_source| EntropyUnavailable)?;
        Ok(seed)
    }
}
