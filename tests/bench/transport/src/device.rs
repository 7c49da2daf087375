//! A device: the agent's real session layer over a real carrier, without its process and its journal.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use obscura_carrier::{CarrierEvent, DownReason, PublishError, Publisher, ReceiveError, Receiver};
use obscura_link::{
    adapters::{config::LinkConfig, random::SystemRandom},
    application::{DropReason, Effect, Event, Link},
};
use obscura_local::agent::{LinkCommand, LinkEvent, OfflineCause, Wanted};
use obscura_protocol::{
    identity::{ClientId, Digest, JobId, PeerName, SiteId},
    job::Ticket,
    message::Lane,
    transfer::{ObjectHeader, ObjectKind, chunk_range},
};

use crate::{
    compute::{ITEM_BYTES, Model},
    error::BenchError,
};

/// As long as the link's own process waits.
const PUBLISH_PATIENCE: Duration = Duration::from_secs(10);
/// Longest wait for anything that is measured.
const LIMIT: Duration = Duration::from_mins(2);

/// Jobs of all devices so far: a device that comes back must not ask for a job it had before.
static JOBS: AtomicU64 = AtomicU64::new(1);

/// An evaluation key object: its bytes mean nothing.
pub(crate) struct Keys {
    header: ObjectHeader,
    bytes: Vec<u8>,
    model: Digest,
}

impl Keys {
    /// Keys of the `n`-th device for `model`.
    pub(crate) fn make(n: usize, model: &Model) -> Arc<Self> {
        // A linear congruential generator (Knuth's MMIX): bytes that nothing on the way could shorten.
        let mut state = n as u64;
        let byte = |_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            state.to_be_bytes()[0]
        };
        let bytes: Vec<u8> = (0..model.key_bytes).map(byte).collect();
        let digest = Digest::of(&bytes);
        let mut client = [0; 16];
        client.copy_from_slice(&digest.0[..16]);
        Arc::new(Self {
            header: ObjectHeader {
                kind: ObjectKind::EvaluationKeys,
                digest,
                len_bytes: model.key_bytes,
                client: ClientId(client),
                parameter_hash: model.parameters,
            },
            bytes,
            model: model.hash,
        })
    }

    fn chunk(&self, index: u32) -> Option<Vec<u8>> {
        let range = chunk_range(self.header.len_bytes, index)?;
        let range = usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?;
        self.bytes.get(range).map(<[u8]>::to_vec)
    }
}

/// A device at work.
pub(crate) struct Device {
    link: Link,
    publisher: Publisher,
    events: Receiver,
    up_topic: String,
    began: Instant,
    site: SiteId,
    name: PeerName,
    keys: Arc<Keys>,
    told: Vec<LinkEvent>,
}

impl Device {
    /// Connects and opens a session.
    pub(crate) fn connect(config: LinkConfig, keys: Arc<Keys>) -> Result<Self, BenchError> {
        let (publisher, events) = obscura_carrier::connect(&config.carrier)?;
        let mut device = Self {
            site: config.own.site,
            name: config.own.device.clone(),
            link: Link::new(config.own, Box::new(SystemRandom)),
            publisher,
            events,
            up_topic: config.up_topic,
            began: Instant::now(),
            keys,
            told: Vec::new(),
        };
        device.wait("a session", |event| matches!(event, LinkEvent::Session))?;
        Ok(device)
    }

    /// Brings the keys to the box if it has not got them, and says how long that took.
    pub(crate) fn upload(&mut self) -> Result<Duration, BenchError> {
        let began = Instant::now();
        let object = self.keys.header;
        self.handle(Event::Command(LinkCommand::UseKeys { object }))?;
        self.wait("the keys' arrival", |event| {
            matches!(event, LinkEvent::KeysStored { .. } | LinkEvent::KeysFound)
        })?;
        Ok(began.elapsed())
    }

    /// Hands the link a job of `items` records.
    pub(crate) fn submit(&mut self, items: u32) -> Result<JobId, BenchError> {
        let mut job = [0; 16];
        job[..8].copy_from_slice(&JOBS.fetch_add(1, Ordering::Relaxed).to_le_bytes());
        let job = JobId(job);
        let ticket = Ticket {
            site: self.site,
            device: self.name.clone(),
            job,
            model_hash: self.keys.model,
            client: self.keys.header.client,
            key_fingerprint: self.keys.header.digest,
            items,
        };
        let items = (0..items).map(|_| vec![0x5a; ITEM_BYTES]).collect();
        let wanted = Wanted {
            lane: Lane::Routine,
            within_s: None,
        };
        self.handle(Event::Command(LinkCommand::Submit {
            ticket,
            items,
            wanted,
        }))?;
        Ok(job)
    }

    /// Lets a finished job go.
    pub(crate) fn settle(&mut self, job: JobId) -> Result<(), BenchError> {
        self.handle(Event::Command(LinkCommand::Settle { job }))
    }

    /// Waits until `deadline` for the next answered item, and says of which job it is.
    pub(crate) fn answer_by(&mut self, deadline: Instant) -> Result<Option<JobId>, BenchError> {
        let answer = |event: &LinkEvent| match event {
            LinkEvent::Answer { job, .. } => Some(*job),
            _ => None,
        };
        self.next_by(deadline, answer)
    }

    /// Submits one record, waits for its answer, and says how long that took.
    pub(crate) fn round_trip(&mut self) -> Result<Duration, BenchError> {
        let began = Instant::now();
        let job = self.submit(1)?;
        let this = |event: &LinkEvent| matches!(event, LinkEvent::Answer { job: of, .. } if *of == job);
        self.wait("an answer", this)?;
        let took = began.elapsed();
        self.settle(job)?;
        Ok(took)
    }

    fn wait(&mut self, what: &'static str, is: impl Fn(&LinkEvent) -> bool) -> Result<(), BenchError> {
        let found = self.next_by(Instant::now() + LIMIT, |event| is(event).then_some(()))?;
        found.ok_or(BenchError::Silent { what, limit: LIMIT })
    }

    /// The next thing the link says that `pick` wants; what it does not want is passed over.
    fn next_by<T>(
        &mut self,
        deadline: Instant,
        pick: impl Fn(&LinkEvent) -> Option<T>,
    ) -> Result<Option<T>, BenchError> {
        loop {
            while !self.told.is_empty() {
                let event = self.told.remove(0);
                if matches!(
                    event,
                    LinkEvent::Refused { .. } | LinkEvent::JobRefused { .. } | LinkEvent::ItemDead { .. }
                ) {
                    let event = Box::new(event);
                    return Err(BenchError::Refused { event });
                }
                if let Some(found) = pick(&event) {
                    return Ok(Some(found));
                }
            }
            let now = Instant::now();
            if now >= deadline {
                return Ok(None);
            }
            let due = self.link.deadline().map(|due| self.began + due);
            let until = due.map_or(deadline, |due| due.min(deadline));
            let event = match self.events.recv_timeout(until.saturating_duration_since(now)) {
                Ok(event) => carrier_event(event),
                Err(ReceiveError::Timeout) => Event::Tick,
                Err(closed) => return Err(closed.into()),
            };
            self.handle(event)?;
        }
    }

    fn handle(&mut self, event: Event) -> Result<(), BenchError> {
        let effects = self.link.handle(self.began.elapsed(), event);
        for effect in effects {
            match effect {
                Effect::Publish(bytes) => self.publish(bytes)?,
                Effect::Tell(LinkEvent::NeedChunk { object, index }) => {
                    if let Some(bytes) = self.keys.chunk(index) {
                        self.handle(Event::Command(LinkCommand::Chunk { object, index, bytes }))?;
                    }
                }
                Effect::Tell(event) => self.told.push(event),
                // What was withdrawn, or asked in a session that is over, may still be answered; and nothing
                // here outlives the measurement.
                Effect::Dropped(DropReason::Unasked | DropReason::OutOfSession)
                | Effect::Keep(_)
                | Effect::KeepItem { .. }
                | Effect::ForgetItem { .. }
                | Effect::Forget(_)
                | Effect::LoadJournal => {}
                Effect::Dropped(reason) => return Err(BenchError::Dropped { reason }),
            }
        }
        Ok(())
    }

    fn publish(&self, bytes: Vec<u8>) -> Result<(), BenchError> {
        match self.publisher.publish(&self.up_topic, bytes, PUBLISH_PATIENCE) {
            // The session asks for it again.
            Err(PublishError::Down) => Ok(()),
            sent => Ok(sent?),
        }
    }
}

fn carrier_event(event: CarrierEvent) -> Event {
    match event {
        CarrierEvent::Up => Event::Up,
        CarrierEvent::Down { reason, retry_in } => Event::Down {
            cause: match reason {
                DownReason::Tls => OfflineCause::Tls,
                _ => OfflineCause::Unreachable,
            },
            retry_in,
        },
        CarrierEvent::Message { payload, .. } => Event::Frame(payload),
        CarrierEvent::Denied { .. } => Event::Denied,
        _ => Event::Tick,
    }
}
