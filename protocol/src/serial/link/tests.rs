//! Two ends over a line that loses, changes and repeats bytes, in simulated time.

mod lives;

use super::*;
use crate::serial::WINDOW_BYTES;
use alloc::{collections::VecDeque, vec, vec::Vec};
use proptest::prelude::*;

/// Bytes handed to the line at once.
const BATCH_BYTES: usize = 4096;

/// Reproducible randomness of the line.
struct Dice(u64);

impl Dice {
    /// A number below `sides`.
    fn roll(&mut self, sides: u64) -> u64 {
        // SplitMix64 (Steele, Lea, Flood 2014).
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }
}

/// One fault in so many bytes; 0 for none.
#[derive(Clone, Copy, Debug)]
struct FaultRate(u64);

fn carry(line: &[u8], rate: FaultRate, dice: &mut Dice) -> Vec<u8> {
    if rate.0 == 0 {
        return line.to_vec();
    }
    let mut out = Vec::with_capacity(line.len());
    for (at, &byte) in line.iter().enumerate() {
        if dice.roll(rate.0) > 0 {
            out.push(byte);
            continue;
        }
        match dice.roll(5) {
            0 => {}
            1 => out.push(byte ^ (1 << dice.roll(8))),
            2 => out.extend([byte, u8::try_from(dice.roll(256)).unwrap()]),
            // The last stretch again.
            3 => out.extend_from_slice(&line[at.saturating_sub(1500)..=at]),
            // A whole stretch is gone.
            _ => out.truncate(out.len().saturating_sub(1500)),
        }
    }
    out
}

/// One end with what it has yet to say and what it has heard.
struct End {
    link: Link,
    to_say: VecDeque<u8>,
    heard: Vec<u8>,
    /// Everything it ever put on the line.
    said: Vec<u8>,
}

impl End {
    fn new(epoch: u32, now: Duration) -> Self {
        Self {
            link: Link::new(Epoch::from_random(epoch), now),
            to_say: VecDeque::new(),
            heard: Vec::new(),
            said: Vec::new(),
        }
    }

    /// Writes and reads what is possible; `appetite` bounds what is read.
    fn act(&mut self, now: Duration, appetite: usize) -> Vec<u8> {
        if self.link.state() == LinkState::Up {
            let taken = self.link.send(self.to_say.make_contiguous());
            self.to_say.drain(..taken);
        }
        let mut buffer = vec![0; appetite];
        let len = self.link.read(&mut buffer);
        self.heard.extend_from_slice(&buffer[..len]);
        let mut line = Vec::new();
        self.link.transmit(now, BATCH_BYTES, &mut line);
        assert!(line.len() < BATCH_BYTES + MAX_FRAME_BYTES);
        assert!(self.link.deadline().is_none_or(|at| at > now), "{:?}", self.link);
        self.said.extend_from_slice(&line);
        line
    }

    fn is_done(&self) -> bool {
        self.to_say.is_empty() && self.link.is_drained()
    }
}

struct World {
    a: End,
    b: End,
    now: Duration,
    rate: FaultRate,
    dice: Dice,
    appetite: usize,
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            a: End::new(11, Duration::ZERO),
            b: End::new(22, Duration::ZERO),
            now: Duration::ZERO,
            rate: FaultRate(0),
            dice: Dice(seed),
            appetite: 1 << 20,
        }
    }

    fn since(&self, then: Duration) -> Duration {
        self.now.saturating_sub(then)
    }

    /// One turn of both ends; time goes on by a millisecond, or to the next deadline when nothing moved.
    fn turn(&mut self) {
        let from_a = carry(&self.a.act(self.now, self.appetite), self.rate, &mut self.dice);
        let from_b = carry(&self.b.act(self.now, self.appetite), self.rate, &mut self.dice);
        let moved = !from_a.is_empty() || !from_b.is_empty();
        self.now += Duration::from_millis(1);
        self.b.link.receive(self.now, &from_a);
        self.a.link.receive(self.now, &from_b);
        if !moved {
            let next = [self.a.link.deadline(), self.b.link.deadline()]
                .into_iter()
                .flatten()
                .min();
            self.now = self.now.max(next.unwrap_or(self.now));
        }
    }

    fn turns_until(&mut self, most: usize, is_over: impl Fn(&Self) -> bool) {
        for _ in 0..most {
            if is_over(self) {
                return;
            }
            self.turn();
        }
        panic!(
            "not over after {most} turns: {:?} and {:?}",
            self.a.link, self.b.link
        );
    }

    fn up(seed: u64) -> Self {
        let mut world = Self::new(seed);
        let is_up = |end: &End| end.link.state() == LinkState::Up;
        world.turns_until(20, |world| is_up(&world.a) && is_up(&world.b));
        // The first credit in both directions.
        world.turn();
        world.turn();
        world
    }
}

fn text(len: usize, seed: u64) -> Vec<u8> {
    let mut dice = Dice(seed);
    // Many zeros, so that stuffing has work.
    (0..len)
        .map(|_| u8::try_from(dice.roll(400).saturating_sub(144)).unwrap())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn both_streams_arrive_whole_whatever_the_line_does(
        seed in any::<u64>(),
        lens in (0_usize..200_000, 0_usize..200_000),
        rate in prop_oneof![Just(0_u64), 1_000_u64..100_000],
        appetite in 500_usize..100_000,
    ) {
        let mut world = World::up(seed);
        let (from_a, from_b) = (text(lens.0, seed), text(lens.1, !seed));
        world.a.to_say.extend(&from_a);
        world.b.to_say.extend(&from_b);
        world.rate = FaultRate(rate);
        world.appetite = appetite;
        for _ in 0..300 {
            world.turn();
            // Up to here, a beginning of what was said, and never more than a window kept.
            prop_assert!(from_a.starts_with(&world.b.heard));
            prop_assert!(from_b.starts_with(&world.a.heard));
            prop_assert!(world.a.link.available() <= WINDOW_BYTES && world.b.link.available() <= WINDOW_BYTES);
        }
        // The faults stop, and nothing is stuck.
        world.rate = FaultRate(0);
        world.turns_until(5_000, |world| world.a.is_done() && world.b.is_done()
            && world.a.link.available() + world.b.link.available() == 0);
        prop_assert_eq!(&world.b.heard, &from_a);
        prop_assert_eq!(&world.a.heard, &from_b);
        prop_assert_eq!(world.a.link.state(), LinkState::Up);
    }

    #[test]
    fn no_bytes_break_a_link(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..3000), 0..20)) {
        let mut world = World::up(1);
        for piece in pieces {
            world.a.link.receive(world.now, &piece);
            world.turn();
        }
        prop_assert_eq!(world.a.link.state(), LinkState::Up);
        prop_assert!(world.a.heard.is_empty());
    }

    #[test]
    fn no_peer_makes_a_link_panic_or_keep_more_than_its_window(
        frames in proptest::collection::vec(
            (0_u8..6, any::<(bool, bool, Option<u8>)>(), edges(), edges(), 1_usize..=MAX_PAYLOAD_BYTES), 0..200),
    ) {
        let mut world = World::up(1);
        world.a.to_say.extend(text(100_000, 1));
        for (kind, (from, to, gap), x, y, len) in frames {
            let payload = vec![7; len];
            let body = match kind {
                0 | 1 => Body::Data { offset: x, round: 0, payload: &payload },
                2 | 3 => Body::Ack { received: x, limit: y, gap },
                4 => Body::Ping,
                _ => Body::Hello { version: LINK_VERSION },
            };
            let pick = |own: bool| Epoch::from_random(if own { 22 } else { 11 });
            let frame = Frame { from: pick(from), to: Some(pick(!to)), body };
            let mut line = Vec::new();
            frame::encode(&frame, &mut line);
            world.a.link.receive(world.now, &line);
            world.a.act(world.now, 10);
            world.now += Duration::from_millis(30);
            prop_assert!(world.a.link.available() <= WINDOW_BYTES);
        }
    }
}

/// Offsets at which something may go wrong.
fn edges() -> impl Strategy<Value = u64> {
    prop_oneof![
        0_u64..3000,
        Just(WINDOW_BYTES as u64),
        (0_u64..3000).prop_map(|back| u64::MAX - back)
    ]
}

#[test]
fn a_clean_line_carries_little_more_than_the_stream() {
    let mut world = World::up(1);
    let words = text(1 << 20, 3);
    world.a.to_say.extend(&words);
    let before = world.a.said.len();
    world.turns_until(2_000, |world| world.a.is_done());
    assert_eq!(world.b.heard, words);
    assert_eq!(world.a.link.faults(), Faults::default());
    let carried = world.a.said.len() - before;
    assert!(carried < words.len() + words.len() / 40, "{carried}");
}

#[test]
fn a_loss_in_the_middle_costs_one_turn_and_not_a_time_limit() {
    let mut world = World::up(1);
    let words = text(40_000, 3);
    world.a.to_say.extend(&words);
    let lost = world.a.act(world.now, 0);
    assert!(lost.len() > 3_000);
    let began = world.now;
    world.turns_until(100, |world| world.a.is_done());
    assert_eq!(world.b.heard, words);
    assert!(
        world.since(began) < Duration::from_millis(60),
        "{:?}",
        world.since(began)
    );
    // What was lost, and what was sent before the news of it came.
    assert!(
        world.a.link.faults().resent_bytes < 4 * BATCH_BYTES as u64,
        "{:?}",
        world.a.link.faults()
    );
}

#[test]
fn a_piece_that_is_lost_again_and_again_costs_no_time_limit_either() {
    let mut world = World::up(1);
    let words = text(40_000, 3);
    world.a.to_say.extend(&words);
    let began = world.now;
    for _ in 0..5 {
        let _lost = world.a.act(world.now, 0);
        // What follows it arrives and tells.
        world.turn();
        world.turn();
        world.turn();
    }
    world.turns_until(100, |world| world.a.is_done());
    assert_eq!(world.b.heard, words);
    assert!(
        world.since(began) < Duration::from_millis(80),
        "{:?}",
        world.since(began)
    );
}

#[test]
fn a_bad_line_still_moves() {
    let mut world = World::up(1);
    let words = text(1 << 20, 3);
    world.a.to_say.extend(&words);
    // A fifth of all frames.
    world.rate = FaultRate(5_000);
    let began = world.now;
    world.turns_until(100_000, |world| world.a.is_done());
    assert_eq!(world.b.heard, words);
    // The line alone takes a quarter of a second.
    assert!(
        world.since(began) < Duration::from_secs(2),
        "{:?}",
        world.since(began)
    );
}

#[test]
fn the_slowest_line_carries_both_streams_without_repeats() {
    // 115,200 baud and the system's buffer before it, which an end fills as fast as it can.
    const BYTES_PER_MS: usize = 11;
    const SYSTEM_BUFFER_BYTES: usize = 4096;
    let mut world = World::up(1);
    let words = text(60_000, 3);
    world.a.to_say.extend(&words);
    world.b.to_say.extend(&words);
    let (mut from_a, mut from_b) = (VecDeque::new(), VecDeque::new());
    let began = world.now;
    while !(world.a.is_done() && world.b.is_done()) {
        world.now += Duration::from_millis(1);
        let now = world.now;
        let carry = |line: &mut VecDeque<u8>, from: &mut End, to: &mut End| {
            if line.len() < SYSTEM_BUFFER_BYTES {
                line.extend(from.act(now, 1 << 20));
            }
            let arrived: Vec<u8> = line.drain(..BYTES_PER_MS.min(line.len())).collect();
            to.link.receive(now, &arrived);
        };
        carry(&mut from_a, &mut world.a, &mut world.b);
        carry(&mut from_b, &mut world.b, &mut world.a);
        assert!(world.since(began) < Duration::from_secs(20), "too slow");
    }
    world.turn();
    assert_eq!((&world.a.heard, &world.b.heard), (&words, &words));
    assert_eq!(world.a.link.faults(), Faults::default());
    assert_eq!(world.b.link.faults(), Faults::default());
    // 60,000 bytes at that speed are 5.5 s.
    assert!(
        world.since(began) < Duration::from_secs(8),
        "{:?}",
        world.since(began)
    );
}

#[test]
fn a_reader_that_stops_stops_the_sender_and_loses_nothing() {
    let mut world = World::up(1);
    let words = text(4 * WINDOW_BYTES, 3);
    world.a.to_say.extend(&words);
    world.appetite = 0;
    for _ in 0..2_000 {
        world.turn();
    }
    assert_eq!(world.b.link.available(), WINDOW_BYTES);
    assert_eq!(world.a.to_say.len(), words.len() - 2 * WINDOW_BYTES);
    // Asking for credit is no resending, and keeps the link up.
    assert_eq!(world.a.link.faults().resent_bytes, 0);
    assert_eq!(world.a.link.state(), LinkState::Up);
    world.appetite = 5_000;
    world.turns_until(2_000, |world| world.b.heard.len() == words.len());
    assert_eq!(world.b.heard, words);
}

#[test]
fn lost_credit_is_asked_for_again() {
    let mut world = World::up(1);
    let words = text(3 * WINDOW_BYTES, 3);
    world.a.to_say.extend(&words);
    world.appetite = 0;
    for _ in 0..100 {
        world.turn();
    }
    // The reader reads everything, and its one word of it is lost.
    let lost = world.b.act(world.now, 1 << 20);
    assert!(!lost.is_empty());
    world.appetite = 1 << 20;
    let began = world.now;
    world.turns_until(200, |world| world.b.heard.len() == words.len());
    assert!(world.since(began) <= Duration::from_secs(4));
    assert_eq!(world.b.heard, words);
}

fn line(from: u32, to: u32, body: Body<'_>) -> Vec<u8> {
    let (from, to) = (Epoch::from_random(from), Some(Epoch::from_random(to)));
    let mut line = Vec::new();
    frame::encode(&Frame { from, to, body }, &mut line);
    line
}

#[test]
fn what_has_no_credit_is_neither_kept_nor_acknowledged() {
    let mut world = World::up(1);
    let payload = &[7; MAX_PAYLOAD_BYTES][..];
    for offset in (0..2 * WINDOW_BYTES as u64).step_by(MAX_PAYLOAD_BYTES) {
        let data = Body::Data {
            offset,
            round: 0,
            payload,
        };
        world.a.link.receive(world.now, &line(22, 11, data));
    }
    assert_eq!(world.a.link.available(), WINDOW_BYTES);
    let said = world.a.act(world.now, 0);
    let (mut said, mut decoder) = (&said[..], Decoder::default());
    let Some(Ok(Frame {
        body: Body::Ack { received, limit, .. },
        ..
    })) = decoder.feed(&mut said)
    else {
        panic!("an acknowledgement comes first");
    };
    assert_eq!((received, limit), (WINDOW_BYTES as u64, WINDOW_BYTES as u64));
}
