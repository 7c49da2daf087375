//! A real Mosquitto, for the carrier's tests.
#![expect(clippy::unwrap_used, reason = "a broken test environment must fail loudly")]

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use obscura_carrier::mqtt::MqttOptions;
use zeroize::Zeroizing;

use crate::authority::Authority;

/// Where Debian installs the broker.
const MOSQUITTO: &str = "/usr/sbin/mosquitto";

impl Authority {
    /// Options of a client called `name` that trusts this authority.
    pub(crate) fn options(&self, port: u16, name: &str, subscribe: &[&str]) -> MqttOptions {
        let (certificate, key) = self.issue(name);
        MqttOptions {
            host: "127.0.0.1".to_owned(),
            port,
            client_id: name.to_owned(),
            ca_pem: self.pem().into_bytes(),
            certificate_pem: certificate.into_bytes(),
            key_pem: Zeroizing::new(key.into_bytes()),
            subscribe: subscribe.iter().map(|&topic| topic.to_owned()).collect(),
            max_packet_bytes: 320 * 1024,
            keep_alive: Duration::from_secs(5),
        }
    }
}

/// A running broker, killed on drop.
pub(crate) struct Mosquitto {
    pub(crate) port: u16,
    folder: tempfile::TempDir,
    child: Child,
}

impl Mosquitto {
    /// Starts a broker that lets `box-1` read every device's topic and each device use its own.
    pub(crate) fn start(authority: &Authority) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let path = |name: &str| folder.path().join(name);
        let (certificate, key) = authority.issue("broker");
        fs::write(path("ca.pem"), authority.pem()).unwrap();
        fs::write(path("server.pem"), certificate).unwrap();
        fs::write(path("server.key.pem"), key).unwrap();
        fs::write(
            path("acl"),
            "user box-1\ntopic read obscura/v1/+/up\ntopic write obscura/v1/+/down\n\
             pattern write obscura/v1/%u/up\npattern read obscura/v1/%u/down\n",
        )
        .unwrap();
        let config = format!(
            "listener {port} 127.0.0.1\ncafile {0}/ca.pem\ncertfile {0}/server.pem\n\
             keyfile {0}/server.key.pem\nrequire_certificate true\nuse_identity_as_username true\n\
             tls_version tlsv1.3\nallow_anonymous false\nacl_file {0}/acl\npersistence false\n\
             max_packet_size 327680\nmax_inflight_messages 20\nuser root\n",
            folder.path().display()
        );
        fs::write(path("mosquitto.conf"), config).unwrap();
        let child = spawn(folder.path(), port);
        Self { port, folder, child }
    }

    /// Ends the broker without a goodbye.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again on the same port.
    pub(crate) fn restart(&mut self) {
        self.child = spawn(self.folder.path(), self.port);
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        // It may have been killed by the test already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(folder: &Path, port: u16) -> Child {
    let mut child = Command::new(MOSQUITTO)
        .arg("-c")
        .arg(folder.join("mosquitto.conf"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("these tests need Mosquitto at {MOSQUITTO} (apt-get install mosquitto): {error}")
        });
    let deadline = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if let Some(status) = child.try_wait().unwrap() {
            panic!("Mosquitto ended at once with {status}");
        }
        assert!(Instant::now() < deadline, "Mosquitto does not listen");
        thread::yield_now();
    }
    child
}
