//! What the evaluator needs from the outside: an engine, and a source of models and receipts.

use obscura_local::appliance::{ReceiptRequest, TrustRefusal, VerifiedModel};

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

/// Sizes and names an engine derives from a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// SHA-256 of the cryptographic parameters.
    pub parameter_hash: [u8; 32],
    /// Exact length of an encrypted input.
    pub request_bytes: usize,
    /// Exact length of an evaluation key object.
    pub key_bytes: usize,
}

/// Reads a file of the model being opened.
pub type ReadFile<'a> = &'a mut dyn FnMut(&'static str) -> Result<Vec<u8>, OpenError>;

/// One or several realisations of encrypted evaluation.
pub trait Engine {
    /// A model, ready to be evaluated.
    type Model;
    /// A client's evaluation keys, ready to be used.
    type Keys;

    /// Prepares a model of `scheme`.
    ///
    /// # Errors
    /// [`OpenError`].
    fn open(&self, scheme: &str, read: ReadFile<'_>) -> Result<Self::Model, OpenError>;

    /// What is known of a prepared model.
    fn facts(&self, model: &Self::Model) -> Facts;

    /// Checks and expands evaluation keys for `model` and every model of the same parameters.
    ///
    /// # Errors
    /// [`NonConforming`].
    fn load_keys(&self, model: &Self::Model, bytes: &[u8]) -> Result<Self::Keys, NonConforming>;

    /// Memory the keys hold, bytes.
    fn key_memory_bytes(&self, keys: &Self::Keys) -> usize;

    /// Evaluates one item; `progress` hears layers done and layers in all.
    ///
    /// # Errors
    /// [`NonConforming`].
    fn evaluate(
        &self,
        model: &Self::Model,
        keys: &Self::Keys,
        item: &[u8],
        progress: &mut dyn FnMut(u32, u32),
    ) -> Result<Vec<u8>, NonConforming>;
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
pub trait Trust {
    /// The verified models.
    ///
    /// # Errors
    /// [`TrustError`].
    fn models(&mut self) -> Result<Vec<VerifiedModel>, TrustError>;

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
