//! What happens to the gate, and what it wants done.

use std::{collections::BTreeMap, time::Duration};

use obscura_local::appliance::{Answer, ComputeModel, ItemFault, KeyFault};
use obscura_protocol::{
    identity::{ClientId, Digest, JobId, PeerName, SessionId},
    message::Refusal,
    transfer::ObjectHeader,
};

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// The carrier is connected and subscribed.
    CarrierUp,
    /// The carrier lost its connection.
    CarrierDown,
    /// Bytes arrived on the topic of `device`.
    Received {
        /// The device whose topic it was.
        device: PeerName,
        /// The bytes, unchecked.
        bytes: Vec<u8>,
    },
    /// Compute is connected and runs these models.
    ComputeUp {
        /// The models.
        models: Vec<ComputeModel>,
    },
    /// Compute is gone; what it was doing is lost.
    ComputeDown,
    /// Compute finished loading keys, or refused them.
    KeysLoaded {
        /// SHA-256 of the object.
        fingerprint: Digest,
        /// Why not.
        outcome: Result<(), KeyFault>,
    },
    /// Compute moved an item.
    ItemMoved {
        /// The job.
        job: JobId,
        /// The item.
        item: u32,
        /// Steps finished, in compute's unit.
        done: u32,
        /// Steps in all.
        of: u32,
    },
    /// Compute finished an item, or refused it.
    ItemDone {
        /// The job.
        job: JobId,
        /// The item.
        item: u32,
        /// The answer, or why there is none.
        outcome: Result<Answer, ItemFault>,
    },
    /// The store could not do what it was asked for this client.
    StoreFailed {
        /// The client.
        client: ClientId,
    },
    /// Messages of a device, or to it, found no room and are gone.
    Dropped {
        /// The device.
        device: PeerName,
        /// How many of its messages.
        from: u64,
        /// How many messages to it.
        to: u64,
    },
    /// An object was read from end to end, after [`Effect::Hash`].
    Hashed {
        /// The client it is filed under.
        client: ClientId,
        /// SHA-256 of its bytes; `None` when they cannot be read.
        digest: Option<Digest>,
    },
    /// The store has handed a bundle over, durably, after [`StoreChange::Deliver`].
    Delivered {
        /// The client it was filed under.
        client: ClientId,
    },
    /// Some time passed; comes about once a second.
    Tick,
    /// The gate is about to end.
    Ending,
}

/// Something to be done, in the order given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send an envelope to a device.
    Publish {
        /// The device.
        device: PeerName,
        /// The envelope.
        bytes: Vec<u8>,
    },
    /// Change the store.
    Store(StoreChange),
    /// Read an object from end to end and say its SHA-256, beside everything else.
    Hash {
        /// The client it is filed under.
        client: ClientId,
    },
    /// Give compute something to do, at most one thing at a time, or stop it.
    Compute(Task),
    /// The box serves, or does not any more.
    Ready(bool),
    /// Write a line to the log.
    Note(Note),
}

/// A change of the store of evaluation keys and half-sent bundles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreChange {
    /// Begin an object, replacing what was filed under its client.
    Create {
        /// The owner.
        device: PeerName,
        /// The object.
        object: ObjectHeader,
    },
    /// Write a chunk.
    Write {
        /// The client it is filed under.
        client: ClientId,
        /// Where.
        offset: u64,
        /// What.
        bytes: Vec<u8>,
    },
    /// Make everything written so far durable, then this bitmap.
    Persist {
        /// The client.
        client: ClientId,
        /// One bit per chunk written.
        bitmap: Vec<u8>,
    },
    /// Record that the object is complete and conforms.
    MarkConforming {
        /// The client.
        client: ClientId,
    },
    /// Record that the object was used now.
    Touch {
        /// The client.
        client: ClientId,
    },
    /// Hand a whole bundle over to the folder of new models, and forget it here.
    Deliver {
        /// The client.
        client: ClientId,
        /// SHA-256 of the bundle, its name there.
        digest: Digest,
    },
    /// Delete the object.
    Remove {
        /// The client.
        client: ClientId,
    },
}

/// Work for compute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// Forget these keys.
    Forget {
        /// SHA-256 of the object.
        fingerprint: Digest,
    },
    /// Load these keys from the store.
    Load {
        /// The object.
        object: ObjectHeader,
    },
    /// Evaluate an item.
    Evaluate {
        /// The job.
        job: JobId,
        /// The item.
        item: u32,
        /// SHA-256 of the model's manifest.
        model_hash: Digest,
        /// SHA-256 of the keys.
        key_fingerprint: Digest,
        /// The encrypted input.
        bytes: Vec<u8>,
    },
    /// Stop the item of this job that is being evaluated. Its outcome follows as ever.
    Cancel {
        /// The job.
        job: JobId,
    },
}

/// Why an item that was being computed was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The device withdrew its job.
    Withdrawn,
    /// The device is gone, or came back and did not ask for the item again.
    Abandoned,
    /// It took longer than an item may take.
    Overdue,
    /// Its job's deadline passed.
    Late,
}

/// A line for the log: names and numbers only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// Messages on topics of devices outside the roster.
    UnknownDevices {
        /// How many since the last such line.
        messages: u64,
    },
    /// Messages that prove no sender.
    Unauthenticated {
        /// How many since the last such line.
        messages: u64,
        /// The topic of the last one.
        device: PeerName,
        /// What was wrong with the last one.
        code: Refusal,
    },
    /// A message of a proven sender was refused.
    Refused {
        /// The sender.
        device: PeerName,
        /// Why.
        code: Refusal,
    },
    /// A device opened a session.
    SessionOpened {
        /// The device.
        device: PeerName,
    },
    /// Keys are complete and conform.
    KeysStored {
        /// The owner.
        device: PeerName,
        /// Their name.
        client: ClientId,
        /// Their length.
        len_bytes: u64,
    },
    /// Keys were deleted.
    KeysRemoved {
        /// The owner.
        device: PeerName,
        /// Their name.
        client: ClientId,
    },
    /// A bundle arrived whole and waits for the next start.
    BundleStored {
        /// The sender.
        device: PeerName,
        /// SHA-256 of the bundle.
        object: Digest,
        /// Its length.
        len_bytes: u64,
    },
    /// A bundle that was being sent was deleted.
    BundleDropped {
        /// The sender.
        device: PeerName,
        /// SHA-256 of the bundle.
        object: Digest,
    },
    /// A ticket was accepted.
    JobAccepted {
        /// The device.
        device: PeerName,
        /// The job.
        job: JobId,
        /// Its items.
        items: u32,
    },
    /// An item was answered.
    ItemAnswered {
        /// The device.
        device: PeerName,
        /// The job.
        job: JobId,
        /// The item.
        item: u32,
    },
    /// An item was given up for good.
    ItemDead {
        /// The device.
        device: PeerName,
        /// Its job.
        job: JobId,
        /// The item.
        item: u32,
        /// Why.
        code: Refusal,
    },
    /// An item that was being computed was stopped.
    ItemStopped {
        /// The device.
        device: PeerName,
        /// The job.
        job: JobId,
        /// The item.
        item: u32,
        /// Why.
        why: Stop,
    },
    /// Compute died or failed and the work is queued again.
    WorkRepeated {
        /// How often it was tried.
        attempts: u32,
    },
    /// What was refused and dropped since the gate started.
    Summary {
        /// By device of the roster.
        devices: BTreeMap<PeerName, Counts>,
        /// Messages on topics of devices outside the roster.
        unknown: u64,
    },
}

/// What was refused and dropped of one device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Invariant: each code once, in the order in which they first came.
    refused: Vec<(Refusal, u64)>,
    /// Messages of the device that were not looked at, because too many before were refused.
    pub ignored: u64,
    /// Messages of the device that found no room.
    pub dropped_from: u64,
    /// Messages to the device that it did not take.
    pub dropped_to: u64,
}

impl Counts {
    /// Counts a refusal.
    pub fn refuse(&mut self, code: Refusal) {
        match self.refused.iter_mut().find(|(known, _)| *known == code) {
            Some((_, count)) => *count += 1,
            None => self.refused.push((code, 1)),
        }
    }

    /// Refusals by their reason.
    pub fn refused(&self) -> &[(Refusal, u64)] {
        &self.refused
    }

    /// Refusals for this reason.
    pub fn refused_as(&self, code: Refusal) -> u64 {
        let known = self.refused.iter().find(|(known, _)| *known == code);
        known.map_or(0, |(_, count)| *count)
    }

    /// Everything that is counted here.
    pub fn total(&self) -> u64 {
        let refused: u64 = self.refused.iter().map(|(_, count)| count).sum();
        refused + self.ignored + self.dropped_from + self.dropped_to
    }
}

/// An object found in the store at start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredObject {
    /// The owner.
    pub device: PeerName,
    /// The object.
    pub object: ObjectHeader,
    /// One bit per chunk written.
    pub bitmap: Vec<u8>,
    /// Whether it was found complete and conforming before.
    pub conforming: bool,
    /// Since its last use, or its last chunk.
    pub unused: Duration,
}

/// Randomness.
pub trait Entropy {
    /// A fresh session id.
    ///
    /// # Errors
    /// The operating system has no randomness; no session can be opened then.
    fn session_id(&mut self) -> Result<SessionId, NoEntropy>;
}

/// There is no randomness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gives no randomness")]
pub struct NoEntropy;
