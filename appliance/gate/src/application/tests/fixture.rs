//! A gate, devices that speak properly, and a compute that answers what it is told to.

use std::time::{Duration, Instant};

use obscura_local::appliance::{Answer, ComputeModel};
use obscura_protocol::{
    envelope::{self, Header},
    identity::{ClientId, Digest, Identity, JobId, PeerName, SessionId, SiteId},
    job::{Signed, Ticket},
    message::{BoxMessage, DeviceMessage, Lane, Refusal},
    session,
    transfer::{ChunkSet, MAX_CHUNK_BYTES, ObjectHeader, ObjectKind, chunk_range},
};
use zeroize::Zeroizing;

use super::super::{Gate, Roster, Settings};
use crate::ports::{Effect, Entropy, Event, NoEntropy, StoreChange, StoredObject, Task};

pub(super) const CHUNK: usize = MAX_CHUNK_BYTES as usize;
/// Key objects are five chunks, the last one short.
pub(super) const KEY_BYTES: usize = 4 * CHUNK + 10;
pub(super) const ITEM_BYTES: usize = 32;
pub(super) const SITE: SiteId = SiteId([5; 16]);
pub(super) const MODEL: Digest = Digest([1; 32]);
pub(super) const PARAMETERS: Digest = Digest([2; 32]);

struct Counting(u8);

impl Entropy for Counting {
    fn session_id(&mut self) -> Result<SessionId, NoEntropy> {
        self.0 += 1;
        Ok(SessionId([self.0; 16]))
    }
}

pub(super) fn name(text: &str) -> PeerName {
    text.parse().unwrap()
}

fn identity(name: &str) -> Identity {
    Identity::from_seed(&Zeroizing::new(Digest::of(name.as_bytes()).0))
}

pub(super) fn model() -> ComputeModel {
    ComputeModel {
        model_id: "model".to_owned(),
        model_hash: MODEL,
        security_counter: 1,
        parameter_hash: PARAMETERS,
        request_bytes: u32::try_from(ITEM_BYTES).unwrap(),
        key_bytes: KEY_BYTES as u64,
    }
}

pub(super) fn key_object(client: u8) -> (ObjectHeader, Vec<u8>) {
    let bytes: Vec<u8> = (0..KEY_BYTES).map(|n| client ^ n.to_le_bytes()[0]).collect();
    let header = ObjectHeader {
        kind: ObjectKind::EvaluationKeys,
        digest: Digest::of(&bytes),
        len_bytes: KEY_BYTES as u64,
        client: ClientId([client; 16]),
        parameter_hash: PARAMETERS,
    };
    (header, bytes)
}

pub(super) fn chunk_message(header: &ObjectHeader, bytes: &[u8], index: u32) -> DeviceMessage {
    let range = chunk_range(header.len_bytes, index).unwrap();
    let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
    DeviceMessage::Chunk {
        object: header.digest,
        index,
        bytes: bytes[range].to_vec(),
    }
}

pub(super) fn answer_to(input: &[u8]) -> Answer {
    Answer {
        bytes: input.iter().rev().copied().collect(),
        receipt: vec![9],
    }
}

/// A device's side of a session.
pub(super) struct Device {
    pub(super) name: PeerName,
    pub(super) identity: Identity,
    pub(super) session: SessionId,
    pub(super) sequence: u64,
    /// Protocol version it speaks.
    pub(super) version: u16,
}

impl Device {
    pub(super) fn new(text: &str) -> Self {
        Self {
            name: name(text),
            identity: identity(text),
            session: SessionId::NONE,
            sequence: 0,
            version: 1,
        }
    }

    pub(super) fn next_header(&mut self) -> Header {
        self.sequence += 1;
        Header {
            version: self.version,
            sender: self.name.clone(),
            recipient: name("box-1"),
            session: self.session,
            sequence: self.sequence,
        }
    }

    pub(super) fn seal(&mut self, message: &DeviceMessage) -> Vec<u8> {
        let header = self.next_header();
        envelope::seal(&header, &message.encode(), &self.identity)
    }

    pub(super) fn hello(&self) -> Vec<u8> {
        let hello = DeviceMessage::Hello {
            min_version: 1,
            max_version: self.version,
            nonce: [3; 16],
        };
        let header = session::opening_header(&self.name, &name("box-1"));
        envelope::seal(&header, &hello.encode(), &self.identity)
    }

    pub(super) fn ticket(&self, job: u8, client: u8, items: u32) -> Ticket {
        Ticket {
            site: SITE,
            device: self.name.clone(),
            job: JobId([job; 16]),
            model_hash: MODEL,
            client: ClientId([client; 16]),
            key_fingerprint: key_object(client).0.digest,
            items,
        }
    }

    pub(super) fn request(&self, ticket: Ticket, lane: Lane, within_s: Option<u32>) -> DeviceMessage {
        DeviceMessage::Request {
            ticket: Signed::sign(ticket, &self.identity).as_bytes().to_vec(),
            lane,
            within_s,
        }
    }

    pub(super) fn submit(&self, ticket: Ticket) -> DeviceMessage {
        DeviceMessage::Submit {
            ticket: Signed::sign(ticket, &self.identity).as_bytes().to_vec(),
        }
    }
}

pub(super) fn item(job: u8, index: u32, fill: u8) -> DeviceMessage {
    DeviceMessage::Item {
        job: JobId([job; 16]),
        index,
        bytes: vec![fill; ITEM_BYTES],
    }
}

/// What came out of one event.
#[derive(Debug, Default)]
pub(super) struct Out {
    pub(super) messages: Vec<(PeerName, Header, BoxMessage)>,
    pub(super) changes: Vec<StoreChange>,
    pub(super) tasks: Vec<Task>,
    /// Objects to be hashed.
    pub(super) hashes: Vec<ClientId>,
    pub(super) ready: Vec<bool>,
    pub(super) effects: usize,
}

impl Out {
    /// The messages to one device.
    pub(super) fn to(&self, device: &Device) -> Vec<&BoxMessage> {
        let own = self.messages.iter().filter(|(to, ..)| *to == device.name);
        own.map(|(.., message)| message).collect()
    }

    /// The only message, a refusal: its code, sequence and session.
    pub(super) fn refusal(&self) -> (Refusal, u64, SessionId) {
        match &self.messages[..] {
            [(_, header, BoxMessage::Refused { code, sequence, .. })] => (*code, *sequence, header.session),
            other => panic!("expected one refusal, got {other:?}"),
        }
    }

    pub(super) fn code(&self) -> Refusal {
        self.refusal().0
    }

    /// Chunks asked for.
    pub(super) fn wanted(&self) -> Vec<u32> {
        let sets = self.messages.iter().filter_map(|(.., message)| match message {
            BoxMessage::Want { chunks, .. } => Some(chunks),
            _ => None,
        });
        sets.flat_map(|set: &ChunkSet| set.indices(4096).collect::<Vec<_>>())
            .collect()
    }
}

/// The gate and its surroundings.
pub(super) struct World {
    pub(super) gate: Gate,
    pub(super) now: Instant,
}

pub(super) fn settings() -> Settings {
    let devices = ["device-1", "device-2", "device-3"];
    let roster = devices.map(|device| (name(device), identity(device).public()));
    Settings {
        site: SITE,
        own_name: name("box-1"),
        roster: Roster(roster.into_iter().collect()),
        model_senders: [name("device-1"), name("device-2")].into(),
        store_quota_bytes: 5 * KEY_BYTES as u64,
        max_clients_per_device: 3,
        max_jobs_per_device: 2,
        max_unfinished: Duration::from_hours(24),
        max_unused: Duration::from_hours(24 * 90),
        max_item_time: Duration::from_hours(1),
    }
}

impl World {
    /// A gate that serves, with nothing stored.
    pub(super) fn new() -> Self {
        Self::with(settings(), Vec::new())
    }

    pub(super) fn with(settings: Settings, stored: Vec<StoredObject>) -> Self {
        let entropy = Box::new(Counting(0));
        let gate = Gate::new(settings, identity("box-1"), entropy, stored);
        let mut world = Self {
            gate,
            now: Instant::now(),
        };
        world.event(Event::CarrierUp);
        let models = vec![model()];
        assert_eq!(world.event(Event::ComputeUp { models }).ready, [true]);
        world
    }

    pub(super) fn event(&mut self, event: Event) -> Out {
        self.now += Duration::from_millis(1);
        let mut out = Out::default();
        for effect in self.gate.handle(self.now, event) {
            out.effects += 1;
            match effect {
                Effect::Publish { device, bytes } => {
                    let opened = envelope::open(&bytes).unwrap();
                    let verified = opened.verify(&identity("box-1").public()).unwrap();
                    assert_eq!(verified.header.recipient, device);
                    let message = BoxMessage::decode(&verified.payload).unwrap();
                    out.messages.push((device, verified.header, message));
                }
                Effect::Store(change) => out.changes.push(change),
                Effect::Compute(task) => out.tasks.push(task),
                Effect::Hash { client } => out.hashes.push(client),
                Effect::Ready(ready) => out.ready.push(ready),
                Effect::Note(_) => {}
            }
        }
        out
    }

    pub(super) fn bytes(&mut self, device: &PeerName, bytes: Vec<u8>) -> Out {
        self.event(Event::Received {
            device: device.clone(),
            bytes,
        })
    }

    pub(super) fn say(&mut self, device: &mut Device, message: &DeviceMessage) -> Out {
        let bytes = device.seal(message);
        let topic = device.name.clone();
        self.bytes(&topic, bytes)
    }

    /// Opens a session.
    pub(super) fn greet(&mut self, device: &mut Device) {
        let hello = device.hello();
        let topic = device.name.clone();
        let out = self.bytes(&topic, hello);
        let [BoxMessage::Welcome { session, nonce, .. }] = out.to(device)[..] else {
            panic!("no welcome: {out:?}");
        };
        assert_eq!(*nonce, [3; 16]);
        device.session = *session;
        device.sequence = 0;
    }

    /// A device with a session.
    pub(super) fn device(&mut self, text: &str) -> Device {
        let mut device = Device::new(text);
        self.greet(&mut device);
        device
    }

    /// A device with a session of protocol version 2.
    pub(super) fn device_of_version_2(&mut self, text: &str) -> Device {
        self.device_of_version(2, text)
    }

    /// A device with a session of this protocol version.
    pub(super) fn device_of_version(&mut self, version: u16, text: &str) -> Device {
        let mut device = Device::new(text);
        device.version = version;
        self.greet(&mut device);
        device
    }

    /// Lets time pass, one tick at its end.
    pub(super) fn pass(&mut self, time: Duration) -> Out {
        self.now += time;
        self.event(Event::Tick)
    }

    /// Uploads keys until compute is asked to check them.
    pub(super) fn upload(&mut self, device: &mut Device, client: u8) -> Out {
        let (header, bytes) = key_object(client);
        let mut out = self.say(device, &DeviceMessage::Offer { object: header });
        loop {
            let wanted = out.wanted();
            assert!(!wanted.is_empty(), "{out:?}");
            for index in wanted {
                out = self.say(device, &chunk_message(&header, &bytes, index));
            }
            if out
                .changes
                .iter()
                .any(|change| matches!(change, StoreChange::Persist { .. }))
            {
                return out;
            }
        }
    }

    /// Compute's verdict on keys.
    pub(super) fn conforms(&mut self, client: u8) -> Out {
        self.event(Event::KeysLoaded {
            fingerprint: key_object(client).0.digest,
            outcome: Ok(()),
        })
    }

    /// Uploads keys and has them accepted.
    pub(super) fn store(&mut self, device: &mut Device, client: u8) {
        self.upload(device, client);
        let out = self.conforms(client);
        assert!(
            matches!(out.to(device)[..], [BoxMessage::Stored { .. }]),
            "{out:?}"
        );
    }

    /// Compute's answer to an item.
    pub(super) fn done(&mut self, job: u8, item: u32, fill: u8) -> Out {
        self.event(Event::ItemDone {
            job: JobId([job; 16]),
            item,
            outcome: Ok(answer_to(&[fill; ITEM_BYTES])),
        })
    }
}
