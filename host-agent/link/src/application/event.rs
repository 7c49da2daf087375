//! What happens to the link, and what it wants done.

use std::time::Duration;

use obscura_local::agent::{LinkCommand, LinkEvent, OfflineCause};
use obscura_protocol::identity::JobId;

use crate::domain::job::Entry;

/// Something happened.
#[derive(Debug)]
pub enum Event {
    /// The carrier is connected; nothing of an earlier connection survives.
    Up,
    /// The carrier is not connected and tries again by itself.
    Down {
        /// Why.
        cause: OfflineCause,
        /// Time until its next attempt.
        retry_in: Duration,
    },
    /// The carrier may not publish.
    Denied,
    /// A message arrived, unchecked.
    Frame(Vec<u8>),
    /// The command line asks for something.
    Command(LinkCommand),
    /// The journal's content, after [`LinkCommand::Resume`].
    Journal(Vec<Entry>),
    /// Time passed.
    Tick,
}

/// Something is to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send these bytes to the box.
    Publish(Vec<u8>),
    /// Tell the command line.
    Tell(LinkEvent),
    /// Write a job to the journal.
    Keep(Entry),
    /// Write one more item of a job to the journal.
    KeepItem {
        /// The job.
        job: JobId,
        /// Item number.
        index: u32,
        /// The encrypted item.
        bytes: Vec<u8>,
    },
    /// Remove one item of a job from the journal.
    ForgetItem {
        /// The job.
        job: JobId,
        /// Item number.
        index: u32,
    },
    /// Remove a job from the journal, with all its items.
    Forget(JobId),
    /// Read the journal and hand it back.
    LoadJournal,
    /// A message was dropped, worth a log line.
    Dropped(DropReason),
}

/// Why a message was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DropReason {
    /// Not an envelope.
    #[error("it is not an envelope")]
    NotEnvelope,
    /// Not signed by the box.
    #[error("the box did not sign it")]
    NotFromBox,
    /// Not for this device, not in this session, or seen before.
    #[error("it is not next in this session")]
    OutOfSession,
    /// Not a message of this version.
    #[error("its content does not decode")]
    NotMessage,
    /// Signed and in order, but nothing that was asked for.
    #[error("nothing asked for it")]
    Unasked,
    /// A ticket the link will not sign, because it names another site or device.
    #[error("the ticket names another site or device")]
    ForeignTicket,
}
