//! The two directions of a link: what is sent and not yet acknowledged, what is received and not yet read.
//!
//! Offsets count the bytes of a stream from its start in 64 bits and never wrap. Lost bytes are sent again
//! from the first missing one on (go-back-N): a wire keeps its order, so a gap is a loss, and the receiver
//! needs no memory for what lies behind one.

use alloc::{collections::VecDeque, vec::Vec};
use core::time::Duration;

use super::{WINDOW_BYTES, frame::MAX_PAYLOAD_BYTES};

/// Longest wait for an acknowledgement before anything was measured.
const FIRST_TIMEOUT: Duration = Duration::from_secs(2);
/// Shortest wait: acknowledgements are not sooner than the scheduler of a busy machine.
const LEAST_TIMEOUT: Duration = Duration::from_millis(100);
/// Longest wait: shorter than what makes a silent end a dead one.
const MOST_TIMEOUT: Duration = Duration::from_secs(4);
/// What the reader must have freed before the sender is told: no frame for a few bytes.
const CREDIT_STEP_BYTES: u64 = WINDOW_BYTES as u64 / 4;

/// The sending direction.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    /// Invariant: the stream from `acked` on, at most one window.
    buffer: VecDeque<u8>,
    /// Everything before it has arrived.
    acked: u64,
    /// The next byte to send. Invariant: `acked <= next <= highest <= acked + buffer.len()`.
    next: u64,
    /// Everything before it was sent at least once.
    highest: u64,
    /// Credit: the other end takes bytes before it.
    limit: u64,
    /// Counts how often it went back, modulo 256. A gap seen before bytes of this round is one that going
    /// back has not closed; one seen before bytes of an earlier round is old news.
    round: u8,
    /// The end of a piece sent once only, and when it was sent.
    timed: Option<(u64, Duration)>,
    timeout: Timeout,
    /// When what is under way counts as lost, or credit is asked for.
    alarm: Option<Duration>,
    resent_bytes: u64,
}

/// What an alarm asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alarm {
    /// Nothing.
    None,
    /// Unacknowledged bytes are sent again.
    Resend,
    /// There is no credit: ask whether there is some now.
    Probe,
}

impl Outgoing {
    /// Takes bytes into the stream, as many as fit.
    pub(super) fn push(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(self.room());
        self.buffer.extend(&bytes[..taken]);
        taken
    }

    pub(super) fn room(&self) -> usize {
        WINDOW_BYTES - self.buffer.len()
    }

    /// Whether the other end has everything.
    pub(super) fn is_drained(&self) -> bool {
        self.buffer.is_empty()
    }

    pub(super) fn resent_bytes(&self) -> u64 {
        self.resent_bytes
    }

    fn end(&self) -> u64 {
        self.acked + self.buffer.len() as u64
    }

    /// The next piece to send: its offset and round, and its bytes appended to `into`.
    pub(super) fn segment(&mut self, now: Duration, into: &mut Vec<u8>) -> Option<(u64, u8)> {
        let most = self.end().min(self.limit);
        if self.next >= most {
            return None;
        }
        let offset = self.next;
        let to = most.min(offset + MAX_PAYLOAD_BYTES as u64);
        let place = |at: u64| usize::try_from(at - self.acked).unwrap_or(usize::MAX);
        into.extend(self.buffer.range(place(offset)..place(to)));
        self.next = to;
        if offset < self.highest {
            self.resent_bytes += self.highest.min(to) - offset;
        } else if self.timed.is_none() {
            self.timed = Some((to, now));
        }
        self.highest = self.highest.max(to);
        self.alarm.get_or_insert_with(|| now + self.timeout.current());
        Some((offset, self.round))
    }

    /// Whether there is something to say and no credit to say it.
    fn is_blocked(&self) -> bool {
        self.next == self.acked && self.next >= self.limit && !self.buffer.is_empty()
    }

    /// When [`Self::on_time`] has something to do.
    pub(super) fn alarm(&self) -> Option<Duration> {
        self.alarm
    }

    /// Sets the alarm where blocked bytes wait without one.
    pub(super) fn arm(&mut self, now: Duration) {
        if self.is_blocked() {
            self.alarm.get_or_insert_with(|| now + self.timeout.current());
        }
    }

    pub(super) fn on_time(&mut self, now: Duration) -> Alarm {
        if self.alarm.is_none_or(|at| now < at) {
            return Alarm::None;
        }
        self.alarm = None;
        if self.is_blocked() {
            self.timeout.double();
            return Alarm::Probe;
        }
        if self.next == self.acked {
            return Alarm::None;
        }
        self.timeout.double();
        self.go_back();
        Alarm::Resend
    }

    fn go_back(&mut self) {
        self.next = self.acked;
        self.round = self.round.wrapping_add(1);
        // An acknowledgement no longer tells which of the two sendings it is for (Karn and Partridge 1987).
        self.timed = None;
        self.alarm = None;
    }

    /// Takes an acknowledgement. One of bytes that were never sent is ignored.
    pub(super) fn on_ack(&mut self, now: Duration, received: u64, limit: u64, gap: Option<u8>) {
        if received > self.highest {
            return;
        }
        if limit > self.limit {
            self.limit = limit;
            if self.next == self.acked {
                // It was set to ask for this credit.
                self.alarm = None;
            }
        }
        if received > self.acked {
            let gone = usize::try_from(received - self.acked).unwrap_or(usize::MAX);
            self.buffer.drain(..gone.min(self.buffer.len()));
            self.acked = received;
            self.next = self.next.max(received);
            self.timeout.undouble();
            if let Some((_, sent)) = self.timed.take_if(|(end, _)| *end <= received) {
                self.timeout.measure(now.saturating_sub(sent));
            }
            let under_way = self.next > self.acked;
            self.alarm = under_way.then(|| now + self.timeout.current());
        }
        if gap == Some(self.round) && received == self.acked && self.next > self.acked {
            self.go_back();
        }
    }
}

/// How long to wait for an acknowledgement (RFC 6298).
#[derive(Debug, Default)]
struct Timeout {
    /// Smoothed round trip and its variation, once measured.
    measured: Option<(Duration, Duration)>,
    doublings: u32,
}

impl Timeout {
    fn current(&self) -> Duration {
        let base = self.measured.map_or(FIRST_TIMEOUT, |(smooth, variation)| {
            (smooth + 4 * variation).max(LEAST_TIMEOUT)
        });
        base.saturating_mul(1 << self.doublings).min(MOST_TIMEOUT)
    }

    fn measure(&mut self, sample: Duration) {
        self.measured = Some(match self.measured {
            None => (sample, sample / 2),
            Some((smooth, variation)) => (
                (7 * smooth + sample) / 8,
                (3 * variation + smooth.abs_diff(sample)) / 4,
            ),
        });
    }

    /// The line carries again. (RFC 6298 waits for a measurement; on a cable nobody else needs the room.)
    fn undouble(&mut self) {
        self.doublings = 0;
    }

    fn double(&mut self) {
        self.doublings = (self.doublings + 1).min(8);
    }
}

/// The receiving direction.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    /// Invariant: received in order and not yet read, at most one window.
    buffer: VecDeque<u8>,
    /// Bytes received in order.
    received: u64,
    /// The credit last given.
    promised: u64,
    /// Later bytes than the next one arrived, of this round.
    gap: Option<u8>,
    /// An acknowledgement must be sent.
    due: bool,
}

impl Incoming {
    /// Takes a piece that starts at `offset`; what was there before, comes too early or has no credit is
    /// dropped.
    pub(super) fn on_data(&mut self, offset: u64, round: u8, payload: &[u8]) {
        self.due = true;
        if offset > self.received {
            self.gap = Some(round);
            return;
        }
        let known = usize::try_from(self.received - offset).unwrap_or(usize::MAX);
        let Some(fresh) = payload.get(known..).filter(|fresh| !fresh.is_empty()) else {
            return;
        };
        if fresh.len() > WINDOW_BYTES - self.buffer.len() {
            return;
        }
        self.buffer.extend(fresh);
        self.received += fresh.len() as u64;
        self.gap = None;
    }

    /// Moves what is there to `into`.
    pub(super) fn read(&mut self, into: &mut [u8]) -> usize {
        let len = into.len().min(self.buffer.len());
        for (place, byte) in into.iter_mut().zip(self.buffer.drain(..len)) {
            *place = byte;
        }
        if self.limit() - self.promised >= CREDIT_STEP_BYTES {
            self.due = true;
        }
        len
    }

    pub(super) fn available(&self) -> usize {
        self.buffer.len()
    }

    fn limit(&self) -> u64 {
        self.received + (WINDOW_BYTES - self.buffer.len()) as u64
    }

    /// Asks for an acknowledgement to be sent.
    pub(super) fn want_ack(&mut self) {
        self.due = true;
    }

    pub(super) fn ack_due(&self) -> bool {
        self.due
    }

    /// What the acknowledgement to send now says: received, limit, gap.
    pub(super) fn ack(&mut self) -> (u64, u64, Option<u8>) {
        self.due = false;
        self.promised = self.limit();
        (self.received, self.promised, self.gap)
    }
}
