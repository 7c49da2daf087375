//! A link and the box's side of its conversation, made from the protocol crate.

use std::{collections::BTreeSet, time::Duration};

use obscura_local::agent::{LinkCommand, LinkEvent, Wanted};
use obscura_protocol::{
    envelope,
    identity::{ClientId, Digest, Identity, JobId, PeerName, SessionId, SiteId},
    job::Ticket,
    message::{BoxMessage, DeviceMessage, KeyState, Limits, Refusal},
    session::{Session, opening_header},
    transfer::{MAX_CHUNK_BYTES, ObjectHeader, ObjectKind},
};
use zeroize::Zeroizing;

use crate::{
    application::{DropReason, Effect, Event, Link, LinkIdentity},
    domain::job::Entry,
    ports::Random,
};

pub(super) const SITE: SiteId = SiteId([9; 16]);
pub(super) const JOB: JobId = JobId([1; 16]);
pub(super) const CLIENT: ClientId = ClientId([2; 16]);
pub(super) const KEYS: Digest = Digest([3; 32]);

pub(super) struct Counter(u8);

impl Random for Counter {
    fn challenge(&mut self) -> [u8; 16] {
        self.0 += 1;
        [self.0; 16]
    }
}

pub(super) fn identity(seed: u8) -> Identity {
    Identity::from_seed(&Zeroizing::new([seed; 32]))
}

pub(super) fn name(text: &str) -> PeerName {
    text.parse().unwrap()
}

pub(super) fn object() -> ObjectHeader {
    ObjectHeader {
        kind: ObjectKind::EvaluationKeys,
        digest: KEYS,
        len_bytes: u64::from(MAX_CHUNK_BYTES) + 10,
        client: CLIENT,
        parameter_hash: Digest([4; 32]),
    }
}

pub(super) fn ticket(job: JobId) -> Ticket {
    Ticket {
        site: SITE,
        device: name("device-1"),
        job,
        model_hash: Digest([5; 32]),
        client: CLIENT,
        key_fingerprint: KEYS,
        items: 1,
    }
}

/// The link under test, and the box's side of it.
pub(super) struct Pair {
    pub(super) link: Link,
    pub(super) box_side: Option<Session>,
    sessions: u8,
    /// Protocol version the box chooses.
    pub(super) version: u16,
    pub(super) now: Duration,
    pub(super) told: Vec<LinkEvent>,
    pub(super) kept: Vec<Entry>,
    pub(super) kept_items: BTreeSet<(JobId, u32)>,
    pub(super) forgotten: Vec<JobId>,
    pub(super) dropped: Vec<DropReason>,
}

impl Pair {
    pub(super) fn new() -> Self {
        let own = LinkIdentity {
            site: SITE,
            device: name("device-1"),
            identity: identity(1),
            box_name: name("box-1"),
            box_key: identity(2).public(),
        };
        Self {
            link: Link::new(own, Box::new(Counter(0))),
            box_side: None,
            sessions: 0,
            version: 1,
            now: Duration::ZERO,
            told: Vec::new(),
            kept: Vec::new(),
            kept_items: BTreeSet::new(),
            forgotten: Vec::new(),
            dropped: Vec::new(),
        }
    }

    /// Hands the event over; what the device sent, opened and decoded.
    pub(super) fn event(&mut self, event: Event) -> Vec<(u64, DeviceMessage)> {
        let mut sent = Vec::new();
        for effect in self.link.handle(self.now, event) {
            match effect {
                Effect::Publish(bytes) => {
                    let verified = envelope::open(&bytes)
                        .unwrap()
                        .verify(&identity(1).public())
                        .unwrap();
                    let message = DeviceMessage::decode(&verified.payload).unwrap();
                    if !matches!(message, DeviceMessage::Hello { .. }) {
                        self.box_side.as_mut().unwrap().admit(&verified.header).unwrap();
                    }
                    sent.push((verified.header.sequence, message));
                }
                Effect::Tell(event) => self.told.push(event),
                Effect::Keep(entry) => self.kept.push(entry),
                Effect::KeepItem { job, index, .. } => assert!(self.kept_items.insert((job, index))),
                Effect::ForgetItem { job, index } => drop(self.kept_items.remove(&(job, index))),
                Effect::Forget(job) => self.forgotten.push(job),
                Effect::Dropped(reason) => self.dropped.push(reason),
                Effect::LoadJournal => {}
            }
        }
        sent
    }

    pub(super) fn command(&mut self, command: LinkCommand) -> Vec<DeviceMessage> {
        only_messages(self.event(Event::Command(command)))
    }

    /// A message of the box in its session.
    pub(super) fn say(&mut self, message: &BoxMessage) -> Vec<DeviceMessage> {
        let header = self.box_side.as_mut().unwrap().next_header();
        let frame = envelope::seal(&header, &message.encode(), &identity(2));
        only_messages(self.event(Event::Frame(frame)))
    }

    /// A message of the box outside any session.
    pub(super) fn say_opening(&mut self, message: &BoxMessage) -> Vec<DeviceMessage> {
        let header = opening_header(&name("box-1"), &name("device-1"));
        let frame = envelope::seal(&header, &message.encode(), &identity(2));
        only_messages(self.event(Event::Frame(frame)))
    }

    pub(super) fn refuse(&mut self, code: Refusal, job: Option<JobId>) -> Vec<DeviceMessage> {
        self.say(&BoxMessage::Refused {
            sequence: 0,
            code,
            job,
        })
    }

    pub(super) fn pass(&mut self, seconds: u64) -> Vec<DeviceMessage> {
        self.now += Duration::from_secs(seconds);
        only_messages(self.event(Event::Tick))
    }

    /// Answers the hello in `sent`; what follows at once.
    pub(super) fn welcome(&mut self, sent: &[DeviceMessage]) -> Vec<DeviceMessage> {
        let Some(DeviceMessage::Hello { nonce, .. }) = sent.last() else {
            panic!("expected a hello, got {sent:?}");
        };
        self.sessions += 1;
        let session = SessionId([self.sessions; 16]);
        self.box_side = Some(Session::new(
            name("box-1"),
            name("device-1"),
            session,
            self.version,
        ));
        self.say_opening(&BoxMessage::Welcome {
            version: self.version,
            nonce: *nonce,
            session,
            limits: Limits {
                max_object_bytes: 1 << 30,
                max_item_bytes: 65_536,
                window_chunks: 8,
                max_jobs: 2,
            },
            models: Vec::new(),
        })
    }

    pub(super) fn state(&mut self, state: KeyState) -> Vec<DeviceMessage> {
        self.say(&BoxMessage::KeyState {
            client: CLIENT,
            state,
        })
    }

    /// Up to a session in which the box has the keys.
    pub(super) fn ready() -> Self {
        Self::ready_with(1)
    }

    /// The same in this protocol version.
    pub(super) fn ready_with(version: u16) -> Self {
        let mut pair = Self::new();
        pair.version = version;
        pair.command(LinkCommand::UseKeys { object: object() });
        let hello = only_messages(pair.event(Event::Up));
        assert_eq!(
            pair.welcome(&hello),
            [DeviceMessage::KeyStatus { client: CLIENT }]
        );
        assert_eq!(pair.state(KeyState::Stored { object: KEYS }), []);
        pair
    }

    pub(super) fn submit(&mut self, job: JobId) -> Vec<DeviceMessage> {
        self.command(LinkCommand::Submit {
            ticket: ticket(job),
            items: vec![vec![7; 100]],
            wanted: Wanted::default(),
        })
    }

    /// From a session with keys to an item at the box.
    pub(super) fn submitted() -> Self {
        let mut pair = Self::ready();
        let sent = pair.submit(JOB);
        assert!(matches!(&sent[..], [DeviceMessage::Submit { .. }]), "{sent:?}");
        assert_eq!(pair.say(&BoxMessage::Accepted { job: JOB }), [item(JOB)]);
        pair
    }
}

pub(super) fn only_messages(sent: Vec<(u64, DeviceMessage)>) -> Vec<DeviceMessage> {
    sent.into_iter().map(|(_, message)| message).collect()
}

pub(super) fn item(job: JobId) -> DeviceMessage {
    DeviceMessage::Item {
        job,
        index: 0,
        bytes: vec![7; 100],
    }
}

pub(super) fn answer(job: JobId) -> BoxMessage {
    BoxMessage::Answer {
        job,
        index: 0,
        bytes: vec![8; 10],
        receipt: vec![9; 10],
    }
}
