//! What a seed decides before a run begins: who takes part, what they want, and which faults there are.

use crate::random::Random;

/// Most items of one job here.
const MAX_ITEMS: u64 = 12;

/// How often things go wrong, in a thousand messages or tasks.
#[derive(Clone, Debug)]
pub(crate) struct Rates {
    pub(crate) lose: u64,
    /// A further loss, only on the way to the first device: the box hears it and is not heard.
    pub(crate) deaf: u64,
    pub(crate) duplicate: u64,
    pub(crate) reorder: u64,
    pub(crate) alter: u64,
    pub(crate) replay: u64,
    pub(crate) misdeliver: u64,
    /// An evaluation fails, finds no memory, never ends, or ends with compute itself.
    pub(crate) evaluation: u64,
    /// A change of the box's store fails.
    pub(crate) store: u64,
    /// The agent's journal cannot be written.
    pub(crate) journal: u64,
}

/// Something that goes wrong at a time of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blow {
    /// A device is cut off for a while.
    Cut,
    /// The broker loses everything.
    Broker,
    /// The gate's process is killed.
    Gate,
    /// The box loses power.
    Power,
    /// An agent is killed.
    Agent,
    /// A device loses power: what its agent did not make durable may be undone.
    DevicePower,
    /// An agent's user stops it.
    Close,
    /// Compute dies.
    Compute,
    /// A byte of a stored key object changes.
    Rot,
}

impl Blow {
    const ALL: [Self; 9] = [
        Self::Cut,
        Self::Broker,
        Self::Gate,
        Self::Power,
        Self::Agent,
        Self::DevicePower,
        Self::Close,
        Self::Compute,
        Self::Rot,
    ];
}

/// A run's plan.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Two to four.
    pub(crate) devices: usize,
    /// Which of [`crate::keys::LENGTHS`] the keys have.
    pub(crate) key_length: usize,
    /// When the faults stop.
    pub(crate) quiet_from_ms: u64,
    pub(crate) rates: Rates,
    pub(crate) blows: Vec<(u64, Blow)>,
    /// Per record: its device, when it is entered, its number of items.
    pub(crate) records: Vec<(usize, u64, u64)>,
    /// Longest time a message takes without a fault: a LAN, a busy one, a slow cable.
    pub(crate) latency_ms: u64,
    /// Key sets compute keeps in memory.
    pub(crate) cached_keys: usize,
    /// Longest evaluation of one item without a fault.
    pub(crate) item_ms: u64,
}

impl Plan {
    /// Draws a plan. Each kind of fault is there in about half of the seeds, so that every mixture comes up.
    pub(crate) fn draw(random: &mut Random) -> Self {
        let devices = if random.chance(750) {
            2
        } else {
            3 + random.place(2)
        };
        let longest_ms = if random.chance(850) { 40_000 } else { 150_000 };
        let quiet_from_ms = random.between(10_000, longest_ms);
        let failing = random.chance(50);
        // Up to nine in ten messages, in one seed of five.
        let deaf = if random.chance(200) { 4 } else { 0 };
        let mut rate = |most: u64| {
            if random.chance(500) {
                random.between(1, most)
            } else {
                0
            }
        };
        let rates = Rates {
            lose: rate(250),
            deaf: rate(225) * deaf,
            duplicate: rate(200),
            reorder: rate(200),
            alter: rate(80),
            replay: rate(80),
            misdeliver: rate(40),
            // Now and then the box fails so often that jobs are given up.
            evaluation: rate(200) + if failing { 500 } else { 0 },
            store: rate(20),
            journal: rate(50),
        };
        let mut blows = Vec::new();
        for blow in Blow::ALL {
            if random.chance(400) {
                let pause_ms = random.between(6_000, 40_000);
                let mut at = random.below(2 * pause_ms);
                while at < quiet_from_ms {
                    blows.push((at, blow));
                    at += random.between(pause_ms / 2, 2 * pause_ms);
                }
            }
        }
        let mut records = Vec::new();
        for device in 0..devices {
            let most_records = match random.below(100) {
                0..=59 => 1,
                60..=94 => 2,
                _ => 5,
            };
            for _ in 0..random.between(1, most_records) {
                let items = match random.below(10) {
                    0..=5 => 1,
                    6..=8 => random.between(2, 3),
                    _ => random.between(5, MAX_ITEMS),
                };
                // Some come when the faults are over: the way must be free by itself.
                records.push((device, random.below(quiet_from_ms + 10_000), items));
            }
        }
        Self {
            devices,
            key_length: match random.below(10) {
                0..=8 => 0,
                _ => 1 + random.place(2),
            },
            quiet_from_ms,
            rates,
            blows,
            records,
            latency_ms: match random.below(10) {
                0..=5 => 30,
                6..=7 => 300,
                _ => 1_500,
            },
            cached_keys: 1 + random.place(3),
            item_ms: if random.chance(800) { 300 } else { 4_000 },
        }
    }
}
