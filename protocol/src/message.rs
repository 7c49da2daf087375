//! The messages of the protocol, inside envelopes.
//!
//! Append-only: variants and fields are never reordered or removed.

use alloc::{string::String, vec::Vec};
use serde::{Deserialize, Serialize};

use crate::{
    codec::{self, DecodeError},
    identity::{ClientId, Digest, JobId, SessionId},
    job::{self, MAX_ITEMS, MAX_SIGNED_BYTES},
    transfer::{ChunkSet, MAX_CHUNK_BYTES, ObjectHeader},
};

/// Largest encoded message.
pub const MAX_PAYLOAD_BYTES: usize = MAX_CHUNK_BYTES as usize + 1024;
/// Largest encrypted item.
pub const MAX_ITEM_BYTES: usize = 64 * 1024;
/// Largest encrypted answer.
pub const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// Most models of one welcome.
pub const MAX_MODELS: usize = 64;

/// From a device to its box.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum DeviceMessage {
    /// Opens a session. Sent outside any session.
    Hello {
        /// Lowest version the device speaks.
        min_version: u16,
        /// Highest version the device speaks.
        max_version: u16,
        /// Random challenge that the welcome repeats.
        nonce: [u8; 16],
    },
    /// Asks what the box holds under a client id.
    KeyStatus {
        /// The random name of the evaluation keys.
        client: ClientId,
    },
    /// Offers an object, which the box then pulls.
    Offer {
        /// Name, size and use of the object.
        object: ObjectHeader,
    },
    /// One chunk the box asked for.
    Chunk {
        /// The object.
        object: Digest,
        /// Chunk number, from 0.
        index: u32,
        /// The chunk, of the length its number implies.
        #[serde(with = "codec::bytes")]
        bytes: Vec<u8>,
    },
    /// Announces a job with a signed ticket.
    Submit {
        /// Encoded `Signed<Ticket>`.
        #[serde(with = "codec::bytes")]
        ticket: Vec<u8>,
    },
    /// One encrypted item of an announced job.
    Item {
        /// The job.
        job: JobId,
        /// Item number, from 0.
        index: u32,
        /// The encrypted input.
        #[serde(with = "codec::bytes")]
        bytes: Vec<u8>,
    },
    /// Withdraws a job; what is not yet computed is dropped.
    Cancel {
        /// The job.
        job: JobId,
    },
    /// Ends the session.
    Goodbye,
    /// Announces a job as [`Self::Submit`] does, and says how soon it is wanted. From version 2 on.
    Request {
        /// Encoded `Signed<Ticket>`.
        #[serde(with = "codec::bytes")]
        ticket: Vec<u8>,
        /// Which jobs go first.
        lane: Lane,
        /// Seconds from the acceptance after which the job is given up; `None` without a deadline. A second
        /// announcement of an open job changes nothing.
        within_s: Option<u32>,
    },
    /// Has the box forget every evaluation key of this device; jobs under them end. From version 2 on.
    RevokeKeys,
}

/// Which of a box's waiting jobs go first. Within a lane devices are served in turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Lane {
    /// In turn.
    #[default]
    Routine,
    /// Before routine work, which still gets a share.
    Urgent,
}

/// From a box to a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum BoxMessage {
    /// Answers a hello. Sent outside any session; names the one that begins.
    Welcome {
        /// Version chosen.
        version: u16,
        /// The hello's challenge.
        nonce: [u8; 16],
        /// The session from now on.
        session: SessionId,
        /// What the box accepts.
        limits: Limits,
        /// Models the box runs now, at most [`MAX_MODELS`].
        #[serde(deserialize_with = "codec::bounded::<_, _, MAX_MODELS>")]
        models: Vec<ModelOffer>,
    },
    /// What the box holds under a client id.
    KeyState {
        /// The random name of the evaluation keys.
        client: ClientId,
        /// What is there.
        state: KeyState,
    },
    /// Asks for chunks of an offered object.
    Want {
        /// The object.
        object: Digest,
        /// Chunks to send now, within the window.
        chunks: ChunkSet,
        /// Chunks the box already has.
        have: u32,
    },
    /// The object is complete and its hash is right; keys conform, a bundle waits for the box's next start.
    Stored {
        /// The object.
        object: Digest,
    },
    /// The ticket is accepted; send its items.
    Accepted {
        /// The job.
        job: JobId,
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
    /// An item is answered.
    Answer {
        /// The job.
        job: JobId,
        /// Item number.
        index: u32,
        /// The encrypted answer.
        #[serde(with = "codec::bytes")]
        bytes: Vec<u8>,
        /// Encoded `Signed<Receipt>`.
        #[serde(with = "codec::bytes")]
        receipt: Vec<u8>,
    },
    /// Something was refused; the box goes on.
    Refused {
        /// Sequence number of the refused message, 0 when it could not be read.
        sequence: u64,
        /// Why.
        code: Refusal,
        /// The job it concerns, if any.
        job: Option<JobId>,
    },
    /// When a job will be answered, from the speed measured on this box. From version 2 on.
    Outlook {
        /// The job.
        job: JobId,
        /// Items of anybody that are computed before the job's next one.
        ahead: u32,
        /// Seconds until the job's last item is answered; `None` before anything was measured.
        left_s: Option<u32>,
    },
    /// One item is given up for good, the others of its job go on. From version 2 on.
    Dead {
        /// The job.
        job: JobId,
        /// Item number.
        index: u32,
        /// Why.
        code: Refusal,
    },
    /// The box holds no evaluation keys of this device any more. From version 2 on.
    Revoked {
        /// Objects that were forgotten.
        objects: u32,
    },
}

/// What a box accepts, in its welcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Largest object, bytes.
    pub max_object_bytes: u64,
    /// Largest encrypted item, bytes.
    pub max_item_bytes: u32,
    /// Chunks in flight at once.
    pub window_chunks: u32,
    /// Jobs one device may have waiting.
    pub max_jobs: u32,
}

/// A model the box runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelOffer {
    /// Model id from the verified manifest, `[a-z][a-z0-9-]{0,63}`.
    #[serde(deserialize_with = "job::model_id")]
    pub model_id: String,
    /// SHA-256 of the manifest.
    pub model_hash: Digest,
    /// SHA-256 of the cryptographic parameters.
    pub parameter_hash: Digest,
    /// Security counter from the manifest.
    pub security_counter: u32,
}

/// What the box holds under a client id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum KeyState {
    /// Nothing.
    Missing,
    /// Some chunks of an object.
    Partial {
        /// The object.
        object: Digest,
        /// Chunks present.
        have: u32,
        /// Chunks in all.
        of: u32,
    },
    /// A complete, conforming object.
    Stored {
        /// The object, whose digest is the key fingerprint.
        object: Digest,
    },
}

/// Where an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Phase {
    /// Waiting behind `ahead` items.
    Queued {
        /// Items before it.
        ahead: u32,
    },
    /// Being computed: `done` of `of` steps. What a step is, the box decides: all take about the same time.
    Computing {
        /// Steps finished.
        done: u32,
        /// Steps in all.
        of: u32,
    },
}

/// Why a box refused something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The message could not be decoded.
    #[error("the message is malformed")]
    Malformed,
    /// The message is larger than allowed.
    #[error("the message is too large")]
    TooLarge,
    /// No common protocol version.
    #[error("no common protocol version")]
    WrongVersion,
    /// The signature does not belong to the sender.
    #[error("the signature is wrong")]
    BadSignature,
    /// The sender is not enrolled here, or not for this topic.
    #[error("the device is not enrolled at this box")]
    UnknownDevice,
    /// No such session; say hello again.
    #[error("the session is unknown: a new one must be opened")]
    UnknownSession,
    /// The message was seen before or is out of order.
    #[error("the message was already seen")]
    Replayed,
    /// The box does not run this model.
    #[error("the box does not run this model")]
    UnknownModel,
    /// The box has no such evaluation keys; send them again.
    #[error("the box has no such evaluation keys: they must be sent again")]
    UnknownKey,
    /// The object is not what was offered, or not of the model's parameters.
    #[error("the object does not conform to the model's parameters")]
    NonConforming,
    /// The chunk was not asked for.
    #[error("the chunk was not asked for")]
    UnexpectedChunk,
    /// The object's hash differs from its name.
    #[error("the object's hash is wrong")]
    HashMismatch,
    /// The ticket is wrong: site, device, model, key or count.
    #[error("the ticket is not valid here")]
    BadTicket,
    /// The item belongs to no accepted job, or has a number outside it.
    #[error("the item belongs to no accepted job")]
    UnknownJob,
    /// The ciphertext is not of the model's parameters.
    #[error("the ciphertext does not conform to the model's parameters")]
    BadCiphertext,
    /// A quota or the queue is full; try later.
    #[error("the box is full: try later")]
    Busy,
    /// The box failed; the item can be sent again.
    #[error("the box failed inside: the item can be sent again")]
    Internal,
    /// The job's deadline passed before its last answer. From version 2 on.
    #[error("the deadline passed before the box could answer")]
    Overdue,
    /// The device may not send models to this box. From version 3 on.
    #[error("this device may not send models to the box")]
    NotAllowed,
}

impl DeviceMessage {
    /// Encodes the message.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Decodes a message of at most [`MAX_PAYLOAD_BYTES`] whose parts keep their own limits.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let message: Self = codec::decode(bytes, MAX_PAYLOAD_BYTES)?;
        match &message {
            Self::Chunk { bytes, .. } => codec::at_most(bytes, MAX_CHUNK_BYTES as usize)?,
            Self::Submit { ticket } | Self::Request { ticket, .. } => {
                codec::at_most(ticket, MAX_SIGNED_BYTES)?;
            }
            Self::Item { index, bytes, .. } => {
                codec::at_most(bytes, MAX_ITEM_BYTES)?;
                item_number(*index)?;
            }
            Self::Hello { .. }
            | Self::KeyStatus { .. }
            | Self::Offer { .. }
            | Self::Cancel { .. }
            | Self::Goodbye
            | Self::RevokeKeys => {}
        }
        Ok(message)
    }
}

impl BoxMessage {
    /// Encodes the message.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Decodes a message of at most [`MAX_PAYLOAD_BYTES`] whose parts keep their own limits.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let message: Self = codec::decode(bytes, MAX_PAYLOAD_BYTES)?;
        match &message {
            Self::Answer {
                index,
                bytes,
                receipt,
                ..
            } => {
                codec::at_most(bytes, MAX_ANSWER_BYTES)?;
                codec::at_most(receipt, MAX_SIGNED_BYTES)?;
                item_number(*index)?;
            }
            Self::Progress { index, .. } | Self::Dead { index, .. } => item_number(*index)?,
            Self::Welcome { .. }
            | Self::KeyState { .. }
            | Self::Want { .. }
            | Self::Stored { .. }
            | Self::Accepted { .. }
            | Self::Refused { .. }
            | Self::Outlook { .. }
            | Self::Revoked { .. } => {}
        }
        Ok(message)
    }
}

/// No job has more than [`MAX_ITEMS`].
fn item_number(index: u32) -> Result<(), DecodeError> {
    if index < MAX_ITEMS {
        Ok(())
    } else {
        Err(DecodeError::PeerMalformed)
    }
}

#[cfg(test)]
mod tests;
