//! A model file that is to be sent: read once, verified under the root this device trusts.
//!
//! The bytes that were verified are the bytes that are sent, whatever becomes of the file meanwhile.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use obscura_bundle::{MAX_BUNDLE_BYTES, MAX_ROOT_BYTES, TrustedRoot};
use obscura_protocol::{
    identity::{Digest, PeerName},
    transfer::ObjectHeader,
};
use serde::Deserialize;

use crate::{application::SignedModel, error::CliError};

/// What says which root this device trusts; the rest belongs to others.
#[derive(Deserialize)]
struct Document {
    name: String,
    vault: VaultSection,
}

#[derive(Deserialize)]
struct VaultSection {
    root: PathBuf,
    root_fingerprint: String,
}

/// Reads the bundle in `file` and checks its signatures, under the root that `config` pins.
///
/// # Errors
/// [`CliError`] with exit code 2 when a file cannot be read, 5 when root or bundle are not to be trusted.
pub(crate) fn read(config: &Path, file: &Path) -> Result<SignedModel, CliError> {
    let text = fs::read_to_string(config).map_err(|source| CliError::ConfigFile {
        path: config.to_owned(),
        source,
    })?;
    let document: Document = toml::from_str(&text).map_err(|source| CliError::ConfigToml {
        path: config.to_owned(),
        source: Box::new(source),
    })?;
    let wrong = |option| {
        let path = config.to_owned();
        move |source| CliError::ConfigValue { option, path, source }
    };
    let device: PeerName = document.name.parse().map_err(wrong("name"))?;
    let pinned: Digest = document
        .vault
        .root_fingerprint
        .parse()
        .map_err(wrong("vault.root_fingerprint"))?;
    let root = root(&beside(config, &document.vault.root), pinned)?;
    let path = file.to_owned();
    let bytes = match read_at_most(file, MAX_BUNDLE_BYTES) {
        Ok(bytes) => bytes,
        Err(source) => return Err(CliError::ConfigModel { path, source }),
    };
    let verified = obscura_bundle::verify(&bytes, &root);
    let verified = verified.map_err(|source| CliError::PeerModel { path, source })?;
    let manifest = verified.manifest();
    Ok(SignedModel {
        model_id: manifest.model_id.clone(),
        version: manifest.version.clone(),
        security_counter: manifest.security_counter,
        object: ObjectHeader::of_bundle(&device, Digest::of(&bytes), bytes.len() as u64),
        bytes,
    })
}

fn root(path: &Path, pinned: Digest) -> Result<TrustedRoot, CliError> {
    let bytes = read_at_most(path, MAX_ROOT_BYTES).map_err(|source| CliError::ConfigRoot {
        path: path.to_owned(),
        source,
    })?;
    let got = Digest::of(&bytes);
    if got != pinned {
        return Err(CliError::PeerForeignRoot { got, want: pinned });
    }
    Ok(TrustedRoot::pinned(&bytes, pinned)?)
}

/// Paths in a configuration are relative to its folder.
fn beside(config: &Path, path: &Path) -> PathBuf {
    config.parent().unwrap_or_else(|| Path::new("")).join(path)
}

/// The whole file when it has at most `max_bytes`, one byte more of a longer one: what checks it refuses that.
fn read_at_most(path: &Path, max_bytes: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(max_bytes as u64 + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}
