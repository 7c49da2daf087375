//! Looking into a bundle, after it is verified.

use std::{fmt::Write, path::Path};

use obscura_bundle::{Bundle, MAX_BUNDLE_BYTES, Root, Verified, verify};

use crate::{adapters::files, error::SignError};

/// Verifies a bundle and says what is in it.
pub(crate) fn inspect(bundle: &Path, root: &Path) -> Result<String, SignError> {
    let root = files::read_root(root)?;
    let bytes = files::read(bundle, MAX_BUNDLE_BYTES)?;
    let verified = verify(&bytes, &root).map_err(SignError::Bundle)?;
    verified.contract().map_err(SignError::Bundle)?;
    Ok(describe(&verified, &root))
}

pub(crate) fn describe(bundle: &Bundle<Verified>, root: &Root) -> String {
    let manifest = bundle.manifest();
    // Writing to a String cannot fail.
    let mut out = String::new();
    let _ = writeln!(out, "model          {} {}", manifest.model_id, manifest.version);
    let _ = writeln!(out, "model hash     {}", bundle.model_hash());
    let _ = writeln!(out, "counter        {}", manifest.security_counter);
    let _ = writeln!(out, "scheme         {}", manifest.scheme);
    let _ = writeln!(out, "protocol       {} or later", manifest.min_protocol);
    let _ = writeln!(out, "root           {}", root.fingerprint());
    for signer in bundle.claimed_signers() {
        let known = root.keys().iter().any(|key| key.fingerprint() == signer);
        let note = if known {
            "verified"
        } else {
            "not in this root, not checked"
        };
        let _ = writeln!(out, "signed by      {signer} ({note})");
    }
    for file in &manifest.files {
        let _ = writeln!(
            out,
            "file           {:<20} {:>9} bytes  {:.16}",
            file.name, file.len_bytes, file.digest
        );
    }
    let _ = writeln!(out, "bundle         {} bytes", bundle.as_bytes().len());
    out
}
