//! Looking into a signed model before it goes to a site.

use obscura_bundle::{TrustedRoot, describe, verify};
use obscura_protocol::identity::Digest;

use super::ProvisionError;

/// Verifies a bundle against a root and says what is in it, its licence among the rest.
///
/// # Errors
/// [`ProvisionError`]; nothing is said of a bundle the root does not vouch for.
pub(crate) fn inspect(bundle: &[u8], root: &[u8]) -> Result<String, ProvisionError> {
    // Whoever asks vouches for the root they name.
    let root = TrustedRoot::pinned(root, Digest::of(root))
        .map_err(|source| ProvisionError::ConfigRoot { source })?;
    let verified = verify(bundle, &root)?;
    let contract = verified.contract()?;
    Ok(describe(&verified, &contract, &root))
}
