//! A device under the test's own control: genuine certificate and key, its own idea of the protocol.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use obscura_carrier::{
    CarrierEvent,
    mqtt::{self, MqttOptions, Publisher, Receiver},
};
use obscura_protocol::{
    envelope,
    identity::{Identity, PeerName, PublicKey, SessionId},
    message::{BoxMessage, DeviceMessage, Refusal},
    session::{Session, opening_header},
};
use obscura_system_tests::Site;
use zeroize::Zeroizing;

const LIMIT: Duration = Duration::from_secs(20);

/// A device that a test drives message by message.
pub(crate) struct Peer {
    pub(crate) name: PeerName,
    pub(crate) box_name: PeerName,
    pub(crate) identity: Identity,
    box_key: PublicKey,
    publisher: Publisher,
    receiver: Receiver,
    pub(crate) session: Option<Session>,
}

impl Peer {
    /// Connects as the enrolled device `name`.
    pub(crate) fn connect(site: &Site, name: &str) -> Self {
        let folder = site.path("site").join(name);
        let read = |file: &str| fs::read(folder.join(file)).unwrap();
        let (publisher, receiver) = mqtt::connect(&MqttOptions {
            host: "127.0.0.1".to_owned(),
            port: site.port(),
            client_id: format!("{name}-by-hand"),
            ca_pem: read("ca.pem"),
            certificate_pem: read("mqtt.pem"),
            key_pem: Zeroizing::new(read("mqtt.key.pem")),
            subscribe: vec![format!("obscura/v1/{name}/down")],
            max_packet_bytes: 320 * 1024,
            keep_alive: Duration::from_secs(5),
        })
        .unwrap();
        let peer = Self {
            name: name.parse().unwrap(),
            box_name: "box-1".parse().unwrap(),
            identity: identity(&folder.join("envelope.key")),
            box_key: identity(&site.path("site/box/envelope.key")).public(),
            publisher,
            receiver,
            session: None,
        };
        while !matches!(peer.receiver.recv_timeout(LIMIT).unwrap(), CarrierEvent::Up) {}
        peer
    }

    /// Publishes raw bytes on the device's own topic.
    pub(crate) fn publish(&self, bytes: Vec<u8>) {
        let topic = format!("obscura/v1/{}/up", self.name);
        self.publisher.publish(&topic, bytes, LIMIT).unwrap();
    }

    /// The next message of the box; its signature must hold.
    pub(crate) fn receive(&self) -> (SessionId, BoxMessage) {
        let deadline = Instant::now() + LIMIT;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if let CarrierEvent::Message { payload, .. } = self.receiver.recv_timeout(left).unwrap() {
                let verified = envelope::open(&payload).unwrap().verify(&self.box_key).unwrap();
                return (
                    verified.header.session,
                    BoxMessage::decode(&verified.payload).unwrap(),
                );
            }
        }
    }

    /// An envelope outside any session.
    pub(crate) fn opening(&self, message: &DeviceMessage) -> Vec<u8> {
        envelope::seal(
            &opening_header(&self.name, &self.box_name),
            &message.encode(),
            &self.identity,
        )
    }

    /// Opens a session, whatever else the box still has to say.
    pub(crate) fn hello(&mut self, nonce: [u8; 16]) {
        self.publish(self.opening(&DeviceMessage::Hello {
            min_version: 1,
            max_version: 1,
            nonce,
        }));
        let session = loop {
            match self.receive().1 {
                BoxMessage::Welcome {
                    version,
                    nonce: theirs,
                    session,
                    ..
                } if theirs == nonce => {
                    break Session::new(self.name.clone(), self.box_name.clone(), session, version);
                }
                _ => {}
            }
        };
        self.session = Some(session);
    }

    /// The next envelope of the open session.
    pub(crate) fn sealed(&mut self, message: &DeviceMessage) -> Vec<u8> {
        let header = self.session.as_mut().unwrap().next_header();
        envelope::seal(&header, &message.encode(), &self.identity)
    }

    /// Sends a message in the session and gives the box's reply to it.
    pub(crate) fn ask(&mut self, message: &DeviceMessage) -> BoxMessage {
        let bytes = self.sealed(message);
        self.publish(bytes);
        self.receive().1
    }

    /// Publishes bytes and gives the refusal they meet.
    pub(crate) fn refusal_of(&self, bytes: Vec<u8>) -> Refusal {
        self.publish(bytes);
        refusal(self.receive().1)
    }
}

/// The code of a refusal.
pub(crate) fn refusal(message: BoxMessage) -> Refusal {
    match message {
        BoxMessage::Refused { code, .. } => code,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

/// The key in a key file.
pub(crate) fn identity(path: &Path) -> Identity {
    let line = fs::read_to_string(path).unwrap();
    let seed = line.trim().parse::<PublicKey>().unwrap();
    Identity::from_seed(&Zeroizing::new(seed.0))
}
