//! The link's process on a serial cable: the session of MQTT, over another carrier.

#![expect(clippy::unwrap_used, reason = "a broken test environment must fail loudly")]

#[path = "../../../protocol/carrier/tests/support/authority.rs"]
mod authority;
#[path = "../../../protocol/carrier/tests/support/cable.rs"]
mod cable;
#[path = "../../../protocol/carrier/tests/support/wiring.rs"]
mod wiring;

use std::{
    fs,
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::{Child, Command, Stdio},
    time::Duration,
};

use authority::Authority;
use cable::Cable;
use obscura_carrier::{
    CarrierEvent,
    serial::{self, End, Publisher, Receiver},
};
use obscura_local::{
    Channel,
    agent::{LinkEvent, MAX_FRAME_BYTES},
};
use obscura_protocol::{
    envelope,
    identity::{Identity, SessionId},
    message::{BoxMessage, DeviceMessage, Limits},
    session::opening_header,
};
use wiring::options;
use zeroize::Zeroizing;

const PATIENCE: Duration = Duration::from_secs(20);
const BOX_SEED: u8 = 0x0b;
const DEVICE_SEED: u8 = 0x0d;

fn identity(seed: u8) -> Identity {
    Identity::from_seed(&Zeroizing::new([seed; 32]))
}

/// The link under test, its folder, and the command line's end of its socket.
struct LinkProcess {
    child: Child,
    channel: Channel,
    _folder: tempfile::TempDir,
}

impl LinkProcess {
    fn start(authority: &Authority, cable: &Cable) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        let (certificate, key) = authority.issue("device-1");
        write("ca.pem", &authority.pem());
        write("mqtt.pem", &certificate);
        write("mqtt.key.pem", &key);
        write("envelope.key", &format!("{DEVICE_SEED:02x}").repeat(32));
        let box_key = identity(BOX_SEED).public();
        let text = format!(
            "site = \"{}\"\nname = \"device-1\"\n[box]\nname = \"box-1\"\nenvelope_public_key = \"{box_key}\"\n\
             receipt_public_key = \"{box_key}\"\n[serial]\nport = \"{}\"\nca = \"ca.pem\"\n\
             certificate = \"mqtt.pem\"\nkey = \"mqtt.key.pem\"\n[vault]\n[link]\nenvelope_key = \"envelope.key\"\n",
            "01".repeat(16),
            cable.end("device").display(),
        );
        write("agent.toml", &text);
        let (own, its) = UnixStream::pair().unwrap();
        own.set_read_timeout(Some(PATIENCE)).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_obscura-agent-link"))
            .arg("--config")
            .arg(folder.path().join("agent.toml"))
            .stdin(Stdio::from(OwnedFd::from(its)))
            .spawn()
            .unwrap();
        Self {
            child,
            channel: Channel::new(own, MAX_FRAME_BYTES),
            _folder: folder,
        }
    }

    /// Waits for an event that `is_it`.
    fn wait_for(&mut self, is_it: impl Fn(&LinkEvent) -> bool) {
        while !is_it(&self.channel.receive().unwrap()) {}
    }
}

impl Drop for LinkProcess {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Answers the next hello, as the box.
fn welcome(publisher: &Publisher, events: &Receiver, session: SessionId) {
    let (nonce, version) = loop {
        let CarrierEvent::Message { topic, payload } = events.recv_timeout(PATIENCE).unwrap() else {
            continue;
        };
        assert_eq!(topic, "obscura/v1/device-1/up");
        let verified = envelope::open(&payload).unwrap();
        let verified = verified.verify(&identity(DEVICE_SEED).public()).unwrap();
        if let DeviceMessage::Hello {
            nonce, max_version, ..
        } = DeviceMessage::decode(&verified.payload).unwrap()
        {
            break (nonce, max_version);
        }
    };
    let welcome = BoxMessage::Welcome {
        version,
        nonce,
        session,
        limits: Limits {
            max_object_bytes: 1 << 26,
            max_item_bytes: 1 << 16,
            window_chunks: 8,
            max_jobs: 8,
        },
        models: Vec::new(),
    };
    let header = opening_header(&"box-1".parse().unwrap(), &"device-1".parse().unwrap());
    let bytes = envelope::seal(&header, &welcome.encode(), &identity(BOX_SEED));
    publisher
        .publish("obscura/v1/device-1/down", bytes, PATIENCE)
        .unwrap();
}

#[test]
fn the_link_opens_its_session_over_a_cable_and_again_after_it_was_pulled() {
    let (authority, mut cable) = (Authority::new(), Cable::new());
    cable.damage(20_000);
    let (publisher, events) = serial::connect(&options(&authority, &cable, "box-1", End::Box)).unwrap();
    let mut link = LinkProcess::start(&authority, &cable);
    link.wait_for(|event| matches!(event, LinkEvent::Online));
    welcome(&publisher, &events, SessionId([1; 16]));
    link.wait_for(|event| matches!(event, LinkEvent::Session));
    cable.unplug();
    link.wait_for(|event| matches!(event, LinkEvent::Offline { .. }));
    cable.plug();
    link.wait_for(|event| matches!(event, LinkEvent::Online));
    welcome(&publisher, &events, SessionId([2; 16]));
    link.wait_for(|event| matches!(event, LinkEvent::Session));
}
