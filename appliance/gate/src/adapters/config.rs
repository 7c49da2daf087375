//! The gate's part of `box.toml`, and the files it names.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Duration,
};

use obscura_carrier::{
    Options,
    mqtt::MqttOptions,
    serial::{End, MIN_BAUD, PortName, SerialOptions},
};
use obscura_process::{
    ConfigError, check_range, default_incoming_dir, default_runtime_dir, from_hex, read, read_bounded,
    read_identity, resolve,
};
use obscura_protocol::{
    envelope::MAX_ENVELOPE_BYTES,
    identity::{Identity, PeerName, PublicKey, SiteId},
};
use serde::{Deserialize, de::IgnoredAny};
use zeroize::Zeroizing;

use super::topic::{ALL_UP, PEER_DOWN, PEER_UP};
use crate::application::{Roster, Settings};

/// Largest certificate or key file.
const MAX_PEM_BYTES: u64 = 64 * 1024;
/// Largest MQTT packet, the broker's limit included in the site's configuration.
const MAX_PACKET_BYTES: u32 = 320 * 1024;
/// Silence after which the broker is asked whether it is there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Fastest serial line anybody makes, with room.
const MAX_BAUD: u64 = 30_000_000;
/// Sets of evaluation keys one device may keep.
const MAX_CLIENTS_PER_DEVICE: usize = 4;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(deserialize_with = "from_hex")]
    site: SiteId,
    name: PeerName,
    #[serde(default = "default_runtime_dir")]
    runtime_dir: PathBuf,
    #[serde(default = "default_incoming_dir")]
    incoming_dir: PathBuf,
    broker: Option<Broker>,
    serial: Option<Serial>,
    gate: Section,
    #[serde(rename = "compute")]
    _compute: Option<IgnoredAny>,
    #[serde(rename = "trust")]
    _trust: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Broker {
    host: String,
    #[serde(default = "default_port")]
    port: u64,
    ca: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Serial {
    port: Option<PathBuf>,
    usb_serial_number: Option<String>,
    #[serde(default = "default_baud")]
    baud: u64,
    ca: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    envelope_key: PathBuf,
    roster: PathBuf,
    #[serde(default = "default_store_dir")]
    store_dir: PathBuf,
    #[serde(default = "default_quota")]
    store_quota_mib: u64,
    #[serde(default = "default_jobs")]
    max_jobs_per_device: u64,
    #[serde(default = "default_item_minutes")]
    max_item_minutes: u64,
    #[serde(default = "default_unfinished_hours")]
    max_unfinished_hours: u64,
    #[serde(default = "default_unused_days")]
    max_unused_days: u64,
}

fn default_port() -> u64 {
    8883
}

fn default_baud() -> u64 {
    u64::from(MIN_BAUD)
}

fn default_store_dir() -> PathBuf {
    PathBuf::from("state/keys")
}

fn default_quota() -> u64 {
    1024
}

fn default_jobs() -> u64 {
    8
}

fn default_item_minutes() -> u64 {
    60
}

fn default_unfinished_hours() -> u64 {
    72
}

fn default_unused_days() -> u64 {
    90
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RosterFile {
    #[serde(default)]
    device: Vec<Device>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Device {
    name: PeerName,
    #[serde(deserialize_with = "from_hex")]
    envelope_public_key: PublicKey,
    #[serde(default = "enabled")]
    enabled: bool,
    #[serde(default)]
    may_send_models: bool,
}

fn enabled() -> bool {
    true
}

/// Everything the gate works with.
#[derive(Debug)]
pub struct Setup {
    /// Folder of the sockets and of the ready file.
    pub runtime_dir: PathBuf,
    /// Folder of the evaluation keys.
    pub store_dir: PathBuf,
    /// Folder of models that wait for the next start.
    pub incoming_dir: PathBuf,
    /// Names, roster and limits.
    pub settings: Settings,
    /// The key that signs envelopes.
    pub identity: Identity,
    /// The ways devices can come: at least one.
    pub carriers: Vec<Options>,
}

impl Setup {
    /// Whether any way leads over a network.
    pub fn has_network(&self) -> bool {
        self.carriers
            .iter()
            .any(|carrier| !matches!(carrier, Options::Serial(_)))
    }
}

/// Reads the configuration and every file it names.
///
/// # Errors
/// [`ConfigError`].
pub fn load(path: &Path) -> Result<Setup, ConfigError> {
    let file: File = read(path)?;
    let section = file.gate;
    check_range(
        path,
        "gate.store_quota_mib",
        section.store_quota_mib,
        64..=1024 * 1024,
    )?;
    check_range(
        path,
        "gate.max_jobs_per_device",
        section.max_jobs_per_device,
        1..=1024,
    )?;
    check_range(
        path,
        "gate.max_item_minutes",
        section.max_item_minutes,
        1..=24 * 60,
    )?;
    check_range(
        path,
        "gate.max_unfinished_hours",
        section.max_unfinished_hours,
        1..=24 * 365,
    )?;
    check_range(
        path,
        "gate.max_unused_days",
        section.max_unused_days,
        1..=10 * 365,
    )?;
    let mut carriers = Vec::new();
    if let Some(broker) = &file.broker {
        carriers.push(Options::Mqtt(mqtt(path, broker, &file.name)?));
    }
    if let Some(section) = &file.serial {
        carriers.push(Options::Serial(serial(path, section)?));
    }
    if carriers.is_empty() {
        let problem = "[broker] or [serial] is needed: there is no way for a device to reach the box";
        return Err(combination(path, problem));
    }
    let (roster, model_senders) = roster(&resolve(path, &section.roster))?;
    Ok(Setup {
        runtime_dir: resolve(path, &file.runtime_dir),
        store_dir: resolve(path, &section.store_dir),
        incoming_dir: resolve(path, &file.incoming_dir),
        settings: Settings {
            site: file.site,
            own_name: file.name,
            roster,
            model_senders,
            store_quota_bytes: section.store_quota_mib * 1024 * 1024,
            max_clients_per_device: MAX_CLIENTS_PER_DEVICE,
            max_jobs_per_device: u32::try_from(section.max_jobs_per_device).unwrap_or(u32::MAX),
            max_item_time: Duration::from_secs(section.max_item_minutes * 60),
            max_unfinished: Duration::from_secs(section.max_unfinished_hours * 3600),
            max_unused: Duration::from_secs(section.max_unused_days * 24 * 3600),
        },
        identity: read_identity(&resolve(path, &section.envelope_key))?,
        carriers,
    })
}

fn combination(path: &Path, problem: &'static str) -> ConfigError {
    ConfigError::ConfigCombination {
        path: path.to_owned(),
        problem,
    }
}

fn pem(config: &Path, name: &Path) -> Result<Zeroizing<Vec<u8>>, ConfigError> {
    read_bounded(&resolve(config, name), MAX_PEM_BYTES)
}

fn mqtt(path: &Path, broker: &Broker, own: &PeerName) -> Result<MqttOptions, ConfigError> {
    check_range(path, "broker.port", broker.port, 1..=65535)?;
    Ok(MqttOptions {
        host: broker.host.clone(),
        port: u16::try_from(broker.port).unwrap_or(u16::MAX),
        client_id: own.as_str().to_owned(),
        ca_pem: pem(path, &broker.ca)?.to_vec(),
        certificate_pem: pem(path, &broker.certificate)?.to_vec(),
        key_pem: pem(path, &broker.key)?,
        subscribe: vec![ALL_UP.to_owned()],
        max_packet_bytes: MAX_PACKET_BYTES,
        keep_alive: KEEP_ALIVE,
    })
}

fn serial(path: &Path, section: &Serial) -> Result<SerialOptions, ConfigError> {
    check_range(path, "serial.baud", section.baud, u64::from(MIN_BAUD)..=MAX_BAUD)?;
    let port = match (&section.port, &section.usb_serial_number) {
        (Some(port), None) => PortName::Path(resolve(path, port)),
        (None, Some(number)) => PortName::UsbSerialNumber(number.clone()),
        _ => {
            let problem = "one of serial.port and serial.usb_serial_number is needed, and not both";
            return Err(combination(path, problem));
        }
    };
    Ok(SerialOptions {
        port,
        baud: u32::try_from(section.baud).unwrap_or(MIN_BAUD),
        end: End::Box,
        ca_pem: pem(path, &section.ca)?.to_vec(),
        certificate_pem: pem(path, &section.certificate)?.to_vec(),
        key_pem: pem(path, &section.key)?,
        publish_topic: PEER_DOWN.to_owned(),
        receive_topic: PEER_UP.to_owned(),
        max_message_bytes: MAX_ENVELOPE_BYTES,
    })
}

/// The enabled devices, and those of them that may send models. A name listed twice keeps its last entry.
fn roster(path: &Path) -> Result<(Roster, BTreeSet<PeerName>), ConfigError> {
    let file: RosterFile = read(path)?;
    let (mut devices, mut model_senders) = (BTreeMap::new(), BTreeSet::new());
    for device in file.device {
        model_senders.remove(&device.name);
        if device.enabled {
            if device.may_send_models {
                model_senders.insert(device.name.clone());
            }
            devices.insert(device.name, device.envelope_public_key);
        } else {
            devices.remove(&device.name);
        }
    }
    Ok((Roster(devices), model_senders))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BROKER: &str =
        "[broker]\nhost = \"h\"\nca = \"ca.pem\"\ncertificate = \"mqtt.pem\"\nkey = \"mqtt.key.pem\"\n";
    const SERIAL: &str = "[serial]\nca = \"ca.pem\"\ncertificate = \"mqtt.pem\"\nkey = \"mqtt.key.pem\"\n";

    /// A whole folder of a box with a broker, with `gate` as the end of its section.
    fn loaded(gate: &str) -> Result<Setup, ConfigError> {
        loaded_with(BROKER, gate)
    }

    fn loaded_with(carriers: &str, gate: &str) -> Result<Setup, ConfigError> {
        use std::{fs, os::unix::fs::PermissionsExt};
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["ca.pem", "mqtt.pem", "mqtt.key.pem", "roster.toml"] {
            fs::write(path(name), "").unwrap();
        }
        fs::write(path("envelope.key"), "0a".repeat(32)).unwrap();
        fs::set_permissions(path("envelope.key"), fs::Permissions::from_mode(0o600)).unwrap();
        let head = "site = \"00112233445566778899aabbccddeeff\"\nname = \"box-1\"\n";
        let section = "[gate]\nenvelope_key = \"envelope.key\"\nroster = \"roster.toml\"\n";
        fs::write(path("box.toml"), format!("{head}{carriers}{section}{gate}")).unwrap();
        load(&path("box.toml"))
    }

    #[test]
    fn an_item_may_take_an_hour_unless_the_file_says_otherwise() {
        let time = |gate| loaded(gate).unwrap().settings.max_item_time;
        assert_eq!(time(""), Duration::from_hours(1));
        assert_eq!(time("max_item_minutes = 5\n"), Duration::from_mins(5));
        let range = loaded("max_item_minutes = 0\n").unwrap_err().to_string();
        assert!(
            range.contains("gate.max_item_minutes is 0, allowed is 1 to 1440"),
            "{range}"
        );
    }

    #[test]
    fn a_device_may_come_over_a_broker_a_cable_or_both() {
        let with = |text: &str| loaded_with(text, "");
        let cable = format!("{SERIAL}usb_serial_number = \"FT1A\"\nbaud = 3000000\n");
        let serial_only = with(&cable).unwrap();
        assert!(!serial_only.has_network());
        let [Options::Serial(serial)] = &serial_only.carriers[..] else {
            panic!("{serial_only:?}");
        };
        assert_eq!(serial.port, PortName::UsbSerialNumber("FT1A".to_owned()));
        assert_eq!((serial.baud, &serial.end), (3_000_000, &End::Box));
        let both = with(&(BROKER.to_owned() + &cable)).unwrap();
        assert!(both.has_network());
        assert_eq!(both.carriers.len(), 2);
        for (text, problem) in [
            (String::new(), "[broker] or [serial] is needed"),
            (
                SERIAL.to_owned(),
                "one of serial.port and serial.usb_serial_number",
            ),
            (format!("{cable}port = \"/dev/ttyS0\"\n"), "and not both"),
            (
                format!("{SERIAL}port = \"/dev/ttyS0\"\nbaud = 9600\n"),
                "serial.baud is 9600, allowed is 115200",
            ),
        ] {
            let error = with(&text).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
    }

    #[test]
    fn a_device_may_send_models_only_where_its_last_entry_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("roster.toml");
        let key = "0a".repeat(32);
        let device = |name: &str, more: &str| {
            format!("[[device]]\nname = \"{name}\"\nenvelope_public_key = \"{key}\"\n{more}\n")
        };
        let text = device("a", "")
            + &device("b", "may_send_models = true")
            + &device("c", "may_send_models = true\nenabled = false")
            + &device("d", "may_send_models = true")
            + &device("d", "");
        std::fs::write(&path, text).unwrap();
        let senders: Vec<_> = roster(&path).unwrap().1.into_iter().collect();
        assert_eq!(senders.iter().map(PeerName::as_str).collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn a_disabled_device_is_not_in_the_roster() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("roster.toml");
        let key = "0a".repeat(32);
        let device = |name: &str, more: &str| {
            format!("[[device]]\nname = \"{name}\"\nenvelope_public_key = \"{key}\"\n{more}\n")
        };
        let text = device("a", "") + &device("b", "enabled = false") + &device("c", "enabled = true");
        std::fs::write(&path, text).unwrap();
        let names: Vec<_> = roster(&path).unwrap().0.0.into_keys().collect();
        assert_eq!(names.iter().map(PeerName::as_str).collect::<Vec<_>>(), ["a", "c"]);
        std::fs::write(&path, device("Bad Name", "")).unwrap();
        assert!(roster(&path).unwrap_err().to_string().contains("roster.toml"));
    }
}
