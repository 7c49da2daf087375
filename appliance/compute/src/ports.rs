//! What the evaluator needs from the outside: an engine, a source of models and receipts, and the time.

use std::{sync::atomic::AtomicBool, time::Duration};

use obscura_local::appliance::{ReceiptRequest, TrustRefusal, VerifiedModel};

use crate::domain::Progress;

/// Why a verified model cannot be evaluated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The bundle names a scheme no engine here realises.
    #[error("no engine realises the scheme {scheme:?}")]
    UnknownScheme {
        /// The name in the manifest.
        scheme: String,
    },
    /// A file of the model is not what the engine expects.
    #[error("{file} cannot be used")]
    BadFile {
        /// Which file.
        file: &'static str,
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file of the model could not be had.
    #[error("{file} could not be read from trust")]
    MissingFile {
        /// Which file.
        file: &'static str,
        /// Why.
        source: TrustError,
    },
}

/// The object is not of the model's parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the object does not conform to the model's parameters")]
pub struct NonConforming;

/// Why an engine gave no answer. Keys and model are as they were before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EngineFault {
    /// The item is not of the model's parameters.
    #[error("the item does not conform to the model's parameters")]
    NonConforming,
    /// It was asked to stop.
    #[error("the evaluation was cancelled")]
    Cancelled,
    /// It would need more memory than it was given.
    #[error("the evaluation needs more memory than it was given")]
    OutOfMemory,
    /// The engine is at fault, not the item.
    #[error("the engine failed")]
    Failed,
}

/// How an evaluation is watched, stopped and bounded.
#[derive(Clone, Copy)]
pub struct Control<'a> {
    /// Hears of every step, from any thread of the engine, at least at the end of every layer.
    pub progress: &'a (dyn Fn(Progress) + Sync),
    /// Once set, the engine returns [`EngineFault::Cancelled`] within a second.
    pub cancel: &'a AtomicBool,
    /// Memory the evaluation may use besides model and keys, bytes.
    pub memory_bytes: usize,
}

impl std::fmt::Debug for Control<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (cancel, memory_bytes) = (self.cancel, self.memory_bytes);
        write!(f, "Control(cancel: {cancel:?}, memory_bytes: {memory_bytes})")
    }
}

/// Sizes and names an engine derives from a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// SHA-256 of the cryptographic parameters.
    pub parameter_hash: [u8; 32],
    /// Exact length of an encrypted input.
    pub request_bytes: usize,
    /// Exact length of an evaluation key object.
    pub key_bytes: usize,
    /// Predicted memory of one client's keys, ready to be used, bytes.
    pub key_memory_bytes: usize,
    /// Predicted memory of one evaluation besides model and keys, bytes.
    pub evaluation_bytes: usize,
}

/// Reads a file of the model being opened.
pub type ReadFile<'a> = &'a mut dyn FnMut(&'static str) -> Result<Vec<u8>, OpenError>;

/// One or several realisations of encrypted evaluation. An engine keeps nothing between two evaluations, so
/// that one that failed or was cancelled leaves no trace in the next.
pub trait Engine: Send + Sync {
    /// A model, ready to be evaluated.
    type Model: Send + Sync;
    /// A client's evaluation keys, ready to be used.
    type Keys: Send;

    /// Prepares a model of `scheme`.
    ///
    /// # Errors
    /// [`OpenError`].
    fn open(&self, scheme: &str, read: ReadFile<'_>) -> Result<Self::Model, OpenError>;

    /// What is known of a prepared model.
    fn facts(&self, model: &Self::Model) -> Facts;

    /// What `layer`, counted from 0, is called in the model.
    fn layer_name<'m>(&self, model: &'m Self::Model, layer: usize) -> &'m str;

    /// Checks and expands evaluation keys for `model` and every model of the same parameters.
    ///
    /// # Errors
    /// [`NonConforming`].
    fn load_keys(&self, model: &Self::Model, bytes: &[u8]) -> Result<Self::Keys, NonConforming>;

    /// Memory the keys hold, bytes.
    fn key_memory_bytes(&self, keys: &Self::Keys) -> usize;

    /// Evaluates one item.
    ///
    /// # Errors
    /// [`EngineFault`].
    fn evaluate(
        &self,
        model: &Self::Model,
        keys: &Self::Keys,
        item: &[u8],
        control: Control<'_>,
    ) -> Result<Vec<u8>, EngineFault>;
}

/// Time, for what is told and logged.
pub trait Clock: Send + Sync {
    /// Time since some fixed moment.
    fn now(&self) -> Duration;
}

/// Why trust gave no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// The connection failed.
    #[error("trust cannot be reached")]
    Unreachable(#[from] obscura_local::ChannelError),
    /// Trust refused.
    #[error("trust refused")]
    Refused(#[from] TrustRefusal),
    /// Trust answered something else than asked.
    #[error("trust gave an answer to another question")]
    UnexpectedReply,
    /// A file is larger than any bundle.
    #[error("the file is {got_bytes} bytes, at most {max_bytes} are allowed")]
    FileTooLarge {
        /// Its length.
        got_bytes: u64,
        /// Length allowed.
        max_bytes: u64,
    },
}

/// The trust process.
pub trait Trust: Send {
    /// The verified models.
    ///
    /// # Errors
    /// [`TrustError`].
    fn models(&mut self) -> Result<Vec<VerifiedModel>, TrustError>;

    /// Says whether a model is good; the model to load instead of a bad one, when there is another.
    ///
    /// # Errors
    /// [`TrustError`].
    fn verdict(&mut self, model: &VerifiedModel, good: bool) -> Result<Option<VerifiedModel>, TrustError>;

    /// A whole file of a verified model.
    ///
    /// # Errors
    /// [`TrustError`].
    fn file(&mut self, model: &VerifiedModel, name: &str) -> Result<Vec<u8>, TrustError>;

    /// A signed receipt.
    ///
    /// # Errors
    /// [`TrustError`].
    fn receipt(&mut self, request: &ReceiptRequest) -> Result<Vec<u8>, TrustError>;
}
