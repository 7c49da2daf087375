//! The link as a process: carrier and command line in, effects out.
//!
//! Two threads forward what comes in; the main loop owns the state machine and everything that goes out.
//! When the command line goes away, the link says goodbye and ends.

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    thread,
    time::{Duration, Instant},
};

use obscura_carrier::{CarrierError, CarrierEvent, DownReason, PublishError, Publisher};
use obscura_local::{
    Channel, ChannelError,
    agent::{LinkCommand, LinkEvent, OfflineCause},
};

use super::{config::LinkConfig, journal::FileJournal, random::SystemRandom};
use crate::{
    application::{Effect, Event, Link},
    ports::Journal,
};

/// Events waiting for the main loop; a slow loop slows the carrier and the command line down.
const QUEUE: usize = 32;
/// Longest wait for the carrier to take one message.
const PUBLISH_PATIENCE: Duration = Duration::from_secs(10);
/// Longest sleep of the main loop.
const IDLE: Duration = Duration::from_mins(1);

/// Why the link ended before the command line let it go.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// The carrier cannot work with this configuration.
    #[error("the connection to the box cannot be set up")]
    Carrier(#[from] CarrierError),
    /// The socket to the command line failed.
    #[error("the socket to the command line failed")]
    Channel(#[from] ChannelError),
}

enum Input {
    Carrier(CarrierEvent),
    Command(LinkCommand),
    CarrierEnded,
    CommandLineGone,
}

/// Runs until the command line closes `channel` or says so.
///
/// # Errors
/// [`ProcessError`].
pub fn run(config: LinkConfig, channel: Channel) -> Result<(), ProcessError> {
    let (publisher, receiver) = obscura_carrier::connect(&config.carrier)?;
    let (input, inputs) = sync_channel(QUEUE);
    forward_carrier(receiver, input.clone());
    forward_commands(channel.try_clone()?, input);
    let mut main = Main {
        journal: FileJournal::new(config.journal_dir, config.own.identity.public()),
        link: Link::new(config.own, Box::new(SystemRandom)),
        up_topic: config.up_topic,
        publisher: publisher.clone(),
        channel,
        began: Instant::now(),
    };
    let ended = main.serve(&inputs);
    publisher.close();
    ended
}

fn forward_carrier(receiver: obscura_carrier::Receiver, input: SyncSender<Input>) {
    thread::spawn(move || {
        while let Ok(event) = receiver.recv() {
            if input.send(Input::Carrier(event)).is_err() {
                return;
            }
        }
        // The main loop may be gone already.
        let _ = input.send(Input::CarrierEnded);
    });
}

fn forward_commands(mut channel: Channel, input: SyncSender<Input>) {
    thread::spawn(move || {
        while let Ok(command) = channel.receive() {
            if input.send(Input::Command(command)).is_err() {
                return;
            }
        }
        // The main loop may be gone already.
        let _ = input.send(Input::CommandLineGone);
    });
}

struct Main {
    link: Link,
    journal: FileJournal,
    publisher: Publisher,
    up_topic: String,
    channel: Channel,
    began: Instant,
}

impl Main {
    fn serve(&mut self, inputs: &Receiver<Input>) -> Result<(), ProcessError> {
        loop {
            let now = self.began.elapsed();
            let wait = self
                .link
                .deadline()
                .map_or(IDLE, |due| due.saturating_sub(now).min(IDLE));
            let event = match inputs.recv_timeout(wait) {
                Ok(Input::Carrier(event)) => carrier_event(event),
                Ok(Input::Command(LinkCommand::Close) | Input::CommandLineGone) => {
                    return self.perform(Event::Command(LinkCommand::Close));
                }
                Ok(Input::Command(command)) => Event::Command(command),
                Ok(Input::CarrierEnded) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Err(RecvTimeoutError::Timeout) => Event::Tick,
            };
            self.perform(event)?;
        }
    }

    fn perform(&mut self, event: Event) -> Result<(), ProcessError> {
        for effect in self.link.handle(self.began.elapsed(), event) {
            match effect {
                Effect::Publish(bytes) => self.publish(bytes),
                Effect::Tell(event) => self.tell(&event)?,
                Effect::Keep(entry) => {
                    let kept = self.journal.put(entry.job(), &entry);
                    self.report_journal(kept)?;
                }
                Effect::KeepItem { job, index, bytes } => {
                    let kept = self.journal.put_item(job, index, &bytes);
                    self.report_journal(kept)?;
                }
                Effect::ForgetItem { job, index } => {
                    let removed = self.journal.remove_item(job, index);
                    self.report_journal(removed)?;
                }
                Effect::Forget(job) => {
                    let removed = self.journal.remove(job);
                    self.report_journal(removed)?;
                }
                Effect::LoadJournal => {
                    let loaded = self.journal.load();
                    let entries = match loaded {
                        Ok(entries) => entries,
                        Err(error) => {
                            self.report_journal(Err(error))?;
                            Vec::new()
                        }
                    };
                    self.perform(Event::Journal(entries))?;
                }
                Effect::Dropped(reason) => tracing::warn!(%reason, "dropped a message"),
            }
        }
        Ok(())
    }

    fn publish(&self, bytes: Vec<u8>) {
        let len_bytes = bytes.len();
        match self.publisher.publish(&self.up_topic, bytes, PUBLISH_PATIENCE) {
            Ok(()) => tracing::debug!(len_bytes, "sent"),
            // Whatever was lost is asked for again: the session's time limits see to it.
            Err(PublishError::Down) => tracing::debug!(len_bytes, "not sent, the carrier is down"),
            Err(error) => tracing::warn!(len_bytes, %error, "not sent"),
        }
    }

    fn tell(&mut self, event: &LinkEvent) -> Result<(), ProcessError> {
        match self.channel.send(event) {
            // The reader thread reports the end of the command line.
            Err(ChannelError::Io(_) | ChannelError::Closed) => Ok(()),
            sent => Ok(sent?),
        }
    }

    fn report_journal(&mut self, done: Result<(), super::journal::JournalError>) -> Result<(), ProcessError> {
        let Err(error) = done else { return Ok(()) };
        tracing::error!(reason = ?std::error::Error::source(&error), "{error}");
        self.tell(&LinkEvent::JournalFailed)
    }
}

fn carrier_event(event: CarrierEvent) -> Event {
    match event {
        CarrierEvent::Up => Event::Up,
        CarrierEvent::Down { reason, retry_in } => Event::Down {
            cause: match reason {
                DownReason::Refused | DownReason::SubscriptionDenied => OfflineCause::Refused,
                DownReason::Tls => OfflineCause::Tls,
                DownReason::Closed => OfflineCause::Closed,
                _ => OfflineCause::Unreachable,
            },
            retry_in,
        },
        CarrierEvent::Message { topic: _, payload } => Event::Frame(payload),
        CarrierEvent::Denied { .. } => Event::Denied,
        // A later kind of carrier event says nothing this link knows how to use.
        _ => Event::Tick,
    }
}
