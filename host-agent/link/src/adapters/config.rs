//! The link's part of `agent.toml`: common keys, `[box]`, `[broker]`, `[link]`.
//!
//! Paths are relative to the file's folder. Unknown options are errors; the sections of other processes
//! are theirs to read.

use std::{
    fs, io,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use obscura_carrier::mqtt::MqttOptions;
use obscura_protocol::{
    envelope::MAX_ENVELOPE_BYTES,
    identity::{Digest, Identity, NameError, PeerName},
};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::application::LinkIdentity;

/// Silence after which the broker is asked whether it is there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Largest MQTT packet: an envelope, its topic and the packet's own header.
const MAX_PACKET_BYTES: usize = MAX_ENVELOPE_BYTES + 1024;

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
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
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    site: String,
    name: String,
    r#box: BoxSection,
    broker: BrokerSection,
    link: LinkSection,
    #[serde(rename = "vault")]
    _vault: serde::de::IgnoredAny,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BoxSection {
    name: String,
    envelope_public_key: String,
    #[serde(rename = "receipt_public_key")]
    _receipt_public_key: serde::de::IgnoredAny,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BrokerSection {
    host: String,
    port: u16,
    ca: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LinkSection {
    envelope_key: PathBuf,
    #[serde(default = "default_journal")]
    journal_dir: PathBuf,
}

fn default_journal() -> PathBuf {
    PathBuf::from("journal")
}

/// Everything the link needs to start.
#[derive(Debug)]
pub struct LinkConfig {
    /// Who this device is and which box it trusts.
    pub own: LinkIdentity,
    /// How to reach the broker.
    pub mqtt: MqttOptions,
    /// Topic to the box.
    pub up_topic: String,
    /// Folder of the journal.
    pub journal_dir: PathBuf,
}

impl LinkConfig {
    /// Reads the file at `path` and the files it names.
    ///
    /// # Errors
    /// [`ConfigError`], which names the option.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = read("--config", path)?;
        let text = String::from_utf8_lossy(&text);
        let document: Document = toml::from_str(&text).map_err(|source| ConfigError::Toml {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        let folder = path.parent().unwrap_or_else(|| Path::new(""));
        let device: PeerName = parse("name", path, &document.name)?;
        let (broker, down_topic) = (document.broker, format!("obscura/v1/{device}/down"));
        let seed = read("link.envelope_key", &folder.join(&document.link.envelope_key))?;
        let seed: Zeroizing<String> = Zeroizing::new(String::from_utf8_lossy(&seed).trim().to_owned());
        // A digest has the same text form as a seed: 64 hexadecimal digits.
        let seed: Digest = parse(
            "link.envelope_key",
            &folder.join(&document.link.envelope_key),
            &seed,
        )?;
        Ok(Self {
            mqtt: MqttOptions {
                host: broker.host,
                port: broker.port,
                client_id: device.to_string(),
                ca_pem: read("broker.ca", &folder.join(&broker.ca))?.to_vec(),
                certificate_pem: read("broker.certificate", &folder.join(&broker.certificate))?.to_vec(),
                key_pem: read("broker.key", &folder.join(&broker.key))?,
                subscribe: vec![down_topic],
                max_packet_bytes: u32::try_from(MAX_PACKET_BYTES).unwrap_or(u32::MAX),
                keep_alive: KEEP_ALIVE,
            },
            up_topic: format!("obscura/v1/{device}/up"),
            journal_dir: folder.join(document.link.journal_dir),
            own: LinkIdentity {
                site: parse("site", path, &document.site)?,
                device,
                identity: Identity::from_seed(&Zeroizing::new(seed.0)),
                box_name: parse("box.name", path, &document.r#box.name)?,
                box_key: parse(
                    "box.envelope_public_key",
                    path,
                    &document.r#box.envelope_public_key,
                )?,
            },
        })
    }
}

fn read(option: &'static str, path: &Path) -> Result<Zeroizing<Vec<u8>>, ConfigError> {
    let failed = |source| ConfigError::File {
        option,
        path: path.to_owned(),
        source,
    };
    fs::read(path).map(Zeroizing::new).map_err(failed)
}

fn parse<T: FromStr<Err = NameError>>(
    option: &'static str,
    path: &Path,
    text: &str,
) -> Result<T, ConfigError> {
    text.parse().map_err(|source| ConfigError::Value {
        option,
        path: path.to_owned(),
        source,
    })
}
