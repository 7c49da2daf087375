//! The gate's process: the real state machine, with a loop that carries its effects out, and dies.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use obscura_gate::{
    application::{Gate, Roster, Settings},
    ports::{Effect, Entropy, Event, NoEntropy, Note, StoreChange},
};
use obscura_protocol::{
    identity::{ClientId, Digest, Identity, JobId, PeerName, SessionId, SiteId},
    message::Refusal,
    transfer::ObjectHeader,
};
use zeroize::Zeroizing;

use crate::{
    counts::Count,
    disk::client_of,
    invariant::Invariant,
    keys::{ITEM_BYTES, KeyObject},
    network::peek,
    random::Random,
    world::{Happening, World},
};

/// The one site.
pub(crate) const SITE: SiteId = SiteId([5; 16]);
/// The box's name.
pub(crate) const BOX: &str = "box-1";
/// Jobs one device may have open.
pub(crate) const MAX_JOBS: usize = 2;
/// Most items of one job.
const MAX_ITEMS: usize = 12;
/// Sessions the gate may remember per device: the current one and four that were not used yet.
const MAX_SESSIONS: usize = 5;
/// Answers the gate may keep.
const MAX_ANSWERS: usize = 256;
/// Longest time an item may be computed.
const MAX_ITEM_TIME: Duration = Duration::from_secs(30);
/// How often the gate hears that time passes.
const TICK_MS: u64 = 1_000;

/// The envelope key of whoever has this name.
pub(crate) fn identity(name: &str) -> Identity {
    Identity::from_seed(&Zeroizing::new(Digest::of(name.as_bytes()).0))
}

/// A name that is one.
pub(crate) fn name(text: &str) -> PeerName {
    text.parse()
        .expect("the names of this crate follow the rule for names")
}

/// The box's side of the network.
#[derive(Debug, Default)]
pub(crate) struct BoxSide {
    pub(crate) process: Option<Gate>,
    /// Counts processes.
    pub(crate) life: u64,
    pub(crate) connected: bool,
    /// Effects after which the process dies.
    fuse: Option<u64>,
    /// Messages of sessions that this process took.
    pub(crate) taken: BTreeSet<u64>,
    /// Items that this process answered.
    pub(crate) answered: BTreeSet<(JobId, u32)>,
    /// How often it refused something.
    pub(crate) refused: u64,
    /// Moments are only ever compared with each other.
    began: Option<Instant>,
}

impl BoxSide {
    /// Items that wait or are computed.
    pub(crate) fn items(&self) -> usize {
        self.process.as_ref().map_or(0, |gate| gate.held().items)
    }
}

struct Seeded(Random);

impl Entropy for Seeded {
    fn session_id(&mut self) -> Result<SessionId, NoEntropy> {
        Ok(SessionId(self.0.id()))
    }
}

impl World {
    /// Starts the gate's process over what the store holds.
    pub(crate) fn gate_starts(&mut self) {
        if self.gate.process.is_some() {
            return;
        }
        let stored = self.disk.scan();
        let right = |header: &ObjectHeader| {
            let mut objects = self.devices.iter().map(|device| device.keys);
            let object = objects.find(|object| object.header == *header);
            object.map(|object| object.bytes.as_slice())
        };
        if self.disk.dishonest(right).is_some() {
            self.broke(Invariant::BitmapHonest);
        }
        let roster = self
            .devices
            .iter()
            .map(|device| (device.name.clone(), device.public));
        let settings = Settings {
            site: SITE,
            own_name: name(BOX),
            roster: Roster(roster.collect()),
            model_senders: BTreeSet::new(),
            store_quota_bytes: 16 << 20,
            max_clients_per_device: 2,
            max_jobs_per_device: u32::try_from(MAX_JOBS).unwrap_or(u32::MAX),
            max_unfinished: Duration::from_hours(72),
            max_unused: Duration::from_hours(90 * 24),
            max_item_time: MAX_ITEM_TIME,
        };
        let entropy = Box::new(Seeded(self.random.split()));
        self.gate.process = Some(Gate::new(settings, identity(BOX), entropy, stored));
        self.gate.life += 1;
        self.gate.fuse = None;
        self.gate.taken.clear();
        self.gate.answered.clear();
        let life = self.gate.life;
        self.note(0, "starts", "gate", life);
        self.at(self.now + TICK_MS, Happening::GateTick(life));
        let at = self.now + self.random.between(5, 1_500);
        self.at(at, Happening::GateConnects);
        self.greet_compute();
    }

    /// Kills the gate's process now, or in the middle of what it does next.
    pub(crate) fn gate_is_hit(&mut self) {
        if self.random.chance(500) {
            self.gate.fuse = Some(self.random.below(5));
        } else {
            self.gate_dies();
        }
    }

    pub(crate) fn gate_dies(&mut self) {
        if self.gate.process.take().is_none() {
            return;
        }
        self.note(0, "dies", "gate", self.gate.life);
        self.counts.one(Count::GateRestarts);
        self.gate.connected = false;
        self.compute_is_left();
        let back = self.now + self.random.between(200, 15_000);
        self.at(back, Happening::GateStarts);
    }

    /// The whole box loses power: what was not synced is at risk.
    pub(crate) fn power_fails(&mut self) {
        self.note(0, "loses power", "", 0);
        self.counts.one(Count::PowerCuts);
        self.gate_dies();
        self.compute_dies();
        if self.network.broker_up {
            self.broker_dies();
        }
        self.disk.cut(&mut self.random);
    }

    /// Faults are over: nobody dies any more.
    pub(crate) fn gate_is_spared(&mut self) {
        self.gate.fuse = None;
    }

    pub(crate) fn gate_tick(&mut self, life: u64) {
        if life == self.gate.life && self.gate.process.is_some() {
            self.gate_takes(Event::Tick);
            self.at(self.now + TICK_MS, Happening::GateTick(life));
        }
    }

    /// Hands an event to the gate and carries out what it says; whether a message was taken.
    pub(crate) fn gate_takes(&mut self, event: Event) -> bool {
        let began = *self.gate.began.get_or_insert_with(Instant::now);
        let now = began + Duration::from_millis(self.now);
        let Some(gate) = &mut self.gate.process else {
            return false;
        };
        let effects = gate.handle(now, event);
        let held = gate.held();
        let devices = self.devices.len();
        let most_items = devices * MAX_JOBS * MAX_ITEMS + 1;
        let bounded = held.items <= most_items
            && held.item_bytes <= most_items * ITEM_BYTES
            && held.jobs <= devices * MAX_JOBS
            && held.most_sessions <= MAX_SESSIONS
            && held.answers <= MAX_ANSWERS
            && held.answer_bytes <= MAX_ANSWERS * 1024;
        if !bounded {
            self.broke(Invariant::GateBounded);
        }
        let refused = |effect: &Effect| match effect {
            Effect::Note(Note::Refused { code, .. }) => *code == Refusal::Replayed,
            Effect::Publish { bytes, .. } => {
                peek(bytes, false).is_some_and(|seen| !seen.in_session && seen.kind == "Refused")
            }
            _ => false,
        };
        let taken = !effects.iter().any(refused);
        let mut failed = Vec::new();
        for effect in effects {
            if let Some(left) = &mut self.gate.fuse {
                if *left == 0 {
                    self.gate_dies();
                    return taken;
                }
                *left -= 1;
            }
            self.carry_out(effect, &mut failed);
        }
        for event in failed {
            self.gate_takes(event);
        }
        taken
    }

    fn carry_out(&mut self, effect: Effect, failed: &mut Vec<Event>) {
        match effect {
            Effect::Publish { device, bytes } => {
                let device = self.devices.iter().position(|known| known.name == device);
                if let Some(device) = device {
                    self.send(false, device, bytes);
                }
            }
            Effect::Store(change) => self.store(change, failed),
            Effect::Compute(task) => self.compute_does(task),
            Effect::Note(Note::ItemAnswered { job, item, .. }) => {
                self.gate.answered.insert((job, item));
            }
            Effect::Note(Note::Refused { .. } | Note::ItemDead { .. }) => self.gate.refused += 1,
            // No device here may send bundles, so none is hashed.
            Effect::Ready(_) | Effect::Note(_) | Effect::Hash { .. } => {}
        }
    }

    fn store(&mut self, change: StoreChange, failed: &mut Vec<Event>) {
        let client = client_of(&change);
        let kind = match &change {
            StoreChange::Create { .. } => "Create",
            StoreChange::Write { .. } => "Write",
            StoreChange::Persist { .. } => "Persist",
            StoreChange::MarkConforming { .. } => "Conforming",
            StoreChange::Touch { .. } => "Touch",
            StoreChange::Deliver { .. } => "Deliver",
            StoreChange::Remove { .. } => "Remove",
        };
        self.note(0, "stores", kind, short(&client.0));
        if kind == "Conforming" {
            self.counts.one(Count::KeysStored);
            if !self.compute.found_whole(&client) {
                self.broke(Invariant::KeysEqual);
            }
        }
        let fails = self.fails(|rates| rates.store);
        if !self.disk.apply(change, fails) {
            self.counts.one(Count::StoreFailures);
            self.note(0, "fails to store", kind, short(&client.0));
            failed.push(Event::StoreFailed { client });
        }
    }

    /// Whether what is filed under `client` has the bytes it should have, and so their hash.
    pub(crate) fn is_whole(&self, client: &ClientId, right: Option<&[u8]>) -> bool {
        right.is_some() && self.disk.data(client) == right
    }

    /// The keys with this digest, and which device owns them.
    pub(crate) fn keys_named(&self, digest: &Digest) -> Option<&'static KeyObject> {
        let mut keys = self.devices.iter().map(|device| device.keys);
        keys.find(|keys| keys.header.digest == *digest)
    }
}

/// The first bytes of an id, for the trace.
pub(crate) fn short(id: &[u8]) -> u64 {
    id.iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

/// The same for a job.
pub(crate) fn of_job(job: JobId) -> u64 {
    short(&job.0)
}
