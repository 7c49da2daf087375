//! What the link needs from its surroundings, in its own words.

use obscura_protocol::identity::JobId;

use crate::domain::job::Entry;

/// Unpredictable bytes.
pub trait Random {
    /// A fresh challenge. Nothing secret depends on it: it tells an answer to this hello from an older one.
    fn challenge(&mut self) -> [u8; 16];
}

/// Keeps jobs across the death of the process: tickets and ciphertexts, no patient data.
pub trait Journal {
    /// Why the journal could not be used.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Keeps a job until it is removed.
    ///
    /// # Errors
    /// When the job might not survive.
    fn put(&mut self, job: JobId, entry: &Entry) -> Result<(), Self::Error>;

    /// Keeps one more item of a job that was put.
    ///
    /// # Errors
    /// When the item might not survive.
    fn put_item(&mut self, job: JobId, index: u32, bytes: &[u8]) -> Result<(), Self::Error>;

    /// Removes one item of a job; one that is not there is removed already.
    ///
    /// # Errors
    /// When it might come back.
    fn remove_item(&mut self, job: JobId, index: u32) -> Result<(), Self::Error>;

    /// Removes a job with its items; one that is not there is removed already.
    ///
    /// # Errors
    /// When it might come back.
    fn remove(&mut self, job: JobId) -> Result<(), Self::Error>;

    /// Every job that was put and not removed, entries that cannot be read left out.
    ///
    /// # Errors
    /// When the journal itself cannot be read.
    fn load(&mut self) -> Result<Vec<Entry>, Self::Error>;
}
