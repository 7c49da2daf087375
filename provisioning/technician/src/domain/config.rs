//! The configuration files of box and device, every option with its unit and default beside it.
//!
//! Text only: the programs that read these files own their meaning and refuse options they do not know.

use std::fmt::Write as _;

use super::site::{Member, Site};

/// Defaults written into `box.toml`.
const STORE_QUOTA_MIB: u32 = 1024;
const KEY_CACHE_MIB: u32 = 1024;
const MAX_JOBS_PER_DEVICE: u32 = 8;
const MAX_ITEM_MINUTES: u32 = 60;
const MAX_UNFINISHED_HOURS: u64 = 72;
const MAX_UNUSED_DAYS: u64 = 90;

/// The `[broker]` table, the same for every client.
fn broker_table(site: &Site) -> String {
    format!(
        "\
[broker]
# Where the site's MQTT broker listens: host name or IP address (no default), TCP port (default 8883).
host = \"{address}\"
port = {port}
# Certificate of the site's authority, and this member's own certificate and key, PEM (no defaults).
ca = \"ca.pem\"
certificate = \"mqtt.pem\"
key = \"mqtt.key.pem\"
",
        address = site.address,
        port = site.port
    )
}

/// The `[serial]` table, commented out: ready for whoever lays a cable.
fn serial_table(when: &str) -> String {
    format!(
        "\
# {when}:
# uncomment the lines below and keep one of the first two, the port's device file or the serial number of its
# USB device, which is the same wherever it is plugged in (no defaults). Speed of the line, baud, the same at
# both ends (default 115200, the least; ports that are USB all the way ignore it). The certificates and the key
# are those for the broker (no defaults).
#[serial]
#port = \"/dev/ttyUSB0\"
#usb_serial_number = \"\"
#baud = 115200
#ca = \"ca.pem\"
#certificate = \"mqtt.pem\"
#key = \"mqtt.key.pem\"
"
    )
}

/// `box.toml`.
pub(crate) fn box_toml(site: &Site) -> String {
    format!(
        "\
# Configuration of one Obscura box. Paths are relative to this folder.

# Random name of the site, 32 hexadecimal digits (no default).
site = \"{site_id}\"
# Name of this box, as in its certificate (no default).
name = \"{name}\"
# Folder of the local sockets, made with mode 0700 (default \"run\").
runtime_dir = \"run\"
# Folder of signed models that devices sent and that wait for the next start, on the same file system as
# gate.store_dir (default \"state/incoming\").
incoming_dir = \"state/incoming\"

{broker}
{serial}
[gate]
# Ed25519 seed that signs this box's messages, one line of 64 hexadecimal digits (no default).
envelope_key = \"envelope.key\"
# Devices this box answers (no default).
roster = \"roster.toml\"
# Where uploaded evaluation keys are stored (default \"state/keys\"), and how much of it, MiB (default 1024).
store_dir = \"state/keys\"
store_quota_mib = {STORE_QUOTA_MIB}
# Jobs one device may have waiting (default 8).
max_jobs_per_device = {MAX_JOBS_PER_DEVICE}
# How long one item may be computed before it is given up, minutes (default 60).
max_item_minutes = {MAX_ITEM_MINUTES}
# How long an upload of evaluation keys or of a model may rest before it is forgotten, hours (default 72).
max_unfinished_hours = {MAX_UNFINISHED_HOURS}
# How long evaluation keys may go unused before they are forgotten, days (default 90); a device sends them again.
max_unused_days = {MAX_UNUSED_DAYS}

[compute]
# Memory for evaluation keys in use, MiB (default 1024).
key_cache_mib = {KEY_CACHE_MIB}
# Memory for one evaluation and those keys together, MiB; 0 means three quarters of the machine's (default 0).
# A model that needs more is not offered, and the log says why.
memory_mib = 0
# Threads that evaluate; 0 means one per core (default 0).
threads = 0

[trust]
# The root document whose keys sign models, and its SHA-256, 64 hexadecimal digits (no defaults).
root = \"root.bin\"
root_fingerprint = \"{root}\"
# Ed25519 seed that signs receipts, one line of 64 hexadecimal digits (no default).
receipt_key = \"receipt.key\"
# Folder where people put signed models, *.obb, and changes of root, *.obr; the next start installs them and takes
# them away (default \"models\").
model_dir = \"models\"
# Folder of what is installed, of changes of root and of the rollback floors (default \"state/trust\").
state_dir = \"state/trust\"
# Where the rollback floors are kept: \"weak\" is a file, which whoever holds the disk can restore; receipts say so
# (no default).
floor = \"weak\"
# Hardware id of this box; a model can be for one hardware id only (default \"generic\").
hardware = \"generic\"
",
        site_id = site.id,
        name = site.box_name,
        broker = broker_table(site),
        serial = serial_table(
            "For a device on a serial cable, beside [broker] or without it (then no network is used at all)"
        ),
        root = site.root_fingerprint,
    )
}

/// `agent.toml` of the device `name`, which will have the bundle of `model`.
pub(crate) fn agent_toml(site: &Site, name: &obscura_protocol::identity::PeerName, model: &str) -> String {
    format!(
        "\
# Configuration of one clinic device. Paths are relative to this folder.

# Random name of the site, 32 hexadecimal digits (no default).
site = \"{site_id}\"
# Name of this device, as in its certificate (no default).
name = \"{name}\"

[box]
# The box this device works with, and the Ed25519 keys that check its messages and its receipts,
# 64 hexadecimal digits each (no defaults).
name = \"{box_name}\"
envelope_public_key = \"{envelope}\"
receipt_public_key = \"{receipt}\"

{broker}
{serial}
[vault]
# The file of the secret keys, encrypted under the user's password; made on first use (no default).
file = \"vault.obk\"
# The root document whose keys sign models, and its SHA-256, 64 hexadecimal digits (no defaults).
root = \"root.bin\"
root_fingerprint = \"{root}\"
# The signed model this device works with (no default).
bundle = \"{model}.obb\"

[link]
# Ed25519 seed that signs this device's messages, one line of 64 hexadecimal digits (no default).
envelope_key = \"envelope.key\"
# Folder of encrypted records that have no answer yet, so that a stopped agent can resume (default journal).
journal_dir = \"journal\"
",
        site_id = site.id,
        box_name = site.box_name,
        envelope = site.box_envelope,
        receipt = site.box_receipt,
        broker = broker_table(site),
        serial = serial_table("To reach the box over a serial cable, in place of [broker]"),
        root = site.root_fingerprint,
    )
}

/// `roster.toml`.
pub(crate) fn roster_toml(members: &[Member]) -> String {
    let mut text = String::from(
        "\
# Devices this box answers; written by obscura-provision. For each device: its name as in its
# certificate, the Ed25519 key that checks its messages (64 hexadecimal digits), whether it is answered at
# all (set false to lock a device out), and whether it may send signed models to the box, which verifies them
# and uses them from its next start (default false). The box reads this file when it starts.
",
    );
    for member in members {
        // Writing into a string cannot fail.
        let _ = write!(
            text,
            "\n[[device]]\nname = \"{}\"\nenvelope_public_key = \"{}\"\nenabled = {}\nmay_send_models = {}\n",
            member.name, member.envelope, member.enabled, member.may_send_models
        );
    }
    text
}

/// `authority/site.toml`: the public facts that enrolling another device needs.
pub(crate) fn site_toml(site: &Site) -> String {
    format!(
        "\
# Public facts of this site, written by obscura-provision and read when a device is added.
site = \"{}\"
box_name = \"{}\"
box_envelope_public_key = \"{}\"
box_receipt_public_key = \"{}\"
address = \"{}\"
port = {}
root_fingerprint = \"{}\"
",
        site.id,
        site.box_name,
        site.box_envelope,
        site.box_receipt,
        site.address,
        site.port,
        site.root_fingerprint
    )
}

#[cfg(test)]
pub(crate) mod tests {
    use obscura_protocol::identity::{Digest, PublicKey, SiteId};

    use super::*;

    pub(crate) fn example_site() -> Site {
        Site {
            id: SiteId([1; 16]),
            box_name: "box-1".parse().unwrap(),
            box_envelope: PublicKey([2; 32]),
            box_receipt: PublicKey([3; 32]),
            address: "127.0.0.1".to_owned(),
            port: 8883,
            root_fingerprint: Digest([4; 32]),
        }
    }

    fn keys_without_comment(text: &str) -> Vec<&str> {
        let mut documented = false;
        let mut missing = Vec::new();
        for line in text.lines() {
            match line.split_once(" = ") {
                _ if line.starts_with('#') => documented = true,
                Some((key, _)) if !documented => missing.push(key),
                Some(_) => {}
                None => documented = false,
            }
        }
        missing
    }

    #[test]
    fn every_option_stands_under_a_comment() {
        let name = "device-1".parse().unwrap();
        for text in [
            box_toml(&example_site()),
            agent_toml(&example_site(), &name, "cardio-lr"),
        ] {
            assert_eq!(keys_without_comment(&text), Vec::<&str>::new());
            for line in text
                .lines()
                .filter(|line| line.starts_with("# ") && line.contains("efault"))
            {
                assert!(line.is_ascii());
            }
        }
    }

    #[test]
    fn the_serial_table_is_valid_once_it_is_uncommented() {
        let name = "device-1".parse().unwrap();
        for text in [
            box_toml(&example_site()),
            agent_toml(&example_site(), &name, "cardio-lr"),
        ] {
            let opened: String = text
                .lines()
                .map(|line| match line.strip_prefix('#') {
                    Some(option) if !option.starts_with(' ') => option,
                    _ => line,
                })
                .fold(String::new(), |all, line| all + line + "\n");
            let value: toml::Table = opened.parse().unwrap();
            assert_eq!(value["serial"]["key"].as_str(), Some("mqtt.key.pem"));
            assert_eq!(value["serial"]["baud"].as_integer(), Some(115_200));
        }
    }

    #[test]
    fn every_file_is_toml_with_the_agreed_tables() {
        let name = "device-1".parse().unwrap();
        let tables = |text: &str| {
            let value: toml::Table = text.parse().unwrap();
            value
                .into_iter()
                .filter(|(_, v)| v.is_table())
                .map(|(k, _)| k)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            tables(&box_toml(&example_site())),
            ["broker", "compute", "gate", "trust"]
        );
        assert_eq!(
            tables(&agent_toml(&example_site(), &name, "cardio-lr")),
            ["box", "broker", "link", "vault"]
        );
        assert_eq!(tables(&site_toml(&example_site())), Vec::<String>::new());
    }
}
