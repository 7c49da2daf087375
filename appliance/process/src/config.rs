//! Reading the box's configuration file and the files it names.
//!
//! Every process reads the same file and only its own section; a key it does not know is an error that names
//! it, so a typing mistake never silently becomes a default.

use std::{
    fs,
    io::{self, Read},
    ops::RangeInclusive,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    str::FromStr,
};

use obscura_protocol::identity::{Digest, Identity, NameError};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _},
};
use zeroize::Zeroizing;

/// Largest configuration file.
const MAX_CONFIG_BYTES: u64 = 256 * 1024;

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A file is missing or unreadable.
    #[error("cannot read {}", path.display())]
    ConfigUnreadable {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// A file is larger than its kind may be.
    #[error("{} is larger than {max_bytes} bytes", path.display())]
    ConfigTooLarge {
        /// The file.
        path: PathBuf,
        /// Length allowed.
        max_bytes: u64,
    },
    /// The file is not valid, or a key is unknown, missing or has a wrong value.
    #[error("{}: {problem}", path.display())]
    ConfigSyntax {
        /// The file.
        path: PathBuf,
        /// Place and expectation; part of the message, so not repeated as its source.
        problem: Box<toml::de::Error>,
    },
    /// A value is outside what is allowed.
    #[error("{}: {key} is {got}, allowed is {min} to {max}", path.display())]
    ConfigRange {
        /// The file.
        path: PathBuf,
        /// The key.
        key: &'static str,
        /// The value found.
        got: u64,
        /// Smallest value allowed.
        min: u64,
        /// Largest value allowed.
        max: u64,
    },
    /// Tables or keys do not go together.
    #[error("{}: {problem}", path.display())]
    ConfigCombination {
        /// The file.
        path: PathBuf,
        /// What is missing or too much.
        problem: &'static str,
    },
    /// A key file is not 64 hexadecimal digits.
    #[error("{} must hold one line of 64 hexadecimal digits", path.display())]
    ConfigKeyFile {
        /// The file.
        path: PathBuf,
    },
    /// Others may read a secret.
    #[error("{} has mode {mode:o}; a secret key must have mode 600 (chmod 600)", path.display())]
    ConfigKeyExposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

/// `path` as seen from the folder of the configuration file that names it.
pub fn resolve(config: &Path, path: &Path) -> PathBuf {
    config
        .parent()
        .map_or_else(|| path.to_owned(), |folder| folder.join(path))
}

/// Folder of the sockets when the configuration names none; for `#[serde(default)]`.
pub fn default_runtime_dir() -> PathBuf {
    PathBuf::from("run")
}

/// Folder of bundles that came over a carrier and wait for the next start, when the file does not say: the gate
/// fills it, trust empties it.
pub fn default_incoming_dir() -> PathBuf {
    PathBuf::from("state/incoming")
}

/// Reads a TOML file into `T`, which denies keys it does not know.
///
/// # Errors
/// [`ConfigError`] names the file, the place, the key and what is allowed.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<T, ConfigError> {
    let bytes = read_bounded(path, MAX_CONFIG_BYTES)?;
    toml::from_slice(&bytes).map_err(|problem| ConfigError::ConfigSyntax {
        path: path.to_owned(),
        problem: Box::new(problem),
    })
}

/// Checks that `got` lies in `allowed`.
///
/// # Errors
/// [`ConfigError::ConfigRange`] names `key`.
pub fn check_range(
    path: &Path,
    key: &'static str,
    got: u64,
    allowed: RangeInclusive<u64>,
) -> Result<(), ConfigError> {
    if allowed.contains(&got) {
        return Ok(());
    }
    Err(ConfigError::ConfigRange {
        path: path.to_owned(),
        key,
        got,
        min: *allowed.start(),
        max: *allowed.end(),
    })
}

/// Deserializes an identifier written as hexadecimal text; for `#[serde(deserialize_with)]`.
///
/// # Errors
/// The deserializer's, with the number of digits expected.
pub fn from_hex<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err = NameError>,
{
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(D::Error::custom)
}

/// Reads a whole file of at most `max_bytes`.
///
/// # Errors
/// [`ConfigError`] names the file.
pub fn read_bounded(path: &Path, max_bytes: u64) -> Result<Zeroizing<Vec<u8>>, ConfigError> {
    let unreadable = |source| ConfigError::ConfigUnreadable {
        path: path.to_owned(),
        source,
    };
    let file = fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(max_bytes + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > max_bytes {
        return Err(ConfigError::ConfigTooLarge {
            path: path.to_owned(),
            max_bytes,
        });
    }
    Ok(bytes)
}

/// Reads an Ed25519 seed: one line of 64 hexadecimal digits in a file only its owner can read.
///
/// # Errors
/// [`ConfigError`] names the file, never its content.
pub fn read_identity(path: &Path) -> Result<Identity, ConfigError> {
    let text = read_bounded(path, 128)?;
    let mode = fs::metadata(path)
        .map_err(|source| ConfigError::ConfigUnreadable {
            path: path.to_owned(),
            source,
        })?
        .permissions()
        .mode();
    if mode & 0o077 != 0 {
        return Err(ConfigError::ConfigKeyExposed {
            path: path.to_owned(),
            mode: mode & 0o777,
        });
    }
    let seed = std::str::from_utf8(&text)
        .ok()
        .and_then(|text| text.trim_end().parse::<Digest>().ok());
    let seed = seed.ok_or_else(|| ConfigError::ConfigKeyFile {
        path: path.to_owned(),
    })?;
    Ok(Identity::from_seed(&Zeroizing::new(seed.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Example {
        #[serde(deserialize_with = "from_hex")]
        site: obscura_protocol::identity::SiteId,
    }

    fn written(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("box.toml");
        fs::write(&path, text).unwrap();
        (folder, path)
    }

    #[test]
    fn names_an_unknown_key_and_the_file() {
        let (_folder, path) = written("site = \"00112233445566778899aabbccddeeff\"\nsitee = 1\n");
        let text = read::<Example>(&path).unwrap_err().to_string();
        assert!(text.contains("box.toml") && text.contains("sitee"), "{text}");
    }

    #[test]
    fn says_how_many_digits_an_identifier_has() {
        let (_folder, path) = written("site = \"00\"\n");
        let text = read::<Example>(&path).unwrap_err().to_string();
        assert!(text.contains("32 hexadecimal digits"), "{text}");
        let (_folder, path) = written("site = \"00112233445566778899aabbccddeeff\"\n");
        assert_eq!(read::<Example>(&path).unwrap().site.0[1], 0x11);
    }

    #[test]
    fn names_the_allowed_range() {
        let path = Path::new("box.toml");
        let text = check_range(path, "gate.store_quota_mib", 0, 1..=9).unwrap_err();
        assert_eq!(
            text.to_string(),
            "box.toml: gate.store_quota_mib is 0, allowed is 1 to 9"
        );
    }

    #[test]
    fn refuses_a_key_that_others_can_read_or_that_is_no_key() {
        let (_folder, path) = written(&format!("{}\n", "0a".repeat(32)));
        assert!(matches!(
            read_identity(&path),
            Err(ConfigError::ConfigKeyExposed { .. })
        ));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let seed = Zeroizing::new([10; 32]);
        assert_eq!(
            read_identity(&path).unwrap().public(),
            Identity::from_seed(&seed).public()
        );
        fs::write(&path, "no key").unwrap();
        assert!(matches!(
            read_identity(&path),
            Err(ConfigError::ConfigKeyFile { .. })
        ));
    }
}
