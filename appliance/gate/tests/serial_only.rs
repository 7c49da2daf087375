//! The gate's process with a cable and no broker, in a network namespace that has nothing in it.

#![expect(clippy::unwrap_used, reason = "a broken test environment must fail loudly")]

#[path = "../../../protocol/carrier/tests/support/authority.rs"]
mod authority;
#[path = "../../../protocol/carrier/tests/support/cable.rs"]
mod cable;
#[path = "../../../protocol/carrier/tests/support/wiring.rs"]
mod wiring;

use std::{
    fs,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use authority::Authority;
use cable::Cable;
use obscura_carrier::{
    CarrierEvent,
    serial::{self, End, Publisher, Receiver, SerialOptions},
};
use obscura_local::{
    Listener,
    appliance::{COMPUTE_SOCKET, ComputeModel, ComputeReply, ComputeRequest, MAX_FRAME_BYTES},
};
use obscura_protocol::{
    envelope,
    identity::{ClientId, Digest, Identity},
    message::{BoxMessage, DeviceMessage, KeyState},
    session::{Session, opening_header},
    transfer::{ObjectHeader, ObjectKind, chunk_range},
};
use wiring::options;
use zeroize::Zeroizing;

const PATIENCE: Duration = Duration::from_secs(20);
const BOX_SEED: u8 = 0x0b;
const DEVICE_SEED: u8 = 0x0d;
const OBJECT: Digest = Digest([5; 32]);
const CLIENT: ClientId = ClientId([6; 16]);
const PARAMETERS: Digest = Digest([7; 32]);
/// Two chunks.
const KEY_BYTES: u64 = 300_000;

fn identity(seed: u8) -> Identity {
    Identity::from_seed(&Zeroizing::new([seed; 32]))
}

/// The gate under test, and its folder.
struct GateProcess {
    child: Child,
    folder: tempfile::TempDir,
}

impl GateProcess {
    fn start(authority: &Authority, cable: &Cable) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let write = |name: &str, text: &str| {
            let mut file = fs::OpenOptions::new();
            let file = file.write(true).create_new(true).mode(0o600).open(path(name));
            std::io::Write::write_all(&mut file.unwrap(), text.as_bytes()).unwrap();
        };
        let (certificate, key) = authority.issue("box-1");
        write("ca.pem", &authority.pem());
        write("mqtt.pem", &certificate);
        write("mqtt.key.pem", &key);
        write("envelope.key", &format!("{BOX_SEED:02x}").repeat(32));
        let device = identity(DEVICE_SEED).public();
        write(
            "roster.toml",
            &format!("[[device]]\nname = \"device-1\"\nenvelope_public_key = \"{device}\"\n"),
        );
        let port = cable.end("box");
        write(
            "box.toml",
            &format!(
                "site = \"{}\"\nname = \"box-1\"\n[serial]\nport = \"{}\"\nca = \"ca.pem\"\ncertificate = \"mqtt.pem\"\n\
                 key = \"mqtt.key.pem\"\n[gate]\nenvelope_key = \"envelope.key\"\nroster = \"roster.toml\"\n",
                "01".repeat(16),
                port.display()
            ),
        );
        fs::create_dir(path("run")).unwrap();
        compute(&path("run").join(COMPUTE_SOCKET));
        let child = Command::new("unshare")
            .args(["--map-root-user", "--net"])
            .arg(env!("CARGO_BIN_EXE_obscura-box-gate"))
            .arg("--config")
            .arg(path("box.toml"))
            .stdin(Stdio::piped())
            .spawn()
            .expect("this test needs unshare (apt-get install util-linux)");
        Self { child, folder }
    }

    fn proc(&self, name: &str) -> PathBuf {
        Path::new("/proc").join(self.child.id().to_string()).join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.proc(name)).unwrap()
    }

    fn is_ready(&self) -> bool {
        self.folder.path().join("run/ready").exists()
    }
}

impl Drop for GateProcess {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Stands in for compute: says which model it has, and takes whatever else it is told.
fn compute(socket: &Path) {
    let listener = Listener::bind(socket, MAX_FRAME_BYTES).unwrap();
    thread::spawn(move || {
        let mut channel = listener.accept().unwrap();
        while let Ok(request) = channel.receive() {
            if matches!(request, ComputeRequest::Models) {
                let model = ComputeModel {
                    model_id: "cardio-lr".to_owned(),
                    model_hash: Digest([1; 32]),
                    security_counter: 1,
                    parameter_hash: PARAMETERS,
                    request_bytes: 4096,
                    key_bytes: KEY_BYTES,
                };
                channel.send(&ComputeReply::Models(vec![model])).unwrap();
            }
        }
    });
}

/// A device that a test drives message by message.
struct Device {
    publisher: Publisher,
    events: Receiver,
    session: Option<Session>,
}

impl Device {
    fn connect(options: &SerialOptions) -> Self {
        let (publisher, events) = serial::connect(options).unwrap();
        Self {
            publisher,
            events,
            session: None,
        }
    }

    fn wait_up(&self) {
        while self.events.recv_timeout(PATIENCE).unwrap() != CarrierEvent::Up {}
    }

    fn say(&mut self, message: &DeviceMessage) {
        let (own, peer) = ("device-1".parse().unwrap(), "box-1".parse().unwrap());
        let header = match &mut self.session {
            Some(session) => session.next_header(),
            None => opening_header(&own, &peer),
        };
        let bytes = envelope::seal(&header, &message.encode(), &identity(DEVICE_SEED));
        let topic = "obscura/v1/device-1/up";
        self.publisher.publish(topic, bytes, PATIENCE).unwrap();
    }

    fn hear(&self) -> BoxMessage {
        loop {
            let CarrierEvent::Message { payload, topic } = self.events.recv_timeout(PATIENCE).unwrap() else {
                continue;
            };
            assert_eq!(topic, "obscura/v1/device-1/down");
            let verified = envelope::open(&payload).unwrap();
            let verified = verified.verify(&identity(BOX_SEED).public()).unwrap();
            return BoxMessage::decode(&verified.payload).unwrap();
        }
    }

    /// Opens a session; compute may not be there at once.
    fn hello(&mut self) {
        self.session = None;
        loop {
            self.say(&DeviceMessage::Hello {
                min_version: 1,
                max_version: 1,
                nonce: [3; 16],
            });
            if let BoxMessage::Welcome {
                version,
                session,
                models,
                ..
            } = self.hear()
            {
                assert_eq!(models[0].model_id, "cardio-lr");
                let (own, peer) = ("device-1".parse().unwrap(), "box-1".parse().unwrap());
                self.session = Some(Session::new(own, peer, session, version));
                return;
            }
        }
    }

    /// Offers keys and gives the chunks the box asks for, with how many it has.
    fn offer(&mut self) -> (Vec<u32>, u32) {
        self.say(&DeviceMessage::Offer {
            object: ObjectHeader {
                kind: ObjectKind::EvaluationKeys,
                digest: OBJECT,
                len_bytes: KEY_BYTES,
                client: CLIENT,
                parameter_hash: PARAMETERS,
            },
        });
        loop {
            if let BoxMessage::Want { chunks, have, .. } = self.hear() {
                return (chunks.indices(u32::MAX).collect(), have);
            }
        }
    }
}

#[test]
fn a_box_with_a_cable_only_serves_without_any_network_and_can_open_none() {
    let (authority, mut cable) = (Authority::new(), Cable::new());
    // And on a line that is not perfect.
    cable.damage(20_000);
    let gate = GateProcess::start(&authority, &cable);
    let box_name = "box-1".parse().unwrap();
    let mut device = Device::connect(&options(&authority, &cable, "device-1", End::Device { box_name }));
    device.wait_up();
    device.hello();
    assert!(gate.is_ready());
    assert_eq!(device.offer(), (vec![0, 1], 0));

    // The namespace has no interface but a loopback that is down.
    let devices = gate.read("net/dev");
    assert_eq!(devices.lines().skip(2).count(), 1, "{devices}");
    // Every socket it has is a local one.
    let local = gate.read("net/unix");
    let mut sockets = 0;
    for entry in fs::read_dir(gate.proc("fd")).unwrap() {
        let target = fs::read_link(entry.unwrap().path()).unwrap_or_default();
        let target = target.to_string_lossy();
        if let Some(inode) = target
            .strip_prefix("socket:[")
            .and_then(|rest| rest.strip_suffix(']'))
        {
            let is_local = local
                .lines()
                .any(|line| line.split_whitespace().any(|word| word == inode));
            assert!(is_local, "socket {inode} is not in\n{local}");
            sockets += 1;
        }
    }
    assert!(sockets > 0, "the socket to compute is seen");
    // And the kernel gives it, and every thread of it, no other (what the filter refuses is tested beside it).
    for task in fs::read_dir(gate.proc("task")).unwrap() {
        let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        assert!(status.contains("Seccomp:\t2"), "{status}");
    }

    // A pulled cable costs the connection and nothing that was stored.
    let range = chunk_range(KEY_BYTES, 0).unwrap();
    device.say(&DeviceMessage::Chunk {
        object: OBJECT,
        index: 0,
        bytes: vec![9; usize::try_from(range.end).unwrap()],
    });
    let client = CLIENT;
    device.say(&DeviceMessage::KeyStatus { client });
    let state = KeyState::Partial {
        object: OBJECT,
        have: 1,
        of: 2,
    };
    assert_eq!(device.hear(), BoxMessage::KeyState { client, state });
    cable.unplug();
    cable.plug();
    device.wait_up();
    device.hello();
    assert_eq!(device.offer(), (vec![1], 1));
}
