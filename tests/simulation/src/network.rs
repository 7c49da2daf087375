//! Carriers and broker: every message meets a fate, and whoever is cut off hears of it.
//!
//! Without a fault messages keep their order. Envelopes are looked into only as far as anybody on the way
//! could: header, kind, signature.

use std::{rc::Rc, time::Duration};

use obscura_gate::ports::Event as GateEvent;
use obscura_link::application::Event as LinkEvent;
use obscura_local::agent::OfflineCause;
use obscura_protocol::{
    envelope::Header,
    identity::{SessionId, Signature},
};

use crate::{
    counts::Count,
    invariant::Invariant,
    random::Random,
    world::{Happening, World},
};

/// Longest time after which a message is repeated.
const REPLAY_MS: u64 = 120_000;

/// A message on its way.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    up: bool,
    /// The device on whose topic it comes out.
    device: usize,
    bytes: Rc<Vec<u8>>,
    /// The broker's life it belongs to; a repeated message belongs to none.
    broker: Option<u64>,
    /// Its bytes and its topic are those it was sent with.
    honest: bool,
}

/// The broker and what lies between it and the others.
#[derive(Debug, Default)]
pub(crate) struct Network {
    pub(crate) broker_up: bool,
    broker_life: u64,
    /// Per direction and device: when the message before arrives.
    last: Vec<[u64; 2]>,
}

impl Network {
    /// A broker that runs, with room for `devices`.
    pub(crate) fn new(devices: usize) -> Self {
        Self {
            broker_up: true,
            broker_life: 0,
            last: vec![[0; 2]; devices],
        }
    }
}

/// What can be seen of an envelope without a key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peek {
    pub(crate) in_session: bool,
    pub(crate) kind: &'static str,
    /// The last bytes of the signature, which depend on every other one.
    pub(crate) tail: u64,
}

/// Looks into an envelope; `None` when it is none.
pub(crate) fn peek(bytes: &[u8], up: bool) -> Option<Peek> {
    const UP: [&str; 8] = [
        "Hello",
        "KeyStatus",
        "Offer",
        "Chunk",
        "Submit",
        "Item",
        "Cancel",
        "Goodbye",
    ];
    const DOWN: [&str; 8] = [
        "Welcome", "KeyState", "Want", "Stored", "Accepted", "Progress", "Answer", "Refused",
    ];
    let (signed, rest) = postcard::take_from_bytes::<&[u8]>(bytes).ok()?;
    let (signature, _) = postcard::take_from_bytes::<Signature>(rest).ok()?;
    let (header, rest) = postcard::take_from_bytes::<Header>(signed).ok()?;
    let (payload, _) = postcard::take_from_bytes::<&[u8]>(rest).ok()?;
    let names = if up { UP } else { DOWN };
    let mut tail = [0; 8];
    tail.copy_from_slice(&signature.to_bytes()[56..]);
    Some(Peek {
        in_session: header.session != SessionId::NONE,
        kind: names.get(usize::from(*payload.first()?))?,
        // The top bits of a signature's last byte are always zero.
        tail: u64::from_le_bytes(tail),
    })
}

impl World {
    /// Puts a message on its way, if there is one.
    pub(crate) fn send(&mut self, up: bool, device: usize, bytes: Vec<u8>) {
        let seen = peek(&bytes, up);
        let (kind, tail) = seen.map_or(("?", 0), |seen| (seen.kind, seen.tail));
        self.note(if up { device + 1 } else { 0 }, "sends", kind, tail);
        self.counts.one(Count::Messages);
        if kind == "Chunk" {
            self.counts.one(Count::Chunks);
        }
        let connected = if up {
            self.devices[device].connected
        } else {
            self.gate.connected
        };
        if !connected {
            self.lost(device, kind);
            return;
        }
        let frame = Frame {
            up,
            device,
            bytes: Rc::new(bytes),
            broker: Some(self.network.broker_life),
            honest: true,
        };
        self.copies(&frame);
        let deaf = !up && device == 0 && self.fails(|rates| rates.deaf);
        if deaf || self.fails(|rates| rates.lose) {
            self.lost(device, kind);
        } else if self.fails(|rates| rates.alter) {
            self.counts.one(Count::MessagesAltered);
            let bytes = Rc::new(altered(&frame.bytes, &mut self.random));
            let honest = bytes == frame.bytes;
            self.deliver(Frame {
                bytes,
                honest,
                ..frame
            });
        } else {
            self.deliver(frame);
        }
    }

    /// Further copies of a message: again soon, again much later, on a foreign topic.
    fn copies(&mut self, frame: &Frame) {
        if self.fails(|rates| rates.duplicate) {
            self.counts.one(Count::MessagesDuplicated);
            let at = self.now + self.random.between(1, 3_000);
            self.deliver_at(at, frame.clone());
        }
        if self.fails(|rates| rates.replay) {
            self.counts.one(Count::MessagesReplayed);
            let at = self.now + self.random.between(1_000, REPLAY_MS);
            let again = Frame {
                broker: None,
                ..frame.clone()
            };
            self.deliver_at(at, again);
        }
        if self.fails(|rates| rates.misdeliver) {
            self.counts.one(Count::MessagesMisdelivered);
            let other = (frame.device + self.random.place(self.devices.len() - 1) + 1) % self.devices.len();
            let at = self.now + self.random.between(1, 1_000);
            let foreign = Frame {
                device: other,
                honest: false,
                ..frame.clone()
            };
            self.deliver_at(at, foreign);
        }
    }

    fn deliver(&mut self, frame: Frame) {
        let mut at = self.now + self.random.between(1, self.plan.latency_ms);
        if self.fails(|rates| rates.reorder) {
            self.counts.one(Count::MessagesReordered);
            let longest = if self.random.chance(200) { 40_000 } else { 2_000 };
            at += self.random.below(longest);
        } else {
            let last = &mut self.network.last[frame.device][usize::from(frame.up)];
            at = at.max(*last);
            *last = at;
        }
        self.deliver_at(at, frame);
    }

    /// What a fault held up is out before the faults stop.
    fn deliver_at(&mut self, at: u64, frame: Frame) {
        let latest = self.plan.quiet_from_ms.max(self.now + self.plan.latency_ms);
        self.at(at.min(latest), Happening::Frame(frame));
    }

    fn lost(&mut self, device: usize, kind: &'static str) {
        self.counts.one(Count::MessagesLost);
        self.note(device + 1, "loses", kind, 0);
    }

    /// A message comes out.
    pub(crate) fn arrive(&mut self, frame: Frame) {
        let Frame {
            up,
            device,
            bytes,
            broker,
            honest,
        } = frame;
        let same_broker = broker.is_none_or(|life| life == self.network.broker_life);
        let there = if up {
            self.gate.connected
        } else {
            self.devices[device].connected
        };
        let seen = peek(&bytes, up);
        let (kind, tail) = seen.map_or(("?", 0), |seen| (seen.kind, seen.tail));
        if !same_broker || !there {
            self.lost(device, kind);
            return;
        }
        self.note(if up { 0 } else { device + 1 }, "receives", kind, tail);
        let taken = if up {
            let device = self.devices[device].name.clone();
            let bytes = bytes.to_vec();
            self.gate_takes(GateEvent::Received { device, bytes })
        } else {
            self.link(device, LinkEvent::Frame(bytes.to_vec()))
        };
        if !taken {
            return;
        }
        if !honest {
            self.broke(Invariant::AlteredRefused);
        }
        if seen.is_some_and(|seen| seen.in_session) {
            let before = if up {
                &mut self.gate.taken
            } else {
                &mut self.devices[device].taken
            };
            if !before.insert(tail) {
                self.broke(Invariant::ReplayRefused);
            }
        }
    }

    /// A device loses its way to the broker.
    pub(crate) fn cut(&mut self, device: usize) {
        if self.devices[device].connected {
            self.devices[device].connected = false;
            self.note(device + 1, "is cut off", "", 0);
            let down = LinkEvent::Down {
                cause: OfflineCause::Closed,
                retry_in: Duration::from_secs(1),
            };
            self.link(device, down);
        }
    }

    /// A device gets through to the broker, if both are there.
    pub(crate) fn connects(&mut self, device: usize) {
        let own = &mut self.devices[device];
        if own.process.is_some() && self.network.broker_up && !own.cut && !own.connected {
            own.connected = true;
            self.note(device + 1, "connects", "", 0);
            self.link(device, LinkEvent::Up);
        }
    }

    /// The gate gets through to the broker, if both are there.
    pub(crate) fn gate_connects(&mut self) {
        if self.gate.process.is_some() && self.network.broker_up && !self.gate.connected {
            self.gate.connected = true;
            self.note(0, "connects", "", 0);
            self.gate_takes(GateEvent::CarrierUp);
        }
    }

    /// The broker dies with everything that was on its way, and comes back.
    pub(crate) fn broker_dies(&mut self) {
        self.note(0, "loses its broker", "", 0);
        self.network.broker_up = false;
        self.network.broker_life += 1;
        for device in 0..self.devices.len() {
            self.cut(device);
        }
        if self.gate.connected {
            self.gate.connected = false;
            self.gate_takes(GateEvent::CarrierDown);
        }
        let back = self.now + self.random.between(500, 15_000);
        self.at(back, Happening::BrokerUp);
    }

    /// Everybody finds the broker again, in any order.
    pub(crate) fn broker_comes_back(&mut self) {
        self.network.broker_up = true;
        for device in 0..self.devices.len() {
            let at = self.now + self.random.between(10, 3_000);
            self.at(at, Happening::Connects(device));
        }
        let at = self.now + self.random.between(10, 3_000);
        self.at(at, Happening::GateConnects);
    }
}

/// The bytes with a bit turned, cut short, made longer, or overwritten in part.
fn altered(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let at = random.place(bytes.len());
    match random.below(6) {
        0 => bytes.truncate(at),
        1 => bytes.extend(random.bytes(1 + at % 9)),
        2 => {
            let end = (at + 8).min(bytes.len());
            let noise = random.bytes(end - at);
            bytes[at..end].copy_from_slice(&noise);
        }
        _ => bytes[at] ^= 1 << random.below(8),
    }
    bytes
}
