//! The gate as a process, a compute that has one model, and devices that a test drives message by message.

use std::{
    fs,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use obscura_carrier::{CarrierEvent, Options, Publisher, Receiver};
use obscura_local::{
    Listener,
    appliance::{COMPUTE_SOCKET, ComputeModel, ComputeReply, ComputeRequest, MAX_FRAME_BYTES},
};
use obscura_protocol::{
    envelope,
    identity::{Digest, Identity},
    message::{BoxMessage, DeviceMessage},
    session::{Session, opening_header},
};
use zeroize::Zeroizing;

use crate::authority::Authority;

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
pub(crate) const PARAMETERS: Digest = Digest([7; 32]);
/// Two chunks.
pub(crate) const KEY_BYTES: u64 = 300_000;

/// The envelope key of a member of the test's site.
fn identity(name: &str) -> Identity {
    Identity::from_seed(&Zeroizing::new(Digest::of(name.as_bytes()).0))
}

/// The gate under test, and its folder.
pub(crate) struct GateProcess {
    child: Child,
    folder: tempfile::TempDir,
}

impl GateProcess {
    /// Starts the gate with the carriers of `sections`, where each names the files of its certificates with
    /// [`TLS_FILES`]; behind `launcher`, when that is not empty.
    pub(crate) fn start(authority: &Authority, sections: &str, devices: &[&str], launcher: &[&str]) -> Self {
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
        let seed = Digest::of(b"box-1");
        write("envelope.key", &seed.to_string());
        let member = |name: &&str| {
            let key = identity(name).public();
            format!("[[device]]\nname = \"{name}\"\nenvelope_public_key = \"{key}\"\n")
        };
        write("roster.toml", &devices.iter().map(member).collect::<String>());
        let head = format!("site = \"{}\"\nname = \"box-1\"\n", "01".repeat(16));
        let gate = "[gate]\nenvelope_key = \"envelope.key\"\nroster = \"roster.toml\"\n";
        write("box.toml", &format!("{head}{sections}{gate}"));
        fs::create_dir(path("run")).unwrap();
        compute(&path("run").join(COMPUTE_SOCKET));
        let gate = env!("CARGO_BIN_EXE_obscura-box-gate");
        let words: Vec<&str> = launcher.iter().copied().chain([gate]).collect();
        let child = Command::new(words[0])
            .args(&words[1..])
            .arg("--config")
            .arg(path("box.toml"))
            .stdin(Stdio::piped())
            .stderr(fs::File::create(path("log")).unwrap())
            .spawn()
            .unwrap_or_else(|error| panic!("this test needs {}: {error}", words[0]));
        Self { child, folder }
    }

    pub(crate) fn proc(&self, name: &str) -> PathBuf {
        Path::new("/proc").join(self.child.id().to_string()).join(name)
    }

    /// Ends the gate as its launcher does, and gives its log.
    pub(crate) fn end(mut self) -> String {
        drop(self.child.stdin.take());
        self.child.wait().unwrap();
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    pub(crate) fn is_ready(&self) -> bool {
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

/// The files [`GateProcess::start`] makes, as a carrier's section names them.
pub(crate) const TLS_FILES: &str = "ca = \"ca.pem\"\ncertificate = \"mqtt.pem\"\nkey = \"mqtt.key.pem\"\n";

/// The section of a cable.
pub(crate) fn serial_section(port: &Path) -> String {
    format!("[serial]\nport = \"{}\"\n{TLS_FILES}", port.display())
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
pub(crate) struct Device {
    name: &'static str,
    publisher: Publisher,
    events: Receiver,
    session: Option<Session>,
}

impl Device {
    pub(crate) fn connect(name: &'static str, options: &Options) -> Self {
        let (publisher, events) = obscura_carrier::connect(options).unwrap();
        Self {
            name,
            publisher,
            events,
            session: None,
        }
    }

    pub(crate) fn wait_up(&self) {
        while self.events.recv_timeout(PATIENCE).unwrap() != CarrierEvent::Up {}
    }

    pub(crate) fn say(&mut self, message: &DeviceMessage) {
        let (own, peer) = (self.name.parse().unwrap(), "box-1".parse().unwrap());
        let header = match &mut self.session {
            Some(session) => session.next_header(),
            None => opening_header(&own, &peer),
        };
        let bytes = envelope::seal(&header, &message.encode(), &identity(self.name));
        let topic = format!("obscura/v1/{}/up", self.name);
        self.publisher.publish(&topic, bytes, PATIENCE).unwrap();
    }

    pub(crate) fn hear(&self) -> BoxMessage {
        self.hear_within(PATIENCE).expect("a word of the box in time")
    }

    fn hear_within(&self, patience: Duration) -> Option<BoxMessage> {
        loop {
            let CarrierEvent::Message { payload, topic } = self.events.recv_timeout(patience).ok()? else {
                continue;
            };
            assert_eq!(topic, format!("obscura/v1/{}/down", self.name));
            let verified = envelope::open(&payload).unwrap();
            let verified = verified.verify(&identity("box-1").public()).unwrap();
            // A second welcome may follow the one that was taken.
            if self
                .session
                .as_ref()
                .is_none_or(|open| open.id() == verified.header.session)
            {
                return Some(BoxMessage::decode(&verified.payload).unwrap());
            }
        }
    }

    /// Opens a session, asking again: compute may not be there at once, nor the box at its broker.
    pub(crate) fn hello(&mut self) {
        self.session = None;
        let deadline = Instant::now() + PATIENCE;
        while self.session.is_none() {
            assert!(Instant::now() < deadline, "no session");
            self.say(&DeviceMessage::Hello {
                min_version: 1,
                max_version: 1,
                nonce: [3; 16],
            });
            if let Some(BoxMessage::Welcome {
                version,
                session,
                models,
                ..
            }) = self.hear_within(Duration::from_secs(1))
            {
                assert_eq!(models[0].model_id, "cardio-lr");
                let (own, peer) = (self.name.parse().unwrap(), "box-1".parse().unwrap());
                self.session = Some(Session::new(own, peer, session, version));
            }
        }
    }
}
