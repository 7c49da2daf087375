//! What the trust process needs from the outside.

use std::{
    io,
    path::{Path, PathBuf},
};

use obscura_protocol::job::FloorKind;

use crate::domain::{Floors, SlotId, Slots};

/// Where signed bundles and changes of root arrive: over a carrier, or by hand.
pub trait Inbox {
    /// Everything that lies there, by where it is; nothing is said of its content.
    ///
    /// # Errors
    /// The place itself cannot be read.
    fn candidates(&self) -> io::Result<Vec<PathBuf>>;

    /// The bytes of a candidate, unchecked: whole when they are at most `max_bytes`, longer than that otherwise.
    ///
    /// # Errors
    /// The candidate cannot be read.
    fn read(&self, candidate: &Path, max_bytes: usize) -> io::Result<Vec<u8>>;

    /// Deletes a candidate.
    ///
    /// # Errors
    /// It could not be deleted.
    fn remove(&self, candidate: &Path) -> io::Result<()>;
}

/// Two slots per model id. Every write is durable when it returns, and whole or not at all.
pub trait SlotStore {
    /// The models that have slots.
    ///
    /// # Errors
    /// The place cannot be read.
    fn models(&self) -> io::Result<Vec<String>>;

    /// The state of a model's slots; `None` when there is none, or none that can be understood.
    ///
    /// # Errors
    /// It is there and cannot be read.
    fn state(&self, model: &str) -> io::Result<Option<Slots>>;

    /// Keeps the state of a model's slots.
    ///
    /// # Errors
    /// It could not be written; the former state is there still.
    fn keep(&self, model: &str, slots: &Slots) -> io::Result<()>;

    /// The bytes in a slot, unchecked: whole when they are at most `max_bytes`, longer than that otherwise.
    ///
    /// # Errors
    /// They cannot be read, or there are none.
    fn read(&self, model: &str, slot: SlotId, max_bytes: usize) -> io::Result<Vec<u8>>;

    /// Puts a bundle into a slot, in place of what was there.
    ///
    /// # Errors
    /// It could not be written; what was there is there still.
    fn write(&self, model: &str, slot: SlotId, bytes: &[u8]) -> io::Result<()>;
}

/// Changes of root that were believed, by version.
pub trait RootStore {
    /// The change to `version`; `None` when there is none.
    ///
    /// # Errors
    /// It is there and cannot be read.
    fn read(&self, version: u32) -> io::Result<Option<Vec<u8>>>;

    /// Keeps the change to `version`, durably and whole or not at all.
    ///
    /// # Errors
    /// It could not be written.
    fn write(&self, version: u32, bytes: &[u8]) -> io::Result<()>;
}

/// Why there is no floor to go by.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FloorError {
    /// The box was provisioned and has no floors any more.
    #[error("the rollback floors are missing: somebody deleted them, or the disk lost them")]
    TamperMissing,
    /// The record is not one this program wrote.
    #[error("the rollback floors are damaged")]
    TamperDamaged,
    /// The record cannot be read or written.
    #[error("the rollback floors cannot be reached")]
    DeviceIo(#[from] io::Error),
}

/// Where the rollback floors are kept.
pub trait FloorStore {
    /// What keeps them, as receipts say it.
    fn kind(&self) -> FloorKind;

    /// The floors.
    ///
    /// # Errors
    /// [`FloorError`]; a box that is told so runs nothing.
    fn read(&self) -> Result<Floors, FloorError>;

    /// Keeps the floors durably.
    ///
    /// # Errors
    /// [`FloorError`]; the former floors are there still.
    fn write(&self, floors: &Floors) -> Result<(), FloorError>;
}
