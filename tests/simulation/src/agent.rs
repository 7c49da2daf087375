//! An agent's process: the real link, and what its command line and vault would do with its words.
//!
//! The vault and the journal are what outlives the process. The vault keeps the rules of the real one: a
//! receipt must repeat what was asked, the first valid answer of an item counts, and the same answer again
//! changes nothing. Between any two steps the process may die.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use obscura_link::{
    application::{Effect, Event, Link, LinkIdentity},
    domain::job::Entry,
    ports,
};
use obscura_local::agent::{LinkCommand, LinkEvent};
use obscura_protocol::{
    identity::{Digest, JobId, PeerName, PublicKey},
    job::Ticket,
    message::Refusal,
};

use crate::{
    counts::Count,
    desk::{Word, wanted},
    gate::{BOX, SITE, identity, name, of_job},
    invariant::Invariant,
    judge::refusal,
    keys::{ITEM_BYTES, KeyObject},
    random::Random,
    world::{Happening, World},
};

/// Sent messages the link may remember.
const MAX_REMEMBERED: usize = 512;
/// Chunks the box may ask for at once.
const MAX_WANTED: usize = 16;

/// Attempts before a job is given up.
const JOB_ATTEMPTS: u32 = 5;
/// After the faults: until what the box says of a damaged message has come to its device.
const AFTERMATH_MS: u64 = 5_000;
/// Losses of the keys before they are given up.
const KEY_LOSSES: u32 = 5;
/// Hellos the box could not read before the device is given up.
const HELLOS: u32 = 2;

/// What the user wants answered.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) items: u64,
    /// The user came with it.
    pub(crate) due: bool,
    /// The job that was opened for it.
    pub(crate) job: Option<JobId>,
    pub(crate) done: bool,
}

/// A job in the vault's list.
#[derive(Debug)]
pub(crate) struct OpenJob {
    pub(crate) record: usize,
    /// SHA-256 of each item, once it was encrypted.
    pub(crate) inputs: Vec<Option<Digest>>,
    /// SHA-256 of the first valid answer to each.
    pub(crate) accepted: Vec<Option<Digest>>,
    /// Its items come one by one.
    pub(crate) streamed: bool,
    /// Items this life of the agent has to encrypt, the next one first.
    pub(crate) unsent: VecDeque<u32>,
    pub(crate) ticket: Box<Ticket>,
}

/// A device and what lies on its disk.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) name: PeerName,
    pub(crate) public: PublicKey,
    pub(crate) keys: &'static KeyObject,
    pub(crate) records: Vec<Record>,
    pub(crate) vault: BTreeMap<JobId, OpenJob>,
    pub(crate) journal: Vec<Entry>,
    /// Removed from the journal since the folder was last synced: back after a power cut, perhaps.
    removed: Vec<Entry>,
    /// The same of single items.
    removed_items: Vec<(JobId, u32, Vec<u8>)>,
    /// Nothing gets through to the broker.
    pub(crate) cut: bool,
    pub(crate) connected: bool,
    pub(crate) process: Option<Process>,
    /// Counts processes.
    pub(crate) life: u64,
    /// Messages of sessions that this process took.
    pub(crate) taken: BTreeSet<u64>,
}

/// An agent's process.
#[derive(Debug)]
pub(crate) struct Process {
    link: Link,
    /// When the link is woken next, as far as it was arranged.
    timer: Option<u64>,
    /// Effects after which the process dies.
    fuse: Option<u64>,
    /// Items whose answer the link told.
    pub(crate) told: BTreeSet<(JobId, u32)>,
    /// How often the link said that it will try again.
    pub(crate) delays: u32,
    /// Jobs whose entry could not be written.
    unkept: BTreeSet<JobId>,
    /// The journal was read, so the user may enter records.
    pub(crate) resumed: bool,
    /// When the command line has done what it was told before.
    pub(crate) busy_until: u64,
}

struct Seeded(Random);

impl ports::Random for Seeded {
    fn challenge(&mut self) -> [u8; 16] {
        self.0.id()
    }
}

impl Device {
    /// A device that never did anything, with keys that were made.
    pub(crate) fn new(number: usize, keys: &'static KeyObject) -> Self {
        let name = name(&format!("device-{}", number + 1));
        Self {
            public: identity(name.as_str()).public(),
            name,
            keys,
            records: Vec::new(),
            vault: BTreeMap::new(),
            journal: Vec::new(),
            removed: Vec::new(),
            removed_items: Vec::new(),
            cut: false,
            connected: false,
            process: None,
            life: 0,
            taken: BTreeSet::new(),
        }
    }

    /// Items of a job that are at the link without an accepted answer.
    pub(crate) fn under_way(&self, job: JobId) -> usize {
        let Some(open) = self.vault.get(&job) else {
            return 0;
        };
        let left = open.accepted.iter().filter(|accepted| accepted.is_none()).count();
        left - open.unsent.len()
    }

    /// Whether its user has everything and its disk is clean.
    pub(crate) fn is_finished(&self) -> bool {
        let held = self.process.as_ref().map(|process| process.link.held());
        self.records.iter().all(|record| record.done)
            && self.vault.is_empty()
            && self.journal.is_empty()
            && held.is_some_and(|held| held.jobs == 0)
    }
}

impl World {
    pub(crate) fn agent_starts(&mut self, device: usize) {
        if self.devices[device].process.is_some() {
            return;
        }
        let random = Box::new(Seeded(self.random.split()));
        let own = &mut self.devices[device];
        let link = Link::new(
            LinkIdentity {
                site: SITE,
                device: own.name.clone(),
                identity: identity(own.name.as_str()),
                box_name: name(BOX),
                box_key: self.box_key,
            },
            random,
        );
        own.process = Some(Process {
            link,
            timer: None,
            fuse: None,
            told: BTreeSet::new(),
            delays: 0,
            unkept: BTreeSet::new(),
            resumed: false,
            busy_until: 0,
        });
        own.life += 1;
        own.taken.clear();
        let (life, object) = (own.life, own.keys.header);
        self.note(device + 1, "starts", "agent", life);
        self.command(device, LinkCommand::UseKeys { object });
        self.command(device, LinkCommand::Resume);
        let at = self.now + self.random.between(5, 1_000);
        self.at(at, Happening::Connects(device));
    }

    /// Kills an agent now, or in the middle of what it does next.
    pub(crate) fn agent_is_hit(&mut self, device: usize) {
        let fuse = self.random.chance(500).then(|| self.random.below(4));
        match (fuse, &mut self.devices[device].process) {
            (Some(left), Some(process)) => process.fuse = Some(left),
            _ => self.agent_dies(device),
        }
    }

    pub(crate) fn agent_dies(&mut self, device: usize) {
        let own = &mut self.devices[device];
        if own.process.take().is_none() {
            return;
        }
        own.connected = false;
        let life = own.life;
        self.note(device + 1, "dies", "agent", life);
        self.counts.one(Count::AgentRestarts);
        let back = self.now + self.random.between(500, 20_000);
        self.at(back, Happening::AgentStarts(device));
    }

    /// A device loses power, and with it what was not synced.
    pub(crate) fn device_power_fails(&mut self, device: usize) {
        self.agent_dies(device);
        for entry in std::mem::take(&mut self.devices[device].removed) {
            if self.random.chance(500) {
                self.devices[device].journal.push(entry);
            }
        }
        for (job, index, bytes) in std::mem::take(&mut self.devices[device].removed_items) {
            let back = self.random.chance(500);
            let mut journal = self.devices[device].journal.iter_mut();
            if let Some(entry) = journal.find(|entry| entry.job() == job).filter(|_| back) {
                entry.items.entry(index).or_insert(bytes);
            }
        }
    }

    /// The user stops the agent, which says goodbye.
    pub(crate) fn agent_closes(&mut self, device: usize) {
        if self.devices[device].process.is_some() {
            self.command(device, LinkCommand::Close);
            self.agent_dies(device);
        }
    }

    /// Faults are over: nobody dies any more.
    pub(crate) fn agent_is_spared(&mut self, device: usize) {
        if let Some(process) = &mut self.devices[device].process {
            process.fuse = None;
        }
    }

    pub(crate) fn command(&mut self, device: usize, command: LinkCommand) {
        self.link(device, Event::Command(command));
    }

    /// The time the link asked to be woken at.
    pub(crate) fn link_tick(&mut self, device: usize, life: u64) {
        let own = &mut self.devices[device];
        if own.life == life
            && let Some(process) = &mut own.process
        {
            if process.timer.is_some_and(|timer| timer <= self.now) {
                process.timer = None;
            }
            self.link(device, Event::Tick);
        }
    }

    /// Hands an event to the link and carries out what it says; whether a message was taken.
    pub(crate) fn link(&mut self, device: usize, event: Event) -> bool {
        let now = Duration::from_millis(self.now);
        let Some(process) = &mut self.devices[device].process else {
            return false;
        };
        let effects = process.link.handle(now, event);
        let taken = !effects.iter().any(|effect| matches!(effect, Effect::Dropped(_)));
        for effect in effects {
            let Some(process) = &mut self.devices[device].process else {
                return taken;
            };
            if let Some(left) = &mut process.fuse {
                if *left == 0 {
                    self.agent_dies(device);
                    return taken;
                }
                *left -= 1;
            }
            self.carry_out_link(device, effect);
        }
        self.judge_link(device);
        taken
    }

    /// What must hold of a link between two events, and when it wants to be woken.
    fn judge_link(&mut self, device: usize) {
        let own = &mut self.devices[device];
        let Some(process) = &mut own.process else {
            return;
        };
        let held = process.link.held();
        let journaled = own.journal.len() + process.unkept.len();
        let too_many = held.jobs > journaled;
        let too_much = held.remembered > MAX_REMEMBERED
            || held.wanted_chunks > MAX_WANTED
            || held.item_bytes > (held.jobs * 12 * ITEM_BYTES) as u64;
        let due = process
            .link
            .deadline()
            .map(|due| u64::try_from(due.as_millis()).unwrap_or(u64::MAX));
        let spins = due.is_some_and(|due| due <= self.now);
        let wake = due.filter(|due| !spins && process.timer.is_none_or(|timer| *due < timer));
        if wake.is_some() {
            process.timer = wake;
        }
        let life = own.life;
        if let Some(at) = wake {
            self.at(at, Happening::LinkTick(device, life));
        }
        for (wrong, invariant) in [
            (too_many, Invariant::JournalFirst),
            (too_much, Invariant::LinkBounded),
            (spins, Invariant::NoSpin),
        ] {
            if wrong {
                self.broke(invariant);
            }
        }
    }

    fn carry_out_link(&mut self, device: usize, effect: Effect) {
        match effect {
            Effect::Publish(bytes) => self.send(true, device, bytes),
            Effect::Tell(event) => self.told(device, event),
            Effect::Keep(entry) => self.keep(device, entry),
            Effect::KeepItem { job, index, bytes } => self.keep_item(device, job, index, bytes),
            Effect::ForgetItem { job, index } => {
                let own = &mut self.devices[device];
                let entry = own.journal.iter_mut().find(|entry| entry.job() == job);
                if let Some(bytes) = entry.and_then(|entry| entry.items.remove(&index)) {
                    own.removed_items.push((job, index, bytes));
                }
            }
            Effect::Forget(job) => {
                let own = &mut self.devices[device];
                let at = own.journal.iter().position(|entry| entry.job() == job);
                own.removed.extend(at.map(|at| own.journal.remove(at)));
            }
            Effect::LoadJournal => {
                let entries = self.devices[device].journal.clone();
                self.link(device, Event::Journal(entries));
            }
            Effect::Dropped(_) => {}
        }
    }

    fn keep(&mut self, device: usize, entry: Entry) {
        let fails = self.fails(|rates| rates.journal);
        let (job, own) = (entry.job(), &mut self.devices[device]);
        if !fails {
            // Its folder is synced with it.
            own.removed.clear();
            own.journal.retain(|known| known.job() != job);
            own.journal.push(entry);
        } else if let Some(process) = &mut own.process {
            process.unkept.insert(job);
        }
    }

    fn keep_item(&mut self, device: usize, job: JobId, index: u32, bytes: Vec<u8>) {
        let fails = self.fails(|rates| rates.journal);
        let own = &mut self.devices[device];
        let entry = own.journal.iter_mut().find(|entry| entry.job() == job);
        match entry.filter(|_| !fails) {
            Some(entry) => {
                own.removed_items.clear();
                entry.items.insert(index, bytes);
            }
            None => drop(self.unkept_items.insert(job)),
        }
    }

    /// The link's word to the command line, which comes to it in a moment.
    fn told(&mut self, device: usize, event: LinkEvent) {
        let word = match event {
            LinkEvent::NeedChunk { object, index } => Word::Chunk { object, index },
            LinkEvent::Answer {
                job,
                index,
                bytes,
                receipt,
            } => {
                self.judge_answer(device, job, index, &bytes);
                Word::Answer {
                    job,
                    index,
                    bytes,
                    receipt,
                }
            }
            LinkEvent::Resumed { jobs } => Word::Resumed(jobs),
            LinkEvent::Delayed { .. } => {
                if let Some(process) = &mut self.devices[device].process {
                    process.delays += 1;
                }
                return;
            }
            LinkEvent::JobRefused { job, code } => {
                self.note(device + 1, "hears of refusal", refusal(code), of_job(job));
                if code == Refusal::Overdue {
                    // Only what had a deadline can be late, and then at the first attempt.
                    if wanted(job).within_s.is_none() {
                        self.broke(Invariant::NoWrongRefusal);
                    }
                } else {
                    // Failures inside the box, and jobs it lost, are given up after many attempts.
                    let explained = matches!(code, Refusal::Internal | Refusal::UnknownJob);
                    // A second ciphertext of an item is refused; there is one when the journal lost the first.
                    let second = code == Refusal::BadTicket && self.unkept_items.contains(&job);
                    if !second {
                        self.judge_refusal(device, explained, JOB_ATTEMPTS);
                    }
                }
                Word::JobRefused(job)
            }
            LinkEvent::ItemDead { job, index, code } => {
                let item = of_job(job) ^ u64::from(index);
                self.note(device + 1, "hears of a dead item", refusal(code), item);
                if code != Refusal::Internal {
                    self.broke(Invariant::NoWrongRefusal);
                }
                Word::ItemDead(job)
            }
            LinkEvent::Refused { code } => {
                self.note(device + 1, "is refused", refusal(code), 0);
                let damaged = matches!(
                    code,
                    Refusal::BadSignature | Refusal::UnknownDevice | Refusal::WrongVersion
                );
                let lost = matches!(
                    code,
                    Refusal::Internal | Refusal::UnknownKey | Refusal::HashMismatch
                );
                let explained = lost || damaged && self.now < self.plan.quiet_from_ms + AFTERMATH_MS;
                self.judge_refusal(device, explained, if lost { KEY_LOSSES } else { HELLOS });
                Word::Refused
            }
            _ => return,
        };
        self.say(device, word);
    }
}
