//! The link's part of `agent.toml`: common keys, `[box]`, `[broker]` or `[serial]`, `[link]`.
//!
//! Paths are relative to the file's folder. Unknown options are errors; the sections of other processes
//! are theirs to read.

use std::{
    fs, io,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use obscura_carrier::{
    Options,
    mqtt::MqttOptions,
    serial::{End, MIN_BAUD, PortName, SerialOptions},
};
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
    /// Options do not go together.
    #[error("{}: {problem}", path.display())]
    Combination {
        /// The file.
        path: PathBuf,
        /// What is missing or too much.
        problem: &'static str,
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
    broker: Option<BrokerSection>,
    serial: Option<SerialSection>,
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
struct SerialSection {
    port: Option<PathBuf>,
    usb_serial_number: Option<String>,
    #[serde(default = "default_baud")]
    baud: u32,
    ca: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

fn default_baud() -> u32 {
    MIN_BAUD
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
    /// How to reach the box: through the broker or over a cable.
    pub carrier: Options,
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
        let box_name: PeerName = parse("box.name", path, &document.r#box.name)?;
        let carrier = match (document.broker, document.serial) {
            (Some(broker), None) => Options::Mqtt(mqtt(folder, broker, &device)?),
            (None, Some(section)) => Options::Serial(serial(path, folder, section, &device, &box_name)?),
            _ => {
                let problem = "one of [broker] and [serial] is needed, and not both";
                return Err(combination(path, problem));
            }
        };
        let seed = read("link.envelope_key", &folder.join(&document.link.envelope_key))?;
        let seed: Zeroizing<String> = Zeroizing::new(String::from_utf8_lossy(&seed).trim().to_owned());
        // A digest has the same text form as a seed: 64 hexadecimal digits.
        let seed: Digest = parse(
            "link.envelope_key",
            &folder.join(&document.link.envelope_key),
            &seed,
        )?;
        Ok(Self {
            carrier,
            up_topic: up_topic(&device),
            journal_dir: folder.join(document.link.journal_dir),
            own: LinkIdentity {
                site: parse("site", path, &document.site)?,
                device,
                identity: Identity::from_seed(&Zeroizing::new(seed.0)),
                box_name,
                box_key: parse(
                    "box.envelope_public_key",
                    path,
                    &document.r#box.envelope_public_key,
                )?,
            },
        })
    }
}

fn up_topic(device: &PeerName) -> String {
    format!("obscura/v1/{device}/up")
}

fn down_topic(device: &PeerName) -> String {
    format!("obscura/v1/{device}/down")
}

fn mqtt(folder: &Path, broker: BrokerSection, device: &PeerName) -> Result<MqttOptions, ConfigError> {
    Ok(MqttOptions {
        host: broker.host,
        port: broker.port,
        client_id: device.to_string(),
        ca_pem: read("broker.ca", &folder.join(&broker.ca))?.to_vec(),
        certificate_pem: read("broker.certificate", &folder.join(&broker.certificate))?.to_vec(),
        key_pem: read("broker.key", &folder.join(&broker.key))?,
        subscribe: vec![down_topic(device)],
        max_packet_bytes: u32::try_from(MAX_PACKET_BYTES).unwrap_or(u32::MAX),
        keep_alive: KEEP_ALIVE,
    })
}

fn serial(
    path: &Path,
    folder: &Path,
    section: SerialSection,
    device: &PeerName,
    box_name: &PeerName,
) -> Result<SerialOptions, ConfigError> {
    let port = match (section.port, section.usb_serial_number) {
        (Some(port), None) => PortName::Path(folder.join(port)),
        (None, Some(number)) => PortName::UsbSerialNumber(number),
        _ => {
            let problem = "one of serial.port and serial.usb_serial_number is needed, and not both";
            return Err(combination(path, problem));
        }
    };
    Ok(SerialOptions {
        port,
        baud: section.baud,
        end: End::Device {
            box_name: box_name.clone(),
        },
        ca_pem: read("serial.ca", &folder.join(&section.ca))?.to_vec(),
        certificate_pem: read("serial.certificate", &folder.join(&section.certificate))?.to_vec(),
        key_pem: read("serial.key", &folder.join(&section.key))?,
        publish_topic: up_topic(device),
        receive_topic: down_topic(device),
        max_message_bytes: MAX_ENVELOPE_BYTES,
    })
}

fn combination(path: &Path, problem: &'static str) -> ConfigError {
    ConfigError::Combination {
        path: path.to_owned(),
        problem,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(carrier: &str) -> Result<LinkConfig, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["ca.pem", "mqtt.pem", "mqtt.key.pem"] {
            fs::write(path(name), "").unwrap();
        }
        let key = "0a".repeat(32);
        fs::write(path("envelope.key"), &key).unwrap();
        let text = format!(
            "site = \"{}\"\nname = \"device-1\"\n[vault]\n[link]\nenvelope_key = \"envelope.key\"\n\
             [box]\nname = \"box-1\"\nenvelope_public_key = \"{key}\"\nreceipt_public_key = \"{key}\"\n{carrier}",
            "00".repeat(16)
        );
        fs::write(path("agent.toml"), text).unwrap();
        LinkConfig::read(&path("agent.toml"))
    }

    #[test]
    fn the_box_is_reached_through_the_broker_or_over_a_cable() {
        let files = "ca = \"ca.pem\"\ncertificate = \"mqtt.pem\"\nkey = \"mqtt.key.pem\"\n";
        let broker = format!("[broker]\nhost = \"h\"\nport = 8883\n{files}");
        let serial = format!("[serial]\n{files}");
        assert!(matches!(loaded(&broker).unwrap().carrier, Options::Mqtt(_)));
        let cable = loaded(&format!("{serial}usb_serial_number = \"FT1A\"\n")).unwrap();
        let Options::Serial(options) = &cable.carrier else {
            panic!("{cable:?}");
        };
        assert_eq!(options.port, PortName::UsbSerialNumber("FT1A".to_owned()));
        assert_eq!(options.publish_topic, cable.up_topic);
        assert_eq!(options.baud, MIN_BAUD);
        let box_name = "box-1".parse().unwrap();
        assert_eq!(options.end, End::Device { box_name });
        for (text, problem) in [
            (String::new(), "one of [broker] and [serial]"),
            (format!("{broker}{serial}port = \"x\"\n"), "and not both"),
            (serial, "one of serial.port and serial.usb_serial_number"),
        ] {
            let error = loaded(&text).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
    }
}
