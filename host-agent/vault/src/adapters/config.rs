//! The vault's part of `agent.toml`: common keys, `[box]`, `[vault]`.
//!
//! Paths are relative to the file's folder. Unknown options are errors; the sections of other processes
//! are theirs to read.

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    str::FromStr,
};

use obscura_bundle::{MAX_BUNDLE_BYTES, MAX_ROOT_BYTES, RootError, TrustedRoot};
use obscura_protocol::identity::{Digest, NameError};
use serde::Deserialize;

use super::model::{ModelError, TfheModel};
use crate::application::Enrolment;

/// Why the vault cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A file cannot be read.
    #[error("{option}: cannot read {}", path.display())]
    File {
        /// The option that names it.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The text is not TOML, an option is unknown or missing, or of the wrong type.
    #[error("{} is not a valid configuration", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// An option has a value of the wrong form.
    #[error("{option} in {}", path.display())]
    Value {
        /// The option.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: NameError,
    },
    /// The root document is not the one this device learnt when it was enrolled.
    #[error("the root document has fingerprint {got:.16}, this device trusts {want:.16} only")]
    PeerForeignRoot {
        /// Fingerprint found.
        got: Digest,
        /// Fingerprint pinned.
        want: Digest,
    },
    /// The root document is malformed.
    #[error("the root document cannot be used")]
    PeerRoot(#[from] RootError),
    /// The bundle.
    #[error("{} is refused", path.display())]
    PeerBundle {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ModelError,
    },
}

impl StartError {
    /// The exit code: 2 for the configuration, 5 for what it makes trusted.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::File { .. } | Self::Toml { .. } | Self::Value { .. } => 2,
            Self::PeerForeignRoot { .. } | Self::PeerRoot(_) | Self::PeerBundle { .. } => 5,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    site: String,
    name: String,
    r#box: BoxSection,
    vault: VaultSection,
    #[serde(rename = "broker")]
    _broker: Option<serde::de::IgnoredAny>,
    #[serde(rename = "serial")]
    _serial: Option<serde::de::IgnoredAny>,
    #[serde(rename = "link")]
    _link: serde::de::IgnoredAny,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BoxSection {
    name: String,
    receipt_public_key: String,
    #[serde(rename = "envelope_public_key")]
    _envelope_public_key: serde::de::IgnoredAny,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VaultSection {
    file: PathBuf,
    root: PathBuf,
    root_fingerprint: String,
    bundle: PathBuf,
}

/// Everything the vault needs to start.
#[derive(Debug)]
pub struct VaultConfig {
    /// Who this device is and whose receipts it believes.
    pub enrolment: Enrolment,
    /// The secret file.
    pub vault_file: PathBuf,
    /// The verified model.
    pub model: TfheModel,
}

impl VaultConfig {
    /// Reads the file at `path`, then the root and the bundle it names, and verifies them.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn read(path: &Path) -> Result<Self, StartError> {
        let text = read("--config", path, 1024 * 1024)?;
        let text = String::from_utf8_lossy(&text);
        let document: Document = toml::from_str(&text).map_err(|source| StartError::Toml {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        let folder = path.parent().unwrap_or_else(|| Path::new(""));
        let enrolment = Enrolment {
            site: parse("site", path, &document.site)?,
            device: parse("name", path, &document.name)?,
            box_name: parse("box.name", path, &document.r#box.name)?,
            receipt_key: parse("box.receipt_public_key", path, &document.r#box.receipt_public_key)?,
        };
        let want: Digest = parse("vault.root_fingerprint", path, &document.vault.root_fingerprint)?;
        let root = read("vault.root", &folder.join(document.vault.root), MAX_ROOT_BYTES)?;
        let got = Digest::of(&root);
        if got != want {
            return Err(StartError::PeerForeignRoot { got, want });
        }
        let root = TrustedRoot::pinned(&root, want)?;
        let bundle_path = folder.join(document.vault.bundle);
        let bundle = read("vault.bundle", &bundle_path, MAX_BUNDLE_BYTES)?;
        let model = TfheModel::from_bundle(&bundle, &root).map_err(|source| StartError::PeerBundle {
            path: bundle_path,
            source,
        })?;
        Ok(Self {
            enrolment,
            vault_file: folder.join(document.vault.file),
            model,
        })
    }
}

/// Reads at most one byte more than `max_bytes`: the decoder of the content says what is too long.
fn read(option: &'static str, path: &Path, max_bytes: usize) -> Result<Vec<u8>, StartError> {
    let failed = |source| StartError::File {
        option,
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(failed)?;
    let read = file.take(max_bytes as u64 + 1).read_to_end(&mut bytes);
    read.map_err(failed)?;
    Ok(bytes)
}

fn parse<T: FromStr<Err = NameError>>(
    option: &'static str,
    path: &Path,
    text: &str,
) -> Result<T, StartError> {
    text.parse().map_err(|source| StartError::Value {
        option,
        path: path.to_owned(),
        source,
    })
}
