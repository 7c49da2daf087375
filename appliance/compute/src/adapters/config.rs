//! The compute process's part of `box.toml`.

use std::path::{Path, PathBuf};

use obscura_process::{ConfigError, check_range, default_runtime_dir, from_hex, read, resolve};
use obscura_protocol::identity::{PeerName, SiteId};
use serde::{Deserialize, de::IgnoredAny};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(deserialize_with = "from_hex", rename = "site")]
    _site: SiteId,
    #[serde(rename = "name")]
    _name: PeerName,
    #[serde(default = "default_runtime_dir")]
    runtime_dir: PathBuf,
    #[serde(default)]
    compute: Section,
    #[serde(rename = "broker")]
    _broker: Option<IgnoredAny>,
    #[serde(rename = "gate")]
    _gate: Option<IgnoredAny>,
    #[serde(rename = "trust")]
    _trust: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Section {
    key_cache_mib: u64,
    threads: u64,
}

impl Default for Section {
    fn default() -> Self {
        Self {
            key_cache_mib: 1024,
            threads: 0,
        }
    }
}

/// Everything the compute process works with.
#[derive(Debug)]
pub struct Setup {
    /// Folder of the sockets.
    pub runtime_dir: PathBuf,
    /// Memory for expanded evaluation keys, bytes.
    pub key_cache_bytes: usize,
    /// Worker threads; 0 is one per core.
    pub threads: usize,
}

/// Reads the configuration.
///
/// # Errors
/// [`ConfigError`].
pub fn load(path: &Path) -> Result<Setup, ConfigError> {
    let file: File = read(path)?;
    let section = file.compute;
    check_range(
        path,
        "compute.key_cache_mib",
        section.key_cache_mib,
        16..=1024 * 1024,
    )?;
    check_range(path, "compute.threads", section.threads, 0..=1024)?;
    let as_usize = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    Ok(Setup {
        runtime_dir: resolve(path, &file.runtime_dir),
        key_cache_bytes: as_usize(section.key_cache_mib * 1024 * 1024),
        threads: as_usize(section.threads),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(text: &str) -> Result<Setup, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("box.toml");
        let head = "site = \"00112233445566778899aabbccddeeff\"\nname = \"box-1\"\nruntime_dir = \"run\"\n";
        std::fs::write(&path, format!("{head}{text}")).unwrap();
        load(&path)
    }

    #[test]
    fn reads_its_own_section_and_leaves_the_others_alone() {
        let setup = loaded("[gate]\nanything = 1\n[compute]\nkey_cache_mib = 32\nthreads = 2\n").unwrap();
        assert_eq!((setup.key_cache_bytes, setup.threads), (32 << 20, 2));
        assert!(setup.runtime_dir.is_absolute());
    }

    #[test]
    fn names_a_key_that_is_unknown_or_out_of_range() {
        let unknown = loaded("[compute]\nkey_cache = 32\n").unwrap_err().to_string();
        assert!(
            unknown.contains("key_cache") && unknown.contains("threads"),
            "{unknown}"
        );
        let range = loaded("[compute]\nkey_cache_mib = 1\n").unwrap_err().to_string();
        assert!(
            range.contains("compute.key_cache_mib is 1, allowed is 16 to"),
            "{range}"
        );
    }
}
