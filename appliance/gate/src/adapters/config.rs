//! The gate's part of `box.toml`, and the files it names.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use obscura_carrier::mqtt::MqttOptions;
use obscura_process::{
    ConfigError, check_range, default_runtime_dir, from_hex, read, read_bounded, read_identity, resolve,
};
use obscura_protocol::identity::{Identity, PeerName, PublicKey, SiteId};
use serde::{Deserialize, de::IgnoredAny};

use super::topic::ALL_UP;
use crate::application::{Roster, Settings};

/// Largest certificate or key file.
const MAX_PEM_BYTES: u64 = 64 * 1024;
/// Largest MQTT packet, the broker's limit included in the site's configuration.
const MAX_PACKET_BYTES: u32 = 320 * 1024;
/// Silence after which the broker is asked whether it is there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
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
    broker: Broker,
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
    /// Names, roster and limits.
    pub settings: Settings,
    /// The key that signs envelopes.
    pub identity: Identity,
    /// How to reach the broker.
    pub mqtt: MqttOptions,
}

/// Reads the configuration and every file it names.
///
/// # Errors
/// [`ConfigError`].
pub fn load(path: &Path) -> Result<Setup, ConfigError> {
    let file: File = read(path)?;
    let section = file.gate;
    check_range(path, "broker.port", file.broker.port, 1..=65535)?;
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
    let pem = |name: &Path| read_bounded(&resolve(path, name), MAX_PEM_BYTES);
    let mqtt = MqttOptions {
        host: file.broker.host,
        port: u16::try_from(file.broker.port).unwrap_or(u16::MAX),
        client_id: file.name.as_str().to_owned(),
        ca_pem: pem(&file.broker.ca)?.to_vec(),
        certificate_pem: pem(&file.broker.certificate)?.to_vec(),
        key_pem: pem(&file.broker.key)?,
        subscribe: vec![ALL_UP.to_owned()],
        max_packet_bytes: MAX_PACKET_BYTES,
        keep_alive: KEEP_ALIVE,
    };
    Ok(Setup {
        runtime_dir: resolve(path, &file.runtime_dir),
        store_dir: resolve(path, &section.store_dir),
        settings: Settings {
            site: file.site,
            own_name: file.name,
            roster: roster(&resolve(path, &section.roster))?,
            store_quota_bytes: section.store_quota_mib * 1024 * 1024,
            max_clients_per_device: MAX_CLIENTS_PER_DEVICE,
            max_jobs_per_device: u32::try_from(section.max_jobs_per_device).unwrap_or(u32::MAX),
            max_item_time: Duration::from_secs(section.max_item_minutes * 60),
            max_unfinished: Duration::from_secs(section.max_unfinished_hours * 3600),
            max_unused: Duration::from_secs(section.max_unused_days * 24 * 3600),
        },
        identity: read_identity(&resolve(path, &section.envelope_key))?,
        mqtt,
    })
}

/// The enabled devices. A name listed twice keeps its last key.
fn roster(path: &Path) -> Result<Roster, ConfigError> {
    let file: RosterFile = read(path)?;
    let mut devices = BTreeMap::new();
    for device in file.device {
        if device.enabled {
            devices.insert(device.name, device.envelope_public_key);
        } else {
            devices.remove(&device.name);
        }
    }
    Ok(Roster(devices))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A whole folder of a box, with `gate` as the end of its section.
    fn loaded(gate: &str) -> Result<Setup, ConfigError> {
        use std::{fs, os::unix::fs::PermissionsExt};
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["ca.pem", "mqtt.pem", "mqtt.key.pem", "roster.toml"] {
            fs::write(path(name), "").unwrap();
        }
        fs::write(path("envelope.key"), "0a".repeat(32)).unwrap();
        fs::set_permissions(path("envelope.key"), fs::Permissions::from_mode(0o600)).unwrap();
        let head = "site = \"00112233445566778899aabbccddeeff\"\nname = \"box-1\"\n";
        let broker =
            "[broker]\nhost = \"h\"\nca = \"ca.pem\"\ncertificate = \"mqtt.pem\"\nkey = \"mqtt.key.pem\"\n";
        let section = "[gate]\nenvelope_key = \"envelope.key\"\nroster = \"roster.toml\"\n";
        fs::write(path("box.toml"), format!("{head}{broker}{section}{gate}")).unwrap();
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
    fn a_disabled_device_is_not_in_the_roster() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("roster.toml");
        let key = "0a".repeat(32);
        let device = |name: &str, more: &str| {
            format!("[[device]]\nname = \"{name}\"\nenvelope_public_key = \"{key}\"\n{more}\n")
        };
        let text = device("a", "") + &device("b", "enabled = false") + &device("c", "enabled = true");
        std::fs::write(&path, text).unwrap();
        let names: Vec<_> = roster(&path).unwrap().0.into_keys().collect();
        assert_eq!(names.iter().map(PeerName::as_str).collect::<Vec<_>>(), ["a", "c"]);
        std::fs::write(&path, device("Bad Name", "")).unwrap();
        assert!(roster(&path).unwrap_err().to_string().contains("roster.toml"));
    }
}
