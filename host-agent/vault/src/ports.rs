//! What the vault needs from its surroundings, in its own words.

use std::fmt;

use obscura_local::agent::{ContractView, Problem, Reading, Record, ScanReading};
use obscura_protocol::{
    identity::{Digest, JobId},
    transfer::ObjectHeader,
};
use zeroize::Zeroizing;

use crate::domain::{bounds::TableBounds, job::OpenJob, secrets::Secrets};

/// Why a store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The password is wrong or the file was altered; nobody can tell which.
    #[error("wrong password, or the file was altered")]
    WrongPassword,
    /// There is nothing.
    #[error("there is no such file")]
    Missing,
    /// There is something already.
    #[error("the file exists already")]
    Exists,
    /// The content is not what it was when it was written.
    #[error("the file was altered or is not of this program")]
    Altered,
    /// The operating system refused.
    #[error("the file cannot be read or written")]
    Device(#[source] std::io::Error),
    /// The password could not be turned into a key.
    #[error("the file cannot be sealed or opened on this machine")]
    Sealing(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Keeps the secrets under a password.
pub trait SecretStore {
    /// Whether there is anything.
    fn exists(&self) -> bool;

    /// Reads everything.
    ///
    /// # Errors
    /// [`StoreError::WrongPassword`] for a wrong password and for an altered file alike.
    fn load(&self, password: &[u8]) -> Result<Secrets, StoreError>;

    /// Writes everything where nothing is.
    ///
    /// # Errors
    /// [`StoreError::Exists`] and others.
    fn create(&self, password: &[u8], secrets: &Secrets) -> Result<(), StoreError>;

    /// Replaces everything, at once or not at all.
    ///
    /// # Errors
    /// [`StoreError`]; the old content is untouched then.
    fn replace(&self, password: &[u8], secrets: &Secrets) -> Result<(), StoreError>;
}

/// Keeps the list of open jobs under a random key.
pub trait JobStore {
    /// Reads the list; an absent one is empty.
    ///
    /// # Errors
    /// [`StoreError`].
    fn load(&self, key: &[u8; 32]) -> Result<Vec<OpenJob>, StoreError>;

    /// Replaces the list.
    ///
    /// # Errors
    /// [`StoreError`].
    fn save(&self, key: &[u8; 32], jobs: &[OpenJob]) -> Result<(), StoreError>;
}

/// Keeps the pixels of images whose jobs are open, under the same random key.
pub trait ScanStore {
    /// Keeps the pixels of a job.
    ///
    /// # Errors
    /// [`StoreError`].
    fn put(&self, key: &[u8; 32], job: JobId, pixels: &[u8]) -> Result<(), StoreError>;

    /// The pixels of a job.
    ///
    /// # Errors
    /// [`StoreError::Missing`] and others.
    fn load(&self, key: &[u8; 32], job: JobId) -> Result<Zeroizing<Vec<u8>>, StoreError>;

    /// Lets go of all but those of `jobs`.
    ///
    /// # Errors
    /// [`StoreError`].
    fn retain(&self, jobs: &[JobId]) -> Result<(), StoreError>;
}

/// Keeps evaluation key objects, which are public, by their digest.
pub trait KeyObjects {
    /// Keeps an object and lets go of all others but `also`.
    ///
    /// # Errors
    /// [`StoreError`].
    fn put(&mut self, digest: Digest, bytes: &[u8], also: &[Digest]) -> Result<(), StoreError>;

    /// One chunk of an object whose digest was checked since it was opened.
    ///
    /// # Errors
    /// [`StoreError::Missing`], or [`StoreError::Altered`] when the digest is wrong or there is no such chunk.
    fn chunk(&mut self, object: &ObjectHeader, index: u32) -> Result<Vec<u8>, StoreError>;
}

/// Why the model or its cryptography failed.
#[derive(Debug, thiserror::Error)]
#[error("{operation} failed")]
pub struct ModelFailure {
    /// What was tried.
    pub operation: &'static str,
    /// Why; says nothing of keys, records or results.
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// Facts about the verified model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelFacts {
    /// Model id.
    pub model_id: String,
    /// Version.
    pub version: String,
    /// SHA-256 of the manifest.
    pub model_hash: Digest,
    /// Security counter.
    pub security_counter: u32,
    /// SHA-256 of the cryptographic parameters.
    pub parameter_hash: Digest,
    /// SHA-256 of the root document.
    pub root_fingerprint: Digest,
}

/// New keys.
pub struct NewKeys {
    /// The secret keys, opaque.
    pub secret: Zeroizing<Vec<u8>>,
    /// The evaluation key object.
    pub evaluation_keys: Vec<u8>,
}

impl fmt::Debug for NewKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NewKeys({} public bytes)", self.evaluation_keys.len())
    }
}

/// What a decision is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecisionText {
    /// In a few words.
    pub label: String,
    /// What it means.
    pub text: String,
}

/// The verified model with its contract and its cryptography.
pub trait Model {
    /// Facts about it.
    fn facts(&self) -> &ModelFacts;

    /// Its contract, for showing.
    fn contract(&self) -> ContractView;

    /// How it reads what the device gives it.
    fn reader(&self) -> Reader<'_>;

    /// Makes fresh keys, telling steps done and steps in all.
    ///
    /// # Errors
    /// [`ModelFailure`].
    fn generate(&self, progress: &mut dyn FnMut(u32, u32)) -> Result<NewKeys, ModelFailure>;

    /// Encrypts the circuit's inputs.
    ///
    /// # Errors
    /// [`ModelFailure`].
    fn encrypt(&self, secret: &[u8], inputs: &[i64]) -> Result<Vec<u8>, ModelFailure>;
}

/// What a model reads.
#[derive(Clone, Copy)]
pub enum Reader<'a> {
    /// Records, one item each.
    Record(&'a dyn RecordReader),
    /// Images, one item per patch.
    Image(&'a dyn ImageReader),
}

impl fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Record(_) => "Record",
            Self::Image(_) => "Image",
        })
    }
}

/// A model of records.
pub trait RecordReader {
    /// Turns a record into the circuit's inputs.
    ///
    /// # Errors
    /// Everything that is wrong with the record.
    fn quantise(&self, record: &Record) -> Result<Vec<i64>, Vec<Problem>>;

    /// Decrypts an answer.
    ///
    /// # Errors
    /// [`ModelFailure`].
    fn decrypt(&self, secret: &[u8], answer: &[u8]) -> Result<Reading, ModelFailure>;

    /// Evaluates the circuit in the clear.
    ///
    /// # Errors
    /// [`ModelFailure`].
    fn reference(&self, inputs: &[i64]) -> Result<Reading, ModelFailure>;

    /// The contract's words for a score.
    fn decision(&self, score: i64) -> DecisionText;

    /// The stated table error in entries, and the probabilities within it of an exact score.
    fn bounds(&self, score: i64) -> (i64, TableBounds);
}

/// A model of images.
pub trait ImageReader {
    /// The circuit's inputs of every patch.
    ///
    /// # Errors
    /// [`ModelFailure`] when the pixels are not as many as the contract says.
    fn quantise(&self, pixels: &[u8]) -> Result<Vec<Zeroizing<Vec<i64>>>, ModelFailure>;

    /// Decrypts the answer to one patch: one output per class.
    ///
    /// # Errors
    /// [`ModelFailure`].
    fn decrypt(&self, secret: &[u8], answer: &[u8]) -> Result<Zeroizing<Vec<i64>>, ModelFailure>;

    /// Evaluates the circuit in the clear: `[patches][classes]`.
    ///
    /// # Errors
    /// [`ModelFailure`].
    fn reference(&self, patches: &[Zeroizing<Vec<i64>>]) -> Result<Vec<Vec<i64>>, ModelFailure>;

    /// What the outputs of all patches, `[patches][classes]`, mean together.
    ///
    /// # Errors
    /// [`ModelFailure`] when there are more or fewer.
    fn reading(&self, outputs: &[Vec<i64>]) -> Result<ScanReading, ModelFailure>;

    /// Predicted deviation of an encrypted output from the clear one, in the outputs' integers.
    fn deviation(&self) -> f64;
}

/// Randomness nobody can predict.
pub trait Random {
    /// Fills `out`.
    ///
    /// # Errors
    /// [`ModelFailure`] when the operating system gives none.
    fn fill(&self, out: &mut [u8]) -> Result<(), ModelFailure>;
}
