//! Signing keys: one 32-byte Ed25519 seed per file, sealed under a password.

use std::path::Path;

use obscura_protocol::identity::Identity;
use obscura_sealed::{Cost, MAGIC_BYTES, OVERHEAD_BYTES, Password, SealedError, create_private, open, seal};
use zeroize::Zeroizing;

use super::files;
use crate::error::SignError;

const MAGIC: &[u8; MAGIC_BYTES] = b"OBSCSIGN";
const SEED_BYTES: usize = 32;
const MAX_KEY_FILE_BYTES: usize = OVERHEAD_BYTES + SEED_BYTES;

/// Makes a key from the operating system's randomness.
pub(crate) fn generate() -> Result<Identity, SignError> {
    let mut seed = Zeroizing::new([0; SEED_BYTES]);
    getrandom::fill(seed.as_mut_slice()).map_err(SignError::DeviceRandomness)?;
    Ok(Identity::from_seed(&seed))
}

/// Writes a key, sealed; never replaces a file.
pub(crate) fn store(path: &Path, key: &Identity, password: &Password) -> Result<(), SignError> {
    let seed = key.to_seed();
    let bytes =
        seal(password.as_bytes(), seed.as_slice(), MAGIC, Cost::default()).map_err(SignError::Seal)?;
    files::written(path, create_private(path, &bytes))
}

/// Reads a sealed key.
pub(crate) fn load(path: &Path, password: &Password) -> Result<Identity, SignError> {
    let bytes = files::read(path, MAX_KEY_FILE_BYTES)?;
    let failed = |source| SignError::Key {
        path: path.to_owned(),
        source,
    };
    let opened = open(password.as_bytes(), &bytes, MAGIC, MAX_KEY_FILE_BYTES).map_err(failed)?;
    let mut seed = Zeroizing::new([0; SEED_BYTES]);
    if opened.len() != SEED_BYTES {
        return Err(failed(SealedError::PeerNotSealed));
    }
    seed.copy_from_slice(&opened);
    Ok(Identity::from_seed(&seed))
}
