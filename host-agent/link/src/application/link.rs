//! The state machine: sessions, keys, jobs.
//!
//! Every awaited reply has a time limit. When one passes, the session is given up and opened anew, which
//! asks for everything again: there is one way to recover, whatever was lost.

use std::{collections::VecDeque, fmt, time::Duration};

use obscura_local::agent::{LinkCommand, LinkEvent, ResumedJob, Wanted};
use obscura_protocol::{
    CURRENT_VERSION, MIN_VERSION,
    envelope::{self, Header},
    identity::{Identity, JobId, PeerName, PublicKey, SiteId},
    job::{Signed, Ticket},
    message::{DeviceMessage, Limits, Refusal},
    session::{Session, opening_header},
    transfer::BUNDLES_SINCE,
};

use super::event::{DropReason, Effect, Event};
use crate::{
    domain::{
        job::{Entry, Jobs, Stage},
        pace::Pace,
        upload::{self, Upload},
    },
    ports::Random,
};

/// Longest wait for the box to answer about keys, which includes reading and checking a whole object.
pub(super) const KEYS_PATIENCE: Duration = Duration::from_secs(20);
/// Longest wait for the box to take a ticket.
const TICKET_PATIENCE: Duration = Duration::from_secs(10);
/// Longest wait for a sign of life about a job under way.
pub(super) const ITEM_PATIENCE: Duration = Duration::from_secs(30);
/// First protocol version with lanes, deadlines and revocation.
const REQUESTS: u16 = 2;
/// Sent messages remembered for telling what a refusal is about.
const REMEMBERED: usize = 512;

/// Who this device is and which box it trusts.
pub struct LinkIdentity {
    /// The site.
    pub site: SiteId,
    /// This device.
    pub device: PeerName,
    /// The device's envelope key.
    pub identity: Identity,
    /// The box.
    pub box_name: PeerName,
    /// The box's envelope key.
    pub box_key: PublicKey,
}

impl fmt::Debug for LinkIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LinkIdentity({} to {})", self.device, self.box_name)
    }
}

/// The way to the box.
#[derive(Debug)]
pub(super) enum Way {
    /// No carrier.
    Offline,
    /// Waiting before the next hello.
    Pausing { until: Duration },
    /// A hello was sent.
    Greeting { nonce: [u8; 16], until: Duration },
    /// A session is open.
    Open { session: Box<Session>, limits: Limits },
    /// The box refused this device for good, or the command line is done.
    Over,
}

/// What a sent message was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    Keys,
    Job(JobId),
}

/// What the link keeps in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Jobs, each of which is in the journal too.
    pub jobs: usize,
    /// Bytes of their items.
    pub item_bytes: u64,
    /// Sent messages remembered for telling what a refusal is about, at most 512.
    pub remembered: usize,
    /// Chunks the box asked for and that were not sent yet.
    pub wanted_chunks: usize,
}

/// The link's state.
pub struct Link {
    pub(super) own: LinkIdentity,
    random: Box<dyn Random + Send>,
    pub(super) way: Way,
    pub(super) pace: Pace,
    /// Hellos in a row that the box said it could not read.
    pub(super) unread: u32,
    pub(super) upload: Option<Upload>,
    pub(super) jobs: Jobs,
    pub(super) revocation: Revocation,
    pub(super) sent: VecDeque<(u64, About)>,
}

/// Whether the box is to forget this device's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Revocation {
    None,
    Wanted,
    Asked {
        /// When the wait for the box's word ends.
        until: Duration,
    },
}

impl Revocation {
    fn deadline(self) -> Option<Duration> {
        match self {
            Self::Asked { until } => Some(until),
            Self::None | Self::Wanted => None,
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("own", &self.own)
            .field("way", &self.way)
            .finish_non_exhaustive()
    }
}

impl Link {
    /// A link that is not connected and has nothing to do.
    pub fn new(own: LinkIdentity, random: Box<dyn Random + Send>) -> Self {
        Self {
            own,
            random,
            way: Way::Offline,
            pace: Pace::default(),
            unread: 0,
            upload: None,
            jobs: Jobs::default(),
            revocation: Revocation::None,
            sent: VecDeque::new(),
        }
    }

    /// Takes note of an event at time `now` (since any fixed moment) and says what is to be done, in order.
    pub fn handle(&mut self, now: Duration, event: Event) -> Vec<Effect> {
        let mut out = Vec::new();
        match event {
            Event::Up => {
                out.push(Effect::Tell(LinkEvent::Online));
                self.greet(now, &mut out);
            }
            Event::Down { cause, retry_in } => {
                self.way = Way::Offline;
                self.pace.reset();
                let retry_in_ms = millis(retry_in);
                out.push(Effect::Tell(LinkEvent::Offline { cause, retry_in_ms }));
            }
            Event::Denied => out.push(Effect::Tell(LinkEvent::Denied)),
            Event::Frame(bytes) => {
                if let Err(reason) = self.frame(now, &bytes, &mut out) {
                    out.push(Effect::Dropped(reason));
                }
            }
            Event::Command(command) => self.command(now, command, &mut out),
            Event::Journal(entries) => self.resume(entries, &mut out),
            Event::Tick => {}
        }
        self.watch(now, &mut out);
        self.advance(now, &mut out);
        out
    }

    /// When [`Event::Tick`] is due at the latest.
    pub fn deadline(&self) -> Option<Duration> {
        match &self.way {
            Way::Offline | Way::Over => None,
            Way::Pausing { until } | Way::Greeting { until, .. } => Some(*until),
            Way::Open { limits, .. } => {
                let keys = self.upload.as_ref().and_then(Upload::deadline);
                let jobs = self.keys_stored();
                let jobs = jobs.then(|| self.jobs.deadline(limits.max_jobs)).flatten();
                let revocation = self.revocation.deadline();
                keys.into_iter().chain(jobs).chain(revocation).min()
            }
        }
    }

    /// What is in memory now.
    pub fn held(&self) -> Held {
        Held {
            jobs: self.jobs.len(),
            item_bytes: self.jobs.item_bytes(),
            remembered: self.sent.len(),
            wanted_chunks: self.upload.as_ref().map_or(0, Upload::wanted),
        }
    }

    fn keys_stored(&self) -> bool {
        self.upload
            .as_ref()
            .is_some_and(|keys| keys.stage == upload::Stage::Stored && !keys.is_bundle())
    }

    fn command(&mut self, now: Duration, command: LinkCommand, out: &mut Vec<Effect>) {
        match command {
            LinkCommand::UseKeys { object } | LinkCommand::SendModel { object } => {
                if self.upload.as_ref().is_none_or(|known| known.object != object) {
                    self.upload = Some(Upload::new(object));
                    self.jobs.restart();
                }
            }
            LinkCommand::Chunk { object, index, bytes } => {
                let upload = self.upload.as_mut().filter(|known| known.object.digest == object);
                if let Some(upload) = upload
                    && matches!(self.way, Way::Open { .. })
                    && upload.take(index, bytes.len())
                {
                    upload.stage = upload::Stage::Moving {
                        until: now + KEYS_PATIENCE,
                    };
                    let (done_bytes, of_bytes) = (upload.there_bytes(), upload.object.len_bytes);
                    self.send(&DeviceMessage::Chunk { object, index, bytes }, About::Keys, out);
                    out.push(Effect::Tell(LinkEvent::Uploading { done_bytes, of_bytes }));
                }
            }
            LinkCommand::Submit {
                ticket,
                items,
                wanted,
            } => self.submit(ticket, items, wanted, out),
            LinkCommand::Item { job, index, bytes } => self.item(now, job, (index, bytes), out),
            LinkCommand::SettleItem { job, index } => {
                if let Some(known) = self.jobs.find(job) {
                    known.settle(index);
                    out.push(Effect::ForgetItem { job, index });
                }
            }
            LinkCommand::Settle { job } => {
                out.push(Effect::Forget(job));
                if let Some(removed) = self.jobs.remove(job)
                    && matches!(removed.stage, Stage::Submitted { .. } | Stage::Sent { .. })
                {
                    self.send(&DeviceMessage::Cancel { job }, About::Job(job), out);
                }
            }
            LinkCommand::Resume => out.push(Effect::LoadJournal),
            LinkCommand::RevokeKeys => self.revocation = Revocation::Wanted,
            LinkCommand::Close => {
                self.send(&DeviceMessage::Goodbye, About::Keys, out);
                self.way = Way::Over;
            }
            _ => out.push(Effect::Dropped(DropReason::Unasked)),
        }
    }

    fn submit(&mut self, ticket: Ticket, items: Vec<Vec<u8>>, wanted: Wanted, out: &mut Vec<Effect>) {
        let job = ticket.job;
        let fits = items.is_empty() || ticket.items as usize == items.len();
        if ticket.site != self.own.site || ticket.device != self.own.device || !fits {
            out.push(Effect::Dropped(DropReason::ForeignTicket));
            let code = Refusal::BadTicket;
            out.push(Effect::Tell(LinkEvent::JobRefused { job, code }));
            return;
        }
        let ticket = Signed::sign(ticket, &self.own.identity);
        let entry = Entry {
            ticket,
            items: (0..).zip(items).collect(),
            wanted,
        };
        // Kept before it is sent: what the box may compute is never forgotten here.
        out.push(Effect::Keep(entry.clone()));
        self.jobs.add(entry);
    }

    /// Takes an item of a job that was submitted without.
    fn item(&mut self, now: Duration, job: JobId, item: (u32, Vec<u8>), out: &mut Vec<Effect>) {
        let (index, bytes) = item;
        let Some(known) = self.jobs.find(job) else {
            out.push(Effect::Dropped(DropReason::ForeignTicket));
            return;
        };
        if !known.add(index, bytes.clone()) {
            return;
        }
        known.refresh(now + ITEM_PATIENCE);
        // Kept before it is sent, like the ticket.
        out.push(Effect::KeepItem { job, index, bytes });
        self.send_items(job, out);
    }

    /// Sends what the box has not got of an accepted job.
    pub(super) fn send_items(&mut self, job: JobId, out: &mut Vec<Effect>) -> u64 {
        let Some(known) = self.jobs.find(job) else {
            return 0;
        };
        let items = known.take_unsent();
        let sent_bytes = items.iter().map(|(_, bytes)| bytes.len() as u64).sum();
        for (index, bytes) in items {
            self.send(&DeviceMessage::Item { job, index, bytes }, About::Job(job), out);
        }
        sent_bytes
    }

    fn resume(&mut self, entries: Vec<Entry>, out: &mut Vec<Effect>) {
        let resumed = |entry: &Entry| ResumedJob {
            job: entry.job(),
            items: entry.items.keys().copied().collect(),
        };
        let jobs = entries.iter().map(resumed).collect();
        for entry in entries {
            self.jobs.add(entry);
        }
        out.push(Effect::Tell(LinkEvent::Resumed { jobs }));
    }

    /// Opens a session, or opens another in place of one that failed.
    pub(super) fn greet(&mut self, now: Duration, out: &mut Vec<Effect>) {
        let nonce = self.random.challenge();
        let until = now + self.pace.next_pause() * 2;
        self.way = Way::Greeting { nonce, until };
        self.sent.clear();
        let hello = DeviceMessage::Hello {
            min_version: MIN_VERSION,
            max_version: CURRENT_VERSION,
            nonce,
        };
        let header = opening_header(&self.own.device, &self.own.box_name);
        out.push(self.seal(&header, &hello));
    }

    fn seal(&self, header: &Header, message: &DeviceMessage) -> Effect {
        Effect::Publish(envelope::seal(header, &message.encode(), &self.own.identity))
    }

    /// Sends a message in the open session; without one it is not sent, and asked for again later.
    pub(super) fn send(&mut self, message: &DeviceMessage, about: About, out: &mut Vec<Effect>) {
        let Way::Open { session, .. } = &mut self.way else {
            return;
        };
        let header = session.next_header();
        self.sent.push_back((header.sequence, about));
        if self.sent.len() > REMEMBERED {
            self.sent.pop_front();
        }
        out.push(self.seal(&header, message));
    }

    /// Looks for replies that did not come.
    fn watch(&mut self, now: Duration, out: &mut Vec<Effect>) {
        let overdue = match &self.way {
            Way::Offline | Way::Over => false,
            Way::Pausing { until } => {
                if *until <= now {
                    self.greet(now, out);
                }
                false
            }
            Way::Greeting { until, .. } => *until <= now,
            Way::Open { .. } => {
                let keys = self.upload.as_ref().map(|keys| keys.stage);
                matches!(keys, Some(upload::Stage::Moving { until }) if until <= now)
                    || self.keys_stored() && self.jobs.is_overdue(now)
                    || self.revocation.deadline().is_some_and(|until| until <= now)
            }
        };
        if overdue {
            self.greet(now, out);
            let retry_in = self.deadline().unwrap_or(now).saturating_sub(now);
            out.push(Effect::Tell(LinkEvent::BoxSilent {
                retry_in_ms: millis(retry_in),
            }));
        }
    }

    /// Does what can be done in an open session.
    fn advance(&mut self, now: Duration, out: &mut Vec<Effect>) {
        let Way::Open { limits, session } = &self.way else {
            return;
        };
        let (limits, version) = (*limits, session.version());
        if self.revocation == Revocation::Wanted {
            self.revoke(now, version, out);
        }
        let Some(keys) = &mut self.upload else { return };
        let (client, digest) = (keys.object.client, keys.object.digest);
        match keys.stage {
            upload::Stage::Unasked { from } if from <= now => {
                if keys.is_bundle() && version < BUNDLES_SINCE {
                    keys.stage = upload::Stage::Refused;
                    let (speaks, needs) = (version, BUNDLES_SINCE);
                    out.push(Effect::Tell(LinkEvent::BoxTooOld { speaks, needs }));
                    return;
                }
                if keys.object.len_bytes > limits.max_object_bytes {
                    keys.stage = upload::Stage::Refused;
                    let code = Refusal::TooLarge;
                    out.push(Effect::Tell(LinkEvent::Refused { code }));
                    return;
                }
                keys.stage = upload::Stage::Moving {
                    until: now + KEYS_PATIENCE,
                };
                self.send(&DeviceMessage::KeyStatus { client }, About::Keys, out);
            }
            upload::Stage::Stored if !keys.is_bundle() => {
                while let Some(job) = self.jobs.next_to_submit(now, limits.max_jobs) {
                    let id = job.entry.job();
                    let other_key = job.entry.ticket.statement().key_fingerprint != digest;
                    let too_large = job
                        .entry
                        .items
                        .values()
                        .any(|item| item.len() > limits.max_item_bytes as usize);
                    if other_key || too_large {
                        let code = if other_key {
                            Refusal::UnknownKey
                        } else {
                            Refusal::TooLarge
                        };
                        self.give_up(id, code, out);
                        continue;
                    }
                    job.stage = Stage::Submitted {
                        until: now + TICKET_PATIENCE,
                    };
                    let ticket = job.entry.ticket.as_bytes().to_vec();
                    let Wanted { lane, within_s } = job.entry.wanted;
                    let message = if version >= REQUESTS {
                        DeviceMessage::Request {
                            ticket,
                            lane,
                            within_s,
                        }
                    } else {
                        DeviceMessage::Submit { ticket }
                    };
                    self.send(&message, About::Job(id), out);
                }
            }
            _ => {}
        }
    }

    /// Asks the box to forget this device's keys.
    fn revoke(&mut self, now: Duration, version: u16, out: &mut Vec<Effect>) {
        if version < REQUESTS {
            self.revocation = Revocation::None;
            let code = Refusal::WrongVersion;
            out.push(Effect::Tell(LinkEvent::Refused { code }));
            return;
        }
        let until = now + TICKET_PATIENCE;
        self.revocation = Revocation::Asked { until };
        self.send(&DeviceMessage::RevokeKeys, About::Keys, out);
    }

    /// Drops a job the box will never answer; the journal has it until the command line, which was told, settles it.
    pub(super) fn give_up(&mut self, job: JobId, code: Refusal, out: &mut Vec<Effect>) {
        self.jobs.remove(job);
        out.push(Effect::Tell(LinkEvent::JobRefused { job, code }));
    }
}

/// Whole milliseconds of a short time.
pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
