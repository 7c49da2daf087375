//! The launcher's part of `box.toml`: the folder all processes meet in.

use std::{
    fs::{self, File, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

use obscura_process::{ConfigError, default_runtime_dir, from_hex, read, resolve};
use obscura_protocol::identity::{PeerName, SiteId};
use serde::{Deserialize, de::IgnoredAny};

/// Longest path of a Unix socket on Linux is 107 bytes; the longest name inside the folder has 13.
const MAX_RUNTIME_DIR_BYTES: usize = 94;
/// Held while a box runs in the folder.
const LOCK: &str = "lock";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BoxFile {
    #[serde(deserialize_with = "from_hex", rename = "site")]
    _site: SiteId,
    name: PeerName,
    #[serde(default = "default_runtime_dir")]
    runtime_dir: PathBuf,
    #[serde(rename = "incoming_dir")]
    _incoming_dir: Option<IgnoredAny>,
    broker: Option<IgnoredAny>,
    #[serde(rename = "serial")]
    _serial: Option<IgnoredAny>,
    #[serde(rename = "gate")]
    _gate: IgnoredAny,
    #[serde(rename = "compute")]
    _compute: Option<IgnoredAny>,
    #[serde(rename = "trust")]
    _trust: IgnoredAny,
}

/// What the launcher needs to know.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) name: PeerName,
    pub(crate) runtime_dir: PathBuf,
    /// Whether the box has a broker to speak to; without one it gives up the network.
    pub(crate) has_network: bool,
}

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SetupError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(
        "runtime_dir {} is {got_bytes} bytes long, sockets allow {MAX_RUNTIME_DIR_BYTES}: \
         choose a shorter one",
        path.display()
    )]
    ConfigRuntimeDirLength { path: PathBuf, got_bytes: usize },
    #[error("runtime_dir {} cannot be used", path.display())]
    DeviceRuntimeDir { path: PathBuf, source: io::Error },
    #[error("another obscura-box runs in {}: stop it first", path.display())]
    MisuseSecondBox { path: PathBuf },
}

/// Reads the configuration.
pub(crate) fn load(path: &Path) -> Result<Setup, SetupError> {
    let file: BoxFile = read(path)?;
    let runtime_dir = resolve(path, &file.runtime_dir);
    let absolute = std::path::absolute(&runtime_dir).map_err(|source| SetupError::DeviceRuntimeDir {
        path: runtime_dir,
        source,
    })?;
    let got_bytes = absolute.as_os_str().len();
    if got_bytes > MAX_RUNTIME_DIR_BYTES {
        return Err(SetupError::ConfigRuntimeDirLength {
            path: absolute,
            got_bytes,
        });
    }
    Ok(Setup {
        name: file.name,
        runtime_dir: absolute,
        has_network: file.broker.is_some(),
    })
}

/// Makes the folder, closes it to others, and takes it for this box until the file is dropped.
pub(crate) fn claim(path: &Path) -> Result<File, SetupError> {
    let failed = |source| SetupError::DeviceRuntimeDir {
        path: path.to_owned(),
        source,
    };
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(failed)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(failed)?;
    let lock = File::create(path.join(LOCK)).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(SetupError::MisuseSecondBox {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_box_cannot_take_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run");
        let first = claim(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        assert!(matches!(claim(&path), Err(SetupError::MisuseSecondBox { .. })));
        drop(first);
        claim(&path).unwrap();
    }

    #[test]
    fn names_a_folder_that_is_too_long_for_sockets() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("box.toml");
        let text = format!(
            "site = \"{}\"\nname = \"box-1\"\nruntime_dir = \"{}\"\n[broker]\n[gate]\n[trust]\n",
            "00".repeat(16),
            "x".repeat(100)
        );
        fs::write(&path, text).unwrap();
        assert!(matches!(
            load(&path),
            Err(SetupError::ConfigRuntimeDirLength { .. })
        ));
    }
}
