//! Looking into a bundle, after it is verified.

use std::path::Path;

use obscura_bundle::{MAX_BUNDLE_BYTES, describe, verify};

use crate::{adapters::files, error::SignError};

/// Verifies a bundle and says what is in it.
pub(crate) fn inspect(bundle: &Path, root: &Path) -> Result<String, SignError> {
    let root = files::trust_root(root)?;
    let bytes = files::read(bundle, MAX_BUNDLE_BYTES)?;
    let verified = verify(&bytes, &root).map_err(SignError::Bundle)?;
    let contract = verified.contract().map_err(SignError::Bundle)?;
    Ok(describe(&verified, &contract, &root))
}
