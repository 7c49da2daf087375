//! One connection: the port's bytes through link and TLS to messages, and back.
//!
//! Nothing here waits except [`Cable::wait`]; every step does what it can and leaves the rest for the next
//! turn.

use std::{
    io::{self, Read, Write},
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use obscura_protocol::serial::{
    frame::Epoch,
    link::{Link, LinkState},
};
use rustix::event::PollFlags;

use super::{
    Outbound, RECEIVE_WINDOW,
    cable::Cable,
    message::{Inbox, Sending},
    port::Port,
};
use crate::{CarrierEvent, DownReason};

/// Bytes handed to the line at once: little, so that acknowledgements do not queue behind much.
const BATCH_BYTES: usize = 4096;
/// Bytes read from the line before something else is done.
const TURN_BYTES: usize = 64 * 1024;
/// Bytes TLS keeps for the link.
const TLS_BUFFER_BYTES: usize = 64 * 1024;
/// Silence at the other end after which the owner is told that nobody is there.
const UNREACHABLE_AFTER: Duration = Duration::from_secs(3);
/// Longest handshake, on a slow and disturbed line.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(20);
/// Longest wait for the last bytes to arrive.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(2);

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// The owner closed the carrier or dropped an end of it.
    Done,
    /// The connection broke.
    Broken(DownReason),
}

/// Who is at the other end, as far as is known.
enum Peer {
    /// The handshake is under way.
    Unknown,
    /// It has a right certificate; whether ours is right for it is not known.
    Proven,
    /// It has greeted: both have accepted the other.
    Up {
        publish_topic: String,
        receive_topic: String,
    },
}

/// Port, link and TLS of one connection.
pub(super) struct Connection<'a> {
    cable: &'a Cable,
    port: Port,
    link: Link,
    tls: rustls::Connection,
    peer: Peer,
    inbox: Inbox,
    sending: Option<Sending>,
    /// Encoded frames on their way to the port, and how many bytes of them are gone.
    line: Vec<u8>,
    line_gone: usize,
    buffer: Vec<u8>,
    /// When the owner is told that nobody is there; never again afterwards.
    unreachable_at: Option<Duration>,
    handshake_by: Option<Duration>,
    /// What the owner is told once the last bytes are gone, and until when they may take.
    ending: Option<(Ended, Duration)>,
}

impl<'a> Connection<'a> {
    pub(super) fn new(cable: &'a Cable, port: Port) -> Result<Self, Ended> {
        let no_tls = Ended::Broken(DownReason::Tls);
        let epoch = getrandom::u32().or(Err(no_tls))?;
        let mut tls = cable.tls.connection().or(Err(no_tls))?;
        tls.set_buffer_limit(Some(TLS_BUFFER_BYTES));
        let now = cable.now();
        Ok(Self {
            cable,
            port,
            link: Link::new(Epoch::from_random(epoch), now),
            tls,
            peer: Peer::Unknown,
            inbox: Inbox::new(cable.max_message_bytes),
            sending: None,
            line: Vec::new(),
            line_gone: 0,
            buffer: vec![0; 16 * 1024],
            unreachable_at: Some(now + UNREACHABLE_AFTER),
            handshake_by: None,
            ending: None,
        })
    }

    /// Runs to the connection's end.
    pub(super) fn run(mut self, up_at: &mut Option<Instant>) -> Ended {
        loop {
            if let Err(ended) = self.turn(up_at) {
                let faults = self.link.faults();
                tracing::debug!(?ended, ?faults, "connection ended");
                return ended;
            }
        }
    }

    fn turn(&mut self, up_at: &mut Option<Instant>) -> Result<(), Ended> {
        let read = self.read_port()?;
        if self.ending.is_none() {
            if let Err(ended) = self.take_in(up_at) {
                self.end_with(ended);
            } else if let Err(ended) = self.take_out() {
                self.end_with(ended);
            }
        }
        self.push_tls();
        self.write_port()?;
        self.watch()?;
        if read {
            // There may be more.
            return Ok(());
        }
        let now = self.cable.now();
        let mut events = PollFlags::IN;
        if self.line_gone < self.line.len() {
            events |= PollFlags::OUT;
        }
        let deadlines = [
            self.link.deadline(),
            self.unreachable_at,
            self.handshake_by,
            self.ending.map(|(_, until)| until),
        ];
        let next = deadlines.into_iter().flatten().min();
        let patience = next.map(|at| at.saturating_sub(now));
        let ready = self.cable.wait(Some((&self.port, events)), patience);
        if ready.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) && !self.read_port()? {
            return Err(Ended::Broken(DownReason::Port));
        }
        Ok(())
    }

    /// Brings what the port has to the link; whether there was anything.
    fn read_port(&mut self) -> Result<bool, Ended> {
        let mut total = 0;
        while total < TURN_BYTES {
            let len = self
                .port
                .read(&mut self.buffer)
                .map_err(|error| unplugged(&error))?;
            if len == 0 {
                break;
            }
            self.link.receive(self.cable.now(), &self.buffer[..len]);
            total += len;
        }
        Ok(total > 0)
    }

    /// Gives the port what it takes of what the link has to say.
    fn write_port(&mut self) -> Result<(), Ended> {
        loop {
            if self.line_gone == self.line.len() {
                self.line.clear();
                self.line_gone = 0;
                let now = self.cable.now();
                self.link.transmit(now, BATCH_BYTES, &mut self.line);
                if self.line.is_empty() {
                    return Ok(());
                }
            }
            let len = self
                .port
                .write(&self.line[self.line_gone..])
                .map_err(|error| unplugged(&error))?;
            if len == 0 {
                return Ok(());
            }
            self.line_gone += len;
        }
    }

    /// Brings what the link has to TLS, and whole messages to the owner.
    fn take_in(&mut self, up_at: &mut Option<Instant>) -> Result<(), Ended> {
        while self.link.available() > 0 && self.cable.shared.untaken.load(Ordering::Acquire) < RECEIVE_WINDOW
        {
            // Fails only when TLS is full, and it is emptied below each time.
            if self.tls.read_tls(&mut FromLink(&mut self.link)).is_err() {
                break;
            }
            self.tls.process_new_packets().map_err(|error| {
                tracing::debug!(%error, "TLS refused what came");
                Ended::Broken(match self.peer {
                    Peer::Up { .. } => DownReason::Closed,
                    Peer::Unknown | Peer::Proven => DownReason::Tls,
                })
            })?;
            if matches!(self.peer, Peer::Unknown) && !self.tls.is_handshaking() {
                self.peer = Peer::Proven;
                self.sending = Some(Sending::new(Vec::new()));
            }
            self.take_plaintext(up_at)?;
        }
        Ok(())
    }

    fn take_plaintext(&mut self, up_at: &mut Option<Instant>) -> Result<(), Ended> {
        let mut plaintext = std::mem::take(&mut self.buffer);
        let taken = loop {
            match self.tls.reader().read(&mut plaintext) {
                Ok(0) => break Err(Ended::Broken(DownReason::Closed)),
                Ok(len) => {
                    if let Err(ended) = self.take_messages(&plaintext[..len], up_at) {
                        break Err(ended);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break Ok(()),
                Err(_) => break Err(Ended::Broken(DownReason::Closed)),
            }
        };
        self.buffer = plaintext;
        taken
    }

    fn take_messages(&mut self, mut stream: &[u8], up_at: &mut Option<Instant>) -> Result<(), Ended> {
        let against = Ended::Broken(DownReason::Protocol);
        loop {
            let message = self.inbox.next(&mut stream).map_err(|error| {
                tracing::warn!(%error, "the other end broke the protocol");
                against
            })?;
            let Some(payload) = message else { return Ok(()) };
            match &self.peer {
                Peer::Proven if payload.is_empty() => self.greeted(up_at)?,
                Peer::Up { receive_topic, .. } if !payload.is_empty() => {
                    let topic = receive_topic.clone();
                    self.cable.report(CarrierEvent::Message { topic, payload })?;
                }
                Peer::Unknown | Peer::Proven | Peer::Up { .. } => return Err(against),
            }
        }
    }

    /// The other end has accepted our certificate, too.
    fn greeted(&mut self, up_at: &mut Option<Instant>) -> Result<(), Ended> {
        let name = self
            .cable
            .tls
            .peer(&self.tls)
            .ok_or(Ended::Broken(DownReason::Refused))?;
        let named = |pattern: &str| pattern.replace("%u", name.as_str());
        let publish_topic = named(&self.cable.publish_topic);
        self.peer = Peer::Up {
            publish_topic: publish_topic.clone(),
            receive_topic: named(&self.cable.receive_topic),
        };
        self.handshake_by = None;
        // A message of an earlier connection is not for this one.
        self.cable.discard()?;
        *up_at = Some(Instant::now());
        tracing::info!(peer = %name, "the other end of the cable is accepted");
        self.cable.shared.set_topic(Some(publish_topic));
        self.cable.report(CarrierEvent::Up)
    }

    /// Brings the owner's messages to TLS, as far as it takes them.
    fn take_out(&mut self) -> Result<(), Ended> {
        loop {
            if let Some(sending) = &mut self.sending {
                let whole = sending
                    .write_to(&mut self.tls.writer())
                    .or(Err(Ended::Broken(DownReason::Closed)))?;
                if !whole && self.push_tls() == 0 {
                    return Ok(());
                }
                if whole {
                    self.sending = None;
                }
                continue;
            }
            let Peer::Up { publish_topic, .. } = &self.peer else {
                // Before that the owner has nothing to say but goodbye.
                return self.cable.discard();
            };
            match self.cable.outbound.try_recv() {
                Ok(Outbound::Publish { topic, payload }) if topic == *publish_topic => {
                    self.sending = Some(Sending::new(payload));
                }
                Ok(Outbound::Publish { .. }) => tracing::debug!("dropped a message for another end"),
                Err(flume::TryRecvError::Empty) => return Ok(()),
                Ok(Outbound::Close) | Err(flume::TryRecvError::Disconnected) => {
                    self.tls.send_close_notify();
                    return Err(Ended::Done);
                }
            }
        }
    }

    /// Brings what TLS has to the link; how many bytes.
    fn push_tls(&mut self) -> usize {
        let mut total = 0;
        while self.tls.wants_write() {
            // The link never fails; it only takes nothing more for now.
            match self.tls.write_tls(&mut ToLink(&mut self.link)) {
                Ok(len) if len > 0 => total += len,
                _ => break,
            }
        }
        total
    }

    /// Lets the last bytes leave before the connection ends: an alert, or what was queued.
    fn end_with(&mut self, ended: Ended) {
        self.cable.shared.set_topic(None);
        self.ending = Some((ended, self.cable.now() + GOODBYE_TIMEOUT));
    }

    /// Ends the connection when its time has come.
    fn watch(&mut self) -> Result<(), Ended> {
        let now = self.cable.now();
        // Also when the line takes nothing and nothing is asked of the link.
        self.link.on_time(now);
        match self.link.state() {
            LinkState::Closed(_) if self.ending.is_none() && self.link.available() > 0 => {}
            LinkState::Closed(reason) => {
                tracing::debug!(?reason, "the link is over");
                return Err(self
                    .ending
                    .map_or(Ended::Broken(DownReason::Closed), |(ended, _)| ended));
            }
            LinkState::Up => {
                self.unreachable_at = None;
                if !matches!(self.peer, Peer::Up { .. }) {
                    self.handshake_by.get_or_insert(now + HANDSHAKE_TIMEOUT);
                }
            }
            LinkState::Opening => {}
        }
        if let Some((ended, until)) = self.ending {
            let gone = self.link.is_drained() && !self.tls.wants_write();
            if gone || now >= until || self.link.state() == LinkState::Opening {
                self.link.close();
                self.write_port()?;
                return Err(ended);
            }
        }
        if self.unreachable_at.is_some_and(|at| now >= at) {
            self.unreachable_at = None;
            let (reason, retry_in) = (DownReason::Unreachable, Duration::ZERO);
            self.cable.report(CarrierEvent::Down { reason, retry_in })?;
        }
        if self.handshake_by.is_some_and(|by| now >= by) {
            return Err(Ended::Broken(DownReason::Tls));
        }
        Ok(())
    }
}

/// The port failed: what it was connected to is gone.
fn unplugged(error: &io::Error) -> Ended {
    tracing::debug!(%error, "the port failed");
    Ended::Broken(DownReason::Port)
}

/// The link's stream, as TLS reads it.
struct FromLink<'a>(&'a mut Link);

impl Read for FromLink<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.0.read(into) {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            len => Ok(len),
        }
    }
}

/// The link's stream, as TLS writes it.
struct ToLink<'a>(&'a mut Link);

impl Write for ToLink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.send(bytes) {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            len => Ok(len),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
