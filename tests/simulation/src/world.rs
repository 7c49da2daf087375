//! A run: virtual time, what is going to happen, and the rules that must hold.
//!
//! One seed is one run, bit for bit: everything that is left to chance comes from it, and nothing reads a
//! clock or an address. The state machines are the real ones; what surrounds them is simulated here.

use std::collections::{BTreeMap, BTreeSet};

use obscura_gate::ports::Event;
use obscura_protocol::identity::{Identity, JobId, PeerName, PublicKey};

use crate::{
    agent::{Device, Record},
    compute::{Compute, RECEIPTS},
    counts::{Count, Counts},
    desk::Word,
    disk::Disk,
    gate::{BOX, BoxSide, identity, name},
    invariant::Invariant,
    keys,
    network::{Frame, Network},
    plan::{Blow, Plan, Rates},
    random::Random,
    trace::{Line, Trace},
};

/// Virtual time after the faults and the last record within which everything must be finished.
pub const PATIENCE_MS: u64 = 600_000;
/// The last record comes at most this long after the faults stopped.
const LAST_RECORD_MS: u64 = 10_000;
/// A run of more steps than this does not end.
const MAX_STEPS: u64 = 500_000;

/// Something that is going to happen.
#[derive(Debug)]
pub(crate) enum Happening {
    Frame(Frame),
    AgentStarts(usize),
    Connects(usize),
    /// The link of this life of the agent is woken.
    LinkTick(usize, u64),
    /// The command line of this life acts.
    Desk(usize, u64, Word),
    Enter(usize, usize),
    GateStarts,
    GateConnects,
    GateTick(u64),
    BrokerUp,
    ComputeStarts,
    ComputeUp(u64),
    ComputeSays(u64, u64, Box<Event>),
    ComputeDies,
    Blow(Blow),
    Heal(usize),
    FaultsStop,
}

/// What was encrypted for a job, whatever its device remembers.
#[derive(Debug)]
pub(crate) struct Truth {
    pub(crate) device: usize,
    pub(crate) items: Vec<Vec<u8>>,
    pub(crate) accepted: Vec<u32>,
}

/// Everything there is.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) random: Random,
    /// Virtual time, milliseconds.
    pub(crate) now: u64,
    steps: u64,
    /// What is going to happen, by time and then in the order in which it was arranged.
    coming: BTreeMap<(u64, u64), Happening>,
    arranged: u64,
    trace: Trace,
    pub(crate) counts: Counts,
    broken: Option<(u64, Invariant)>,
    pub(crate) box_name: PeerName,
    pub(crate) box_key: PublicKey,
    pub(crate) receipt_signer: Identity,
    pub(crate) receipt_key: PublicKey,
    pub(crate) devices: Vec<Device>,
    pub(crate) gate: BoxSide,
    pub(crate) compute: Compute,
    pub(crate) disk: Disk,
    pub(crate) network: Network,
    pub(crate) jobs: BTreeMap<JobId, Truth>,
    /// Jobs of which the journal could not keep an item.
    pub(crate) unkept_items: BTreeSet<JobId>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What was counted.
    pub counts: Counts,
    /// A hash of everything that happened.
    pub trace_hash: u64,
    /// Virtual time from the end of the faults until everything was finished, milliseconds.
    pub quiet_ms: u64,
    /// The first rule that was broken, and when.
    pub broken: Option<(u64, Invariant)>,
    /// The last things that happened, or all of them.
    pub lines: Vec<Line>,
}

impl World {
    /// The world of a seed; `all` keeps every line of the trace.
    pub(crate) fn new(seed: u64, all: bool) -> Self {
        let mut random = Random::new(seed);
        let plan = Plan::draw(&mut random);
        let devices =
            (0..plan.devices).map(|device| Device::new(device, keys::object(device, plan.key_length)));
        let mut world = Self {
            devices: devices.collect(),
            network: Network::new(plan.devices),
            random,
            plan,
            now: 0,
            steps: 0,
            coming: BTreeMap::new(),
            arranged: 0,
            trace: Trace::new(all),
            counts: Counts::default(),
            broken: None,
            box_name: name(BOX),
            box_key: identity(BOX).public(),
            receipt_signer: identity(RECEIPTS),
            receipt_key: identity(RECEIPTS).public(),
            gate: BoxSide::default(),
            compute: Compute::default(),
            disk: Disk::default(),
            jobs: BTreeMap::new(),
            unkept_items: BTreeSet::new(),
        };
        world.begin();
        world
    }

    fn begin(&mut self) {
        let records = std::mem::take(&mut self.plan.records);
        for (device, at, items) in records {
            self.counts.one(Count::Records);
            let own = &mut self.devices[device];
            let place = own.records.len();
            own.records.push(Record {
                items,
                due: false,
                job: None,
                done: false,
            });
            self.at(at, Happening::Enter(device, place));
        }
        for (at, blow) in std::mem::take(&mut self.plan.blows) {
            self.at(at, Happening::Blow(blow));
        }
        for device in 0..self.devices.len() {
            let at = self.random.below(5_000);
            self.at(at, Happening::AgentStarts(device));
        }
        let (gate, compute) = (self.random.below(2_000), self.random.below(2_000));
        self.at(gate, Happening::GateStarts);
        self.at(compute, Happening::ComputeStarts);
        self.at(self.plan.quiet_from_ms, Happening::FaultsStop);
    }

    /// Arranges something for a time from now on.
    pub(crate) fn at(&mut self, at: u64, happening: Happening) {
        self.arranged += 1;
        self.coming.insert((at.max(self.now), self.arranged), happening);
    }

    /// Whether something fails now; never when the faults are over.
    pub(crate) fn fails(&mut self, rate: impl Fn(&Rates) -> u64) -> bool {
        let rate = rate(&self.plan.rates);
        self.now < self.plan.quiet_from_ms && self.random.chance(rate)
    }

    /// Writes a line of the trace; `who` is 0 for the box, or a device's number from 1.
    pub(crate) fn note(&mut self, who: usize, what: &'static str, kind: &'static str, about: u64) {
        self.trace.add(Line {
            at_ms: self.now,
            who: who as u64,
            what,
            kind,
            about,
        });
    }

    /// A rule does not hold.
    pub(crate) fn broke(&mut self, invariant: Invariant) {
        self.note(0, "BREAKS A RULE", "", 0);
        self.broken.get_or_insert((self.now, invariant));
    }

    /// Lets everything happen until all is finished, a rule is broken, or patience ends.
    pub(crate) fn run(&mut self) {
        let latest = self.plan.quiet_from_ms + LAST_RECORD_MS + PATIENCE_MS;
        while self.broken.is_none() && !self.is_finished() {
            let Some(((at, _), happening)) = self.coming.pop_first() else {
                self.broke(Invariant::Progress);
                return;
            };
            self.now = at;
            self.steps += 1;
            if at > latest || self.steps > MAX_STEPS {
                self.broke(Invariant::Progress);
                return;
            }
            self.counts.one(Count::Events);
            self.happens(happening);
        }
    }

    /// The run's outcome, also when it ended in a panic.
    pub(crate) fn into_outcome(self, panicked: bool) -> Outcome {
        let panic = panicked.then_some((self.now, Invariant::NoPanic));
        Outcome {
            counts: self.counts,
            trace_hash: self.trace.hash(),
            quiet_ms: self.now.saturating_sub(self.plan.quiet_from_ms),
            broken: panic.or(self.broken),
            lines: self.trace.into_lines(),
        }
    }

    /// Every record has its result, and nothing waits anywhere.
    fn is_finished(&self) -> bool {
        self.now > self.plan.quiet_from_ms
            && self.compute.is_idle()
            && self.devices.iter().all(Device::is_finished)
            && self.gate.process.is_some()
            && self.gate.items() == 0
    }

    fn happens(&mut self, happening: Happening) {
        match happening {
            Happening::Frame(frame) => self.arrive(frame),
            Happening::AgentStarts(device) => self.agent_starts(device),
            Happening::Connects(device) => self.connects(device),
            Happening::LinkTick(device, life) => self.link_tick(device, life),
            Happening::Desk(device, life, word) => self.desk(device, life, word),
            Happening::Enter(device, record) => {
                self.devices[device].records[record].due = true;
                self.enter(device, record);
            }
            Happening::GateStarts => self.gate_starts(),
            Happening::GateConnects => self.gate_connects(),
            Happening::GateTick(life) => self.gate_tick(life),
            Happening::BrokerUp => self.broker_comes_back(),
            Happening::ComputeStarts => self.compute_starts(),
            Happening::ComputeUp(connection) => self.compute_is_up(connection),
            Happening::ComputeSays(connection, task, event) => self.compute_says(connection, task, *event),
            Happening::ComputeDies => self.compute_dies(),
            Happening::Blow(blow) => self.blow(blow),
            Happening::Heal(device) => {
                self.devices[device].cut = false;
                let at = self.now + self.random.between(10, 2_000);
                self.at(at, Happening::Connects(device));
            }
            Happening::FaultsStop => self.faults_stop(),
        }
    }

    fn blow(&mut self, blow: Blow) {
        let device = self.random.place(self.devices.len());
        match blow {
            Blow::Cut => {
                self.counts.one(Count::Cuts);
                self.devices[device].cut = true;
                self.cut(device);
                let at = self.now + self.random.between(500, 40_000);
                self.at(at, Happening::Heal(device));
            }
            Blow::Broker if self.network.broker_up => {
                self.counts.one(Count::BrokerRestarts);
                self.broker_dies();
            }
            Blow::Broker => {}
            Blow::Gate => self.gate_is_hit(),
            Blow::Power => self.power_fails(),
            Blow::Agent => self.agent_is_hit(device),
            Blow::DevicePower => self.device_power_fails(device),
            Blow::Close => self.agent_closes(device),
            Blow::Compute => self.compute_dies(),
            Blow::Rot => {
                if self.disk.rot(&mut self.random) {
                    self.counts.one(Count::Rotted);
                    self.note(0, "loses a byte on disk", "", 0);
                }
            }
        }
    }

    /// From now on everything works; what is down comes up by itself within forty seconds.
    fn faults_stop(&mut self) {
        self.note(0, "faults stop", "", 0);
        self.gate_is_spared();
        for device in 0..self.devices.len() {
            self.agent_is_spared(device);
        }
    }
}
