//! A byte stream in each direction over a line of frames.
//!
//! Each end has an epoch, drawn at random for each [`Link`]. Frames name the epochs of both ends, so an end
//! that starts over is recognised and nothing said to an earlier life of it is ever taken. A link lives
//! once: when it is closed, its owner makes another.
//!
//! The owner moves bytes and time: [`Link::receive`] what the line brought, [`Link::transmit`] what it shall
//! carry, [`Link::on_time`] when [`Link::deadline`] has come. `now` is time since any fixed moment.
//!
//! Failure model: a frame of other epochs is ignored, except the greeting of another end, which closes the
//! link; so does [`DEAD_AFTER`] of silence. What was sent and not acknowledged then may or may not have
//! arrived.

use alloc::vec::Vec;
use core::time::Duration;

use super::{
    LINK_VERSION,
    flow::{Alarm, Incoming, Outgoing},
    frame::{self, Body, Decoder, Epoch, Frame, MAX_FRAME_BYTES, MAX_PAYLOAD_BYTES},
};

/// How often an end greets until it hears the other.
const HELLO_EVERY: Duration = Duration::from_millis(250);
/// Silence after which the other end is asked whether it is there.
const KEEP_ALIVE: Duration = Duration::from_secs(1);
/// Silence after which the other end is taken for gone.
pub const DEAD_AFTER: Duration = Duration::from_secs(5);

/// Where a link stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// Waits for the other end.
    Opening,
    /// Bytes flow.
    Up,
    /// Over, for good. What was received can still be read.
    Closed(CloseReason),
}

/// Why a link is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// This end closed it.
    Own,
    /// The other end closed it.
    Peer,
    /// The other end started over.
    PeerRestarted,
    /// The other end fell silent.
    PeerSilent,
}

/// What a link has seen, for logs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Pieces of the line that were no frame.
    pub damaged_frames: u64,
    /// Bytes of the stream sent more than once.
    pub resent_bytes: u64,
}

/// One end of a link.
#[derive(Debug)]
pub struct Link {
    own: Epoch,
    peer: Option<Epoch>,
    state: LinkState,
    decoder: Decoder,
    outgoing: Outgoing,
    incoming: Incoming,
    /// When the next greeting is due, unless one is already.
    hello_at: Duration,
    /// When the other end was heard last.
    heard_at: Duration,
    /// When it was last asked for a sign of life.
    asked_at: Duration,
    hello_due: bool,
    ping_due: bool,
    close_due: bool,
    damaged_frames: u64,
}

impl Link {
    /// An end that starts now. `own` must be fresh random bits for each link.
    pub fn new(own: Epoch, now: Duration) -> Self {
        Self {
            own,
            peer: None,
            state: LinkState::Opening,
            decoder: Decoder::default(),
            outgoing: Outgoing::default(),
            incoming: Incoming::default(),
            hello_at: now,
            heard_at: now,
            asked_at: now,
            hello_due: false,
            ping_due: false,
            close_due: false,
            damaged_frames: 0,
        }
    }

    /// Where the link stands.
    pub fn state(&self) -> LinkState {
        self.state
    }

    /// What it has seen so far.
    pub fn faults(&self) -> Faults {
        Faults {
            damaged_frames: self.damaged_frames,
            resent_bytes: self.outgoing.resent_bytes(),
        }
    }

    /// Takes bytes into the outgoing stream, as many as there is room for: [`super::WINDOW_BYTES`] until
    /// the other end acknowledges some.
    pub fn send(&mut self, bytes: &[u8]) -> usize {
        self.outgoing.push(bytes)
    }

    /// Bytes [`Self::send`] would take now.
    pub fn room(&self) -> usize {
        self.outgoing.room()
    }

    /// Whether the other end has acknowledged every byte.
    pub fn is_drained(&self) -> bool {
        self.outgoing.is_drained()
    }

    /// Moves received bytes to `into`; their room is then granted to the other end.
    pub fn read(&mut self, into: &mut [u8]) -> usize {
        self.incoming.read(into)
    }

    /// Bytes [`Self::read`] would give now.
    pub fn available(&self) -> usize {
        self.incoming.available()
    }

    /// Ends the link; the next [`Self::transmit`] tells the other end.
    pub fn close(&mut self) {
        if self.state == LinkState::Up {
            self.close_due = true;
        }
        if !matches!(self.state, LinkState::Closed(_)) {
            self.state = LinkState::Closed(CloseReason::Own);
        }
    }

    /// Takes what the line brought, in pieces of any length.
    pub fn receive(&mut self, now: Duration, mut line: &[u8]) {
        // The decoder is taken out so that its frame and the rest of the link can be used together.
        let mut decoder = core::mem::take(&mut self.decoder);
        while let Some(frame) = decoder.feed(&mut line) {
            match frame {
                _ if matches!(self.state, LinkState::Closed(_)) => break,
                Ok(frame) => self.on_frame(now, &frame),
                Err(_) => self.damaged_frames += 1,
            }
        }
        self.decoder = decoder;
    }

    fn on_frame(&mut self, now: Duration, frame: &Frame<'_>) {
        if let Body::Hello { version } = frame.body
            && version != LINK_VERSION
        {
            return;
        }
        // Only an end that has heard this very link names its epoch.
        let is_fresh = frame.to == Some(self.own);
        match (self.state, frame.body) {
            (LinkState::Opening, Body::Hello { .. }) if !is_fresh => {
                self.peer = Some(frame.from);
                // The answer names the other end.
                self.hello_due = true;
            }
            (LinkState::Opening, _) if is_fresh => {
                self.peer = Some(frame.from);
                self.state = LinkState::Up;
                self.heard_at = now;
                self.asked_at = now;
                self.incoming.want_ack();
                self.on_body(now, frame.body);
            }
            (LinkState::Up, Body::Hello { .. }) if self.peer != Some(frame.from) => {
                self.state = LinkState::Closed(CloseReason::PeerRestarted);
            }
            (LinkState::Up, Body::Hello { .. }) => {
                // It has not heard us yet.
                self.heard_at = now;
                self.incoming.want_ack();
            }
            (LinkState::Up, body) if is_fresh && self.peer == Some(frame.from) => {
                self.heard_at = now;
                self.on_body(now, body);
            }
            _ => {}
        }
    }

    fn on_body(&mut self, now: Duration, body: Body<'_>) {
        match body {
            Body::Hello { .. } => {}
            Body::Data {
                offset,
                round,
                payload,
            } => self.incoming.on_data(offset, round, payload),
            Body::Ack { received, limit, gap } => self.outgoing.on_ack(now, received, limit, gap),
            Body::Ping => self.incoming.want_ack(),
            Body::Close => self.state = LinkState::Closed(CloseReason::Peer),
        }
    }

    /// When [`Self::on_time`] has something to do even if nothing happens; `None` when the link is over.
    pub fn deadline(&self) -> Option<Duration> {
        match self.state {
            LinkState::Opening => Some(self.hello_at),
            LinkState::Up => {
                let silence = (self.heard_at.max(self.asked_at) + KEEP_ALIVE).min(self.heard_at + DEAD_AFTER);
                Some(self.outgoing.alarm().map_or(silence, |at| at.min(silence)))
            }
            LinkState::Closed(_) => None,
        }
    }

    /// Appends the frames to carry now to `line`, until it is `max_bytes` long or nothing is left. It may
    /// end up longer by less than [`MAX_FRAME_BYTES`].
    pub fn transmit(&mut self, now: Duration, max_bytes: usize, line: &mut Vec<u8>) {
        self.on_time(now);
        let mut payload = Vec::new();
        while line.len() < max_bytes {
            payload.clear();
            let Some(body) = self.next_body(now, &mut payload) else {
                return;
            };
            line.reserve(MAX_FRAME_BYTES);
            let (from, to) = (self.own, self.peer);
            frame::encode(&Frame { from, to, body }, line);
        }
    }

    /// Does what is due at `now`, also while the line takes nothing: [`Self::deadline`] then lies ahead.
    pub fn on_time(&mut self, now: Duration) {
        if self.state == LinkState::Opening && now >= self.hello_at {
            self.hello_at = now + HELLO_EVERY;
            self.hello_due = true;
        }
        if self.state != LinkState::Up {
            return;
        }
        if now >= self.heard_at + DEAD_AFTER {
            self.state = LinkState::Closed(CloseReason::PeerSilent);
            return;
        }
        let alarm = self.outgoing.on_time(now);
        if alarm == Alarm::Probe || now >= self.heard_at.max(self.asked_at) + KEEP_ALIVE {
            self.asked_at = now;
            self.ping_due = true;
        }
        self.outgoing.arm(now);
    }

    /// What is said next, the most urgent first.
    fn next_body<'a>(&mut self, now: Duration, payload: &'a mut Vec<u8>) -> Option<Body<'a>> {
        match self.state {
            LinkState::Opening => {
                let hello = Body::Hello {
                    version: LINK_VERSION,
                };
                core::mem::take(&mut self.hello_due).then_some(hello)
            }
            LinkState::Up if self.incoming.ack_due() => {
                let (received, limit, gap) = self.incoming.ack();
                Some(Body::Ack { received, limit, gap })
            }
            LinkState::Up if core::mem::take(&mut self.ping_due) => Some(Body::Ping),
            LinkState::Up => {
                payload.reserve(MAX_PAYLOAD_BYTES);
                let (offset, round) = self.outgoing.segment(now, payload)?;
                Some(Body::Data {
                    offset,
                    round,
                    payload,
                })
            }
            LinkState::Closed(_) => core::mem::take(&mut self.close_due).then_some(Body::Close),
        }
    }
}

#[cfg(test)]
mod tests;
