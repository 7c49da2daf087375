//! The carrier's thread: opens the port, meets the other end, and starts over when a connection ends.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, Timespec};

use super::{
    Outbound, Shared,
    connection::{Connection, Ended},
    port::{Port, PortName},
    tls::Config,
};
use crate::{CarrierEvent, DownReason, backoff::Backoff};

/// Longest pause between two attempts: a cable that is plugged in again is soon in use.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The thread's state.
pub(super) struct Cable {
    pub(super) port: PortName,
    pub(super) baud: u32,
    pub(super) tls: Config,
    pub(super) publish_topic: String,
    pub(super) receive_topic: String,
    pub(super) max_message_bytes: usize,
    pub(super) outbound: flume::Receiver<Outbound>,
    pub(super) inbound: flume::Sender<CarrierEvent>,
    pub(super) shared: Arc<Shared>,
    /// Where its time begins.
    pub(super) began: Instant,
}

impl Cable {
    /// Runs until the owner is gone.
    pub(super) fn run(self) {
        let mut backoff = Backoff::up_to(LONGEST_PAUSE);
        loop {
            let mut up_at = None;
            let ended = self.connection(&mut up_at);
            self.shared.set_topic(None);
            let Ended::Broken(reason) = ended else { return };
            let up_for = up_at.map_or(Duration::ZERO, |at: Instant| at.elapsed());
            let retry_in = backoff.next(up_for);
            let paused = self
                .report(CarrierEvent::Down { reason, retry_in })
                .and_then(|()| self.pause(retry_in));
            if paused.is_err() {
                return;
            }
        }
    }

    /// One opening of the port and what happens over it, to its end.
    fn connection(&self, up_at: &mut Option<Instant>) -> Ended {
        let port = match Port::open(&self.port, self.baud) {
            Ok(port) => port,
            Err(error) => {
                tracing::debug!(%error, port = ?self.port, "the port cannot be opened");
                return Ended::Broken(DownReason::Port);
            }
        };
        match Connection::new(self, port) {
            Ok(connection) => connection.run(up_at),
            Err(ended) => ended,
        }
    }

    pub(super) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Tells the owner; a message counts until it is taken.
    pub(super) fn report(&self, event: CarrierEvent) -> Result<(), Ended> {
        if matches!(event, CarrierEvent::Message { .. }) {
            self.shared.untaken.fetch_add(1, Ordering::AcqRel);
        }
        self.inbound.send(event).map_err(|_closed| Ended::Done)
    }

    /// Waits before the next attempt, dropping messages of the broken connection.
    fn pause(&self, pause: Duration) -> Result<(), Ended> {
        let until = self.now() + pause;
        loop {
            self.discard()?;
            let left = until.saturating_sub(self.now());
            if left.is_zero() {
                return Ok(());
            }
            self.wait(None, Some(left));
        }
    }

    /// Drops what is queued for sending.
    pub(super) fn discard(&self) -> Result<(), Ended> {
        loop {
            match self.outbound.try_recv() {
                Ok(Outbound::Publish { .. }) => {}
                Err(flume::TryRecvError::Empty) => return Ok(()),
                Ok(Outbound::Close) | Err(flume::TryRecvError::Disconnected) => return Err(Ended::Done),
            }
        }
    }

    /// Waits until the port can be used, the owner does something, or `patience` is over; says what the
    /// port is ready for.
    pub(super) fn wait(&self, port: Option<(&Port, PollFlags)>, patience: Option<Duration>) -> PollFlags {
        let mut fds = vec![PollFd::new(&self.shared.wake, PollFlags::IN)];
        fds.extend(port.map(|(port, events)| PollFd::new(port, events)));
        // Rounded up: waking early would only mean waiting again.
        let patience = patience.map(|patience| patience + Duration::from_micros(100));
        let timeout = patience.and_then(|patience| Timespec::try_from(patience).ok());
        // An interrupted wait is one that found nothing; the caller looks again.
        let _ = rustix::event::poll(&mut fds, timeout.as_ref());
        if fds[0].revents().contains(PollFlags::IN) {
            // It holds a count that says nothing; reading it empties it.
            let _ = rustix::io::read(&self.shared.wake, &mut [0; 8]);
        }
        fds.get(1).map_or(PollFlags::empty(), PollFd::revents)
    }
}
