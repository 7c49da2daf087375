//! The compute process's part of `box.toml`.

use std::path::{Path, PathBuf};

use obscura_process::{ConfigError, check_range, default_runtime_dir, from_hex, read, resolve};
use obscura_protocol::identity::{PeerName, SiteId};
use serde::{Deserialize, de::IgnoredAny};

use super::machine;
use crate::domain::Limits;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(deserialize_with = "from_hex", rename = "site")]
    _site: SiteId,
    #[serde(rename = "name")]
    _name: PeerName,
    #[serde(default = "default_runtime_dir")]
    runtime_dir: PathBuf,
    #[serde(rename = "incoming_dir")]
    _incoming_dir: Option<IgnoredAny>,
    #[serde(default)]
    compute: Section,
    #[serde(rename = "broker")]
    _broker: Option<IgnoredAny>,
    #[serde(rename = "serial")]
    _serial: Option<IgnoredAny>,
    #[serde(rename = "gate")]
    _gate: Option<IgnoredAny>,
    #[serde(rename = "trust")]
    _trust: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Section {
    key_cache_mib: u64,
    memory_mib: u64,
    threads: u64,
}

impl Default for Section {
    fn default() -> Self {
        Self {
            key_cache_mib: 1024,
            memory_mib: 0,
            threads: 0,
        }
    }
}

/// Everything the compute process works with.
#[derive(Debug)]
pub struct Setup {
    /// Folder of the sockets.
    pub runtime_dir: PathBuf,
    /// Memory for expanded evaluation keys and for evaluations.
    pub limits: Limits,
    /// Worker threads; 0 is one per core.
    pub threads: usize,
}

/// Three quarters of the machine's memory: the rest is for the other processes, the broker and the system.
fn default_memory_bytes() -> Result<u64, ConfigError> {
    Ok(machine::memory_bytes()? / 4 * 3)
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
    check_range(
        path,
        "compute.memory_mib",
        section.memory_mib,
        0..=16 * 1024 * 1024,
    )?;
    check_range(path, "compute.threads", section.threads, 0..=1024)?;
    let as_usize = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    let memory_bytes = match section.memory_mib {
        0 => default_memory_bytes()?,
        mib => mib * 1024 * 1024,
    };
    Ok(Setup {
        runtime_dir: resolve(path, &file.runtime_dir),
        limits: Limits {
            key_cache_bytes: as_usize(section.key_cache_mib * 1024 * 1024),
            memory_bytes: as_usize(memory_bytes),
        },
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
        let text = "[gate]\nanything = 1\n[compute]\nkey_cache_mib = 32\nmemory_mib = 64\nthreads = 2\n";
        let setup = loaded(text).unwrap();
        let limits = Limits {
            key_cache_bytes: 32 << 20,
            memory_bytes: 64 << 20,
        };
        assert_eq!((setup.limits, setup.threads), (limits, 2));
        assert!(setup.runtime_dir.is_absolute());
    }

    #[test]
    fn leaves_a_quarter_of_the_machine_to_others_when_nothing_is_said() {
        let machine = usize::try_from(machine::memory_bytes().unwrap()).unwrap();
        for text in ["", "[compute]\nmemory_mib = 0\n"] {
            let memory = loaded(text).unwrap().limits.memory_bytes;
            assert!(memory <= machine / 4 * 3 && memory > machine / 2, "{memory}");
        }
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
        let range = loaded("[compute]\nmemory_mib = 99999999\n")
            .unwrap_err()
            .to_string();
        assert!(range.contains("compute.memory_mib is 99999999"), "{range}");
    }
}
