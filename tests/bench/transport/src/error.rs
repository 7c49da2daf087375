//! Why nothing was measured.

use std::{io, time::Duration};

use obscura_link::application::DropReason;
use obscura_local::agent::LinkEvent;

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum BenchError {
    /// The site, the broker or a program.
    #[error(transparent)]
    Harness(#[from] obscura_system_tests::HarnessError),
    /// A device's configuration.
    #[error(transparent)]
    Config(#[from] obscura_link::adapters::config::ConfigError),
    /// A carrier does not start.
    #[error(transparent)]
    Carrier(#[from] obscura_carrier::CarrierError),
    /// A carrier took no message.
    #[error(transparent)]
    Publish(#[from] obscura_carrier::PublishError),
    /// A carrier ended.
    #[error(transparent)]
    Receive(#[from] obscura_carrier::ReceiveError),
    /// The socket to the gate.
    #[error(transparent)]
    Channel(#[from] obscura_local::ChannelError),
    /// The operating system.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Its error.
        source: io::Error,
    },
    /// Nothing came in time.
    #[error("{what} did not come within {limit:?}")]
    Silent {
        /// What was waited for.
        what: &'static str,
        /// How long.
        limit: Duration,
    },
    /// The box refused what it should have taken, so that a figure would mean nothing.
    #[error("the box refused a device that behaves: {event:?}")]
    Refused {
        /// What the device heard.
        event: Box<LinkEvent>,
    },
    /// A device dropped a message of the box.
    #[error("a device dropped a message of the box: {reason}")]
    Dropped {
        /// Why.
        reason: DropReason,
    },
    /// A part of the measurement ended early.
    #[error("{part} ended before it was told to")]
    Ended {
        /// The part.
        part: &'static str,
    },
}

impl BenchError {
    /// An error of the operating system, with what was tried.
    pub(crate) fn io(what: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io { what, source }
    }

    /// The same for a system call.
    pub(crate) fn call(what: &'static str) -> impl Fn(rustix::io::Errno) -> Self {
        move |error| Self::Io {
            what,
            source: error.into(),
        }
    }
}
