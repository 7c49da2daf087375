//! The trust process's part of `box.toml`, and the key and root it names.

use std::path::{Path, PathBuf};

use obscura_bundle::{MAX_ROOT_BYTES, RootError, TrustedRoot};
use obscura_process::{
    ConfigError, default_incoming_dir, default_runtime_dir, from_hex, read, read_bounded, read_identity,
    resolve,
};
use obscura_protocol::identity::{Digest, Identity, PeerName, SiteId};
use serde::{Deserialize, de::IgnoredAny};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(deserialize_with = "from_hex", rename = "site")]
    _site: SiteId,
    name: PeerName,
    #[serde(default = "default_runtime_dir")]
    runtime_dir: PathBuf,
    #[serde(default = "default_incoming_dir")]
    incoming_dir: PathBuf,
    trust: Section,
    #[serde(rename = "broker")]
    _broker: Option<IgnoredAny>,
    #[serde(rename = "serial")]
    _serial: Option<IgnoredAny>,
    #[serde(rename = "gate")]
    _gate: Option<IgnoredAny>,
    #[serde(rename = "compute")]
    _compute: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    root: PathBuf,
    #[serde(deserialize_with = "from_hex")]
    root_fingerprint: Digest,
    receipt_key: PathBuf,
    #[serde(default = "default_model_dir")]
    model_dir: PathBuf,
    #[serde(default = "default_state_dir")]
    state_dir: PathBuf,
    floor: Option<Floor>,
    #[serde(default = "default_hardware")]
    hardware: String,
}

/// Where the rollback floors are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Floor {
    /// In a file: whoever holds the disk can restore an older one.
    Weak,
}

fn default_model_dir() -> PathBuf {
    PathBuf::from("models")
}

fn default_state_dir() -> PathBuf {
    PathBuf::from("state/trust")
}

fn default_hardware() -> String {
    "generic".to_owned()
}

/// Everything the trust process works with.
#[derive(Debug)]
pub struct Setup {
    /// The box's name.
    pub box_name: PeerName,
    /// Folder of the sockets.
    pub runtime_dir: PathBuf,
    /// Folder where people put bundles and changes of root.
    pub model_dir: PathBuf,
    /// Folder of slots, roots and floors.
    pub state_dir: PathBuf,
    /// Where the floors are kept.
    pub floor: Floor,
    /// Hardware id of this box, which bundles may name.
    pub hardware: String,
    /// Folder of bundles that came over a carrier.
    pub incoming_dir: PathBuf,
    /// The pinned root.
    pub root: TrustedRoot,
    /// The key that signs receipts.
    pub receipt_key: Identity,
}

/// Why the trust process cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Nobody said where the rollback floors are to be kept.
    #[error(
        "trust.floor is not set: this program keeps rollback floors in a file only, which whoever holds the disk can \
         restore; if that is acceptable, set floor = \"weak\", and every receipt will say so"
    )]
    ConfigNoFloor,
    /// The root file is not the pinned root document.
    #[error("{} is not the root that trust.root_fingerprint pins", path.display())]
    TrustRoot {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: RootError,
    },
}

/// Reads the configuration and what it names. The root is compared with its pin before it is parsed.
///
/// # Errors
/// [`SetupError`].
pub fn load(path: &Path) -> Result<Setup, SetupError> {
    let file: File = read(path)?;
    let root_path = resolve(path, &file.trust.root);
    let root_bytes = read_bounded(&root_path, MAX_ROOT_BYTES as u64)?;
    let floor = file.trust.floor.ok_or(SetupError::ConfigNoFloor)?;
    let pinned = file.trust.root_fingerprint;
    let root = TrustedRoot::pinned(&root_bytes, pinned).map_err(|source| SetupError::TrustRoot {
        path: root_path,
        source,
    })?;
    Ok(Setup {
        box_name: file.name,
        runtime_dir: resolve(path, &file.runtime_dir),
        model_dir: resolve(path, &file.trust.model_dir),
        state_dir: resolve(path, &file.trust.state_dir),
        floor,
        hardware: file.trust.hardware,
        incoming_dir: resolve(path, &file.incoming_dir),
        root,
        receipt_key: read_identity(&resolve(path, &file.trust.receipt_key))?,
    })
}
