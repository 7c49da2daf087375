//! What the command line asks of the link, and what the link reports.

use obscura_protocol::{
    identity::{Digest, JobId},
    job::Ticket,
    message::{Lane, Phase, Refusal},
    transfer::ObjectHeader,
};
use serde::{Deserialize, Serialize};

/// How soon a job is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Which jobs go first.
    pub lane: Lane,
    /// Seconds from the box's acceptance after which the box gives it up.
    pub within_s: Option<u32>,
}

/// What the command line asks of the link.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub enum LinkCommand {
    /// Makes sure the box holds these keys; jobs wait for it.
    UseKeys {
        /// The evaluation key object.
        object: ObjectHeader,
    },
    /// Sends this signed model to the box, which uses it from its next start.
    SendModel {
        /// The bundle.
        object: ObjectHeader,
    },
    /// The chunk the link asked for.
    Chunk {
        /// The object.
        object: Digest,
        /// Chunk number.
        index: u32,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// Signs the ticket, journals the job, and sends it until it is answered.
    Submit {
        /// What to sign.
        ticket: Ticket,
        /// All encrypted items, or none: they then come one by one as [`Self::Item`].
        items: Vec<Vec<u8>>,
        /// How soon it is wanted.
        wanted: Wanted,
    },
    /// Journals one item of a job that was submitted without, and sends it until it is answered.
    Item {
        /// The job.
        job: JobId,
        /// Item number.
        index: u32,
        /// The encrypted item.
        bytes: Vec<u8>,
    },
    /// Drops one item from the journal: its answer was accepted.
    SettleItem {
        /// The job.
        job: JobId,
        /// Item number.
        index: u32,
    },
    /// Drops a job from the journal; withdraws it at the box when it has no answer.
    Settle {
        /// The job.
        job: JobId,
    },
    /// Takes up the jobs in the journal.
    Resume,
    /// Has the box forget every evaluation key of this device.
    RevokeKeys,
    /// Says goodbye and ends.
    Close,
}

/// What the link reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum LinkEvent {
    /// The broker is reached.
    Online,
    /// There is no way to the broker; the link tries again by itself.
    Offline {
        /// Why.
        cause: OfflineCause,
        /// Time until the next attempt.
        retry_in_ms: u64,
    },
    /// The broker does not let this device publish.
    Denied,
    /// A session with the box is open.
    Session,
    /// The broker is reached and the box says nothing.
    BoxSilent {
        /// Time until the next attempt.
        retry_in_ms: u64,
    },
    /// The box has the keys from before.
    KeysFound,
    /// Part of the keys, or of the model, is at the box.
    Uploading {
        /// Bytes there or on the way.
        done_bytes: u64,
        /// Bytes in all.
        of_bytes: u64,
    },
    /// A chunk to be sent; answered by [`LinkCommand::Chunk`].
    NeedChunk {
        /// The object.
        object: Digest,
        /// Chunk number.
        index: u32,
    },
    /// The box has the keys now.
    KeysStored {
        /// Bytes sent for it in this run.
        sent_bytes: u64,
    },
    /// The box has the model now and uses it from its next start.
    ModelStored {
        /// Bytes sent for it in this run.
        sent_bytes: u64,
    },
    /// The box is of a release that cannot do what is wanted.
    BoxTooOld {
        /// Protocol version it speaks.
        speaks: u16,
        /// Protocol version that is needed.
        needs: u16,
    },
    /// The box took the ticket; the items were sent.
    Sent {
        /// The job.
        job: JobId,
        /// Bytes of the items.
        sent_bytes: u64,
    },
    /// An item moved.
    Progress {
        /// The job.
        job: JobId,
        /// Item number.
        index: u32,
        /// Where it is.
        phase: Phase,
    },
    /// What the box says of a job's end.
    Outlook {
        /// The job.
        job: JobId,
        /// Items of anybody before the job's next one.
        ahead: u32,
        /// Seconds until its last answer, once the box has measured how fast it is.
        left_s: Option<u32>,
    },
    /// The box gave one item up for good; the others of its job go on.
    ItemDead {
        /// The job.
        job: JobId,
        /// Item number.
        index: u32,
        /// Why.
        code: Refusal,
    },
    /// An item is answered.
    Answer {
        /// The job.
        job: JobId,
        /// Item number.
        index: u32,
        /// The encrypted answer.
        bytes: Vec<u8>,
        /// Encoded `Signed<Receipt>`.
        receipt: Vec<u8>,
    },
    /// The box asked to wait, or failed and will be asked again.
    Delayed {
        /// Why.
        code: Refusal,
        /// Time until the next attempt.
        retry_in_ms: u64,
    },
    /// The box refused a job for good.
    JobRefused {
        /// The job.
        job: JobId,
        /// Why.
        code: Refusal,
    },
    /// The box refused this device or its keys for good.
    Refused {
        /// Why.
        code: Refusal,
    },
    /// The box holds no evaluation keys of this device any more.
    KeysRevoked {
        /// Objects it forgot.
        objects: u32,
    },
    /// The jobs found in the journal.
    Resumed {
        /// The jobs.
        jobs: Vec<ResumedJob>,
    },
    /// The journal cannot be written; jobs are sent all the same, but would not survive this process.
    JournalFailed,
}

/// A job found in the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResumedJob {
    /// The job.
    pub job: JobId,
    /// Numbers of the items that are there, ascending.
    pub items: Vec<u32>,
}

/// Why there is no connection to the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum OfflineCause {
    /// Nobody answers at the address.
    #[error("is unreachable")]
    Unreachable,
    /// The broker refused the connection or the subscription.
    #[error("refused this device")]
    Refused,
    /// The certificates do not fit.
    #[error("and this device do not accept each other's certificates")]
    Tls,
    /// The connection ended.
    #[error("closed the connection")]
    Closed,
}
