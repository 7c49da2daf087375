//! What a seed stands for: the carrier, the records, the state before, and the faults with their moments.
//!
//! Knows nothing of how a fault is brought about.

use std::fmt;

use crate::random::Random;

/// The way between the device and the box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// MQTT, both connections through proxies.
    Mqtt,
    /// A serial cable between two pseudo-terminals.
    Cable,
}

/// What box and device have of each other when a round begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// As the round before left it: the box has the device's evaluation keys.
    Kept,
    /// The device had the box forget its keys: they are sent again.
    Revoked,
    /// The box lost the folder of its stored keys while it was off.
    StoreLost,
    /// A device without vault, keys and journal, and a box that never met it.
    Fresh,
}

/// One of the two connections to the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Between device and broker.
    Device,
    /// Between box and broker.
    Box,
}

/// Who is killed with SIGKILL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Victim {
    /// The box's launcher; its three processes have to go by themselves.
    Launcher,
    /// The box's launcher and its three processes at once, as a power cut would.
    WholeBox,
    /// The process that faces the network.
    Gate,
    /// The process that evaluates.
    Compute,
    /// The process that signs receipts.
    Trust,
    /// The three processes of the agent at once.
    Agent,
    /// The command line alone.
    CommandLine,
    /// The vault alone.
    Vault,
    /// The link alone.
    Link,
}

/// What is done to the bytes on a cable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noise {
    /// Single bits change.
    Flips,
    /// Runs of bytes are cut out.
    Truncation,
    /// Runs of bytes come twice.
    Duplication,
    /// Bytes nobody sent.
    Garbage,
    /// All of it.
    Everything,
}

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The broker is killed and started again, with or without what it had stored.
    Broker {
        /// Whether its database is removed before it starts again.
        database_removed: bool,
    },
    /// Every connection of one side ends: in order (FIN) or at once (RST).
    Cut {
        /// Which connection.
        side: Side,
        /// Whether it is reset.
        reset: bool,
    },
    /// Nothing passes and nothing ends.
    Freeze {
        /// Which connection.
        side: Side,
    },
    /// Connections that are there end, new ones are closed at once.
    Refuse {
        /// Which connection.
        side: Side,
    },
    /// Bytes pass at a low rate.
    Slow {
        /// Which connection.
        side: Side,
        /// How many.
        bytes_per_s: u64,
    },
    /// Every piece passes late.
    Delay {
        /// Which connection.
        side: Side,
        /// How late.
        by_ms: u64,
    },
    /// The cable is pulled: both terminals are gone.
    Unplug,
    /// The cable carries nothing and takes nothing.
    Hang,
    /// The cable damages what it carries.
    Noise {
        /// How.
        noise: Noise,
        /// Once in so many bytes.
        one_in: u64,
    },
    /// SIGKILL.
    Kill(Victim),
}

impl Fault {
    /// Its name in the report.
    pub fn name(self) -> &'static str {
        let of = |side, device, boxed| match side {
            Side::Device => device,
            Side::Box => boxed,
        };
        match self {
            Self::Broker {
                database_removed: false,
            } => "broker_killed",
            Self::Broker {
                database_removed: true,
            } => "broker_killed_database_removed",
            Self::Cut { side, reset: false } => of(side, "device_cut_fin", "box_cut_fin"),
            Self::Cut { side, reset: true } => of(side, "device_cut_rst", "box_cut_rst"),
            Self::Freeze { side } => of(side, "device_frozen", "box_frozen"),
            Self::Refuse { side } => of(side, "device_refused", "box_refused"),
            Self::Slow { side, .. } => of(side, "device_slow", "box_slow"),
            Self::Delay { side, .. } => of(side, "device_delayed", "box_delayed"),
            Self::Unplug => "cable_unplugged",
            Self::Hang => "cable_hangs",
            Self::Noise { noise, .. } => match noise {
                Noise::Flips => "cable_bit_flips",
                Noise::Truncation => "cable_truncation",
                Noise::Duplication => "cable_duplication",
                Noise::Garbage => "cable_garbage",
                Noise::Everything => "cable_all_noise",
            },
            Self::Kill(victim) => match victim {
                Victim::Launcher => "launcher_killed",
                Victim::WholeBox => "whole_box_killed",
                Victim::Gate => "gate_killed",
                Victim::Compute => "compute_killed",
                Victim::Trust => "trust_killed",
                Victim::Agent => "agent_killed",
                Victim::CommandLine => "command_line_killed",
                Victim::Vault => "vault_killed",
                Victim::Link => "link_killed",
            },
        }
    }
}

/// When a fault begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// So long after the round began.
    At {
        /// Milliseconds.
        ms: u64,
    },
    /// So long after the upload of keys began; never when the box has them.
    Upload {
        /// Milliseconds.
        then_ms: u64,
    },
    /// So long after the device kept its first record.
    Ticket {
        /// Milliseconds.
        then_ms: u64,
    },
    /// So long after so many results were shown.
    Results {
        /// How many.
        count: usize,
        /// Milliseconds.
        then_ms: u64,
    },
}

/// A fault, when it begins and how long it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// What.
    pub fault: Fault,
    /// When.
    pub moment: Moment,
    /// How long, milliseconds: until the broker is started again, the cable is back, and so on.
    pub lasts_ms: u64,
}

impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.fault.name();
        match self.moment {
            Moment::At { ms } => write!(f, "{name} at {ms} ms"),
            Moment::Upload { then_ms } => write!(f, "{name} at upload+{then_ms} ms"),
            Moment::Ticket { then_ms } => write!(f, "{name} at ticket+{then_ms} ms"),
            Moment::Results { count, then_ms } => write!(f, "{name} at result {count}+{then_ms} ms"),
        }
    }
}

/// What the agent is given in a round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Subject {
    /// Records, one item each.
    #[default]
    Records,
    /// One image of 49 items.
    Image,
}

/// One round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Where it comes from.
    pub seed: u64,
    /// What is given.
    pub subject: Subject,
    /// The way.
    pub carrier: Carrier,
    /// The state before.
    pub before: Before,
    /// Places of the records in the file of test records; for an image one place that means nothing.
    pub records: Vec<usize>,
    /// The faults; the order means nothing.
    pub faults: Vec<Planned>,
}

/// Records of the file.
const TEST_RECORDS: usize = 400;

impl Plan {
    /// The round of records that belongs to `seed`.
    pub fn draw(seed: u64) -> Self {
        Self::draw_of(Subject::Records, seed)
    }

    /// The round with this subject that belongs to `seed`.
    pub fn draw_of(subject: Subject, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let carrier = if random.chance(65) {
            Carrier::Mqtt
        } else {
            Carrier::Cable
        };
        let before = match random.between(0, 99) {
            0..25 => Before::Kept,
            25..60 => Before::Revoked,
            60..80 => Before::StoreLost,
            _ => Before::Fresh,
        };
        let count = match subject {
            Subject::Records => random.between(3, 10),
            Subject::Image => 1,
        };
        let records = (0..count).map(|_| random.place(TEST_RECORDS)).collect();
        let faults = (0..random.between(1, 3))
            .map(|_| planned(&mut random, subject, (carrier, before), count))
            .collect();
        Self {
            seed,
            subject,
            carrier,
            before,
            records,
            faults,
        }
    }
}

fn planned(
    random: &mut Random,
    subject: Subject,
    (carrier, before): (Carrier, Before),
    records: u64,
) -> Planned {
    let fault = match (random.chance(55), carrier) {
        (true, _) => Fault::Kill(victim(random)),
        (false, Carrier::Mqtt) => network(random),
        (false, Carrier::Cable) => cable(random),
    };
    // What a round takes without faults: measured, see the README.
    let usual_ms = match before {
        Before::Kept => 1_500,
        Before::Revoked | Before::StoreLost => 4_000,
        Before::Fresh => 6_000,
    };
    let usual_ms = match subject {
        Subject::Records => usual_ms,
        Subject::Image => usual_ms + 15_000,
    };
    let moment = match random.between(0, 9) {
        0..3 if before != Before::Kept => Moment::Upload {
            then_ms: random.between(0, 2_000),
        },
        3..5 => Moment::Ticket {
            then_ms: random.between(0, 400),
        },
        5..7 => Moment::Results {
            count: usize::try_from(random.between(1, records)).unwrap_or(1),
            then_ms: random.between(0, 3) * 10,
        },
        _ => Moment::At {
            ms: random.between(0, usual_ms),
        },
    };
    let lasts_ms = match fault {
        Fault::Noise { .. } | Fault::Slow { .. } | Fault::Delay { .. } => random.between(500, 4_000),
        Fault::Freeze { .. } | Fault::Hang => random.between(200, 3_000),
        _ => random.between(0, 1_200),
    };
    Planned {
        fault,
        moment,
        lasts_ms,
    }
}

fn victim(random: &mut Random) -> Victim {
    const VICTIMS: [Victim; 11] = [
        Victim::Launcher,
        Victim::WholeBox,
        Victim::Gate,
        Victim::Compute,
        Victim::Trust,
        // The agent's journal and vault are what a result hangs on, so they are tried most.
        Victim::Agent,
        Victim::Agent,
        Victim::Agent,
        Victim::CommandLine,
        Victim::Vault,
        Victim::Link,
    ];
    VICTIMS[random.place(VICTIMS.len())]
}

fn network(random: &mut Random) -> Fault {
    let side = if random.chance(60) {
        Side::Device
    } else {
        Side::Box
    };
    match random.between(0, 8) {
        0..2 => Fault::Broker {
            database_removed: false,
        },
        2..4 => Fault::Broker {
            database_removed: true,
        },
        4 => Fault::Cut { side, reset: false },
        5 => Fault::Cut { side, reset: true },
        6 => Fault::Freeze { side },
        7 => Fault::Refuse { side },
        _ if random.chance(50) => Fault::Slow {
            side,
            bytes_per_s: random.between(1, 20) * 100_000,
        },
        _ => Fault::Delay {
            side,
            by_ms: random.between(5, 300),
        },
    }
}

fn cable(random: &mut Random) -> Fault {
    const NOISES: [Noise; 5] = [
        Noise::Flips,
        Noise::Truncation,
        Noise::Duplication,
        Noise::Garbage,
        Noise::Everything,
    ];
    match random.between(0, 8) {
        0..3 => Fault::Unplug,
        3 => Fault::Hang,
        _ => Fault::Noise {
            noise: NOISES[random.place(NOISES.len())],
            one_in: random.between(5, 500) * 1_000,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_seed_is_a_plan_and_two_hundred_of_them_hold_every_fault() {
        assert_eq!(Plan::draw(17), Plan::draw(17));
        let plans: Vec<Plan> = (0..200).map(Plan::draw).collect();
        let named: BTreeSet<&str> = plans
            .iter()
            .flat_map(|plan| plan.faults.iter().map(|planned| planned.fault.name()))
            .collect();
        assert_eq!(named.len(), 30, "{named:?}");
        assert!(plans.iter().all(|plan| (3..=10).contains(&plan.records.len())));
        assert!(plans.iter().any(|plan| plan.carrier == Carrier::Cable));
        assert!(plans.iter().any(|plan| plan.before == Before::Fresh));
    }
}
