//! Seeds from the operating system.
//!
//! Linux mixes the processor's generator with its own collected entropy; the processor's alone, which tfhe
//! would prefer, is a single point of trust.

use tfhe::core_crypto::{commons::math::random::Seed, seeders::Seeder};
use zeroize::Zeroizing;

use crate::ClientError;

/// A fresh 128-bit seed.
pub(crate) fn seed() -> Result<[u8; 16], ClientError> {
    let mut seed = [0; 16];
    getrandom::fill(&mut seed)?;
    Ok(seed)
}

/// tfhe's name for a seed.
pub(crate) fn to_tfhe(seed: &[u8; 16]) -> Seed {
    Seed(u128::from_le_bytes(*seed))
}

/// Gives tfhe's generators their seeds.
pub(crate) struct OsSeeder(());

impl OsSeeder {
    /// Makes sure once that the operating system answers.
    pub(crate) fn new() -> Result<Self, ClientError> {
        let _first = Zeroizing::new(seed()?);
        Ok(Self(()))
    }
}

impl Seeder for OsSeeder {
    fn seed(&mut self) -> Seed {
        let mut bytes = Zeroizing::new([0; 16]);
        getrandom::fill(bytes.as_mut_slice())
            .expect("getrandom answered in `new` and does not fail after boot");
        to_tfhe(&bytes)
    }

    fn is_available() -> bool {
        true
    }
}
