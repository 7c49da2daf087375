//! The device's side of encrypted inference: secret keys, encryption, decryption.
//!
//! Never linked into the box; a test reads the dependency tree. Secrets live in zeroizing buffers of this
//! crate, and tfhe gets views of them, because its own key types neither wipe nor hide themselves.
//! Temporaries inside tfhe's encryption routines are outside our reach.
//!
//! Failure model: bytes from disk or from the box are length-checked and conformance-checked; nothing
//! decrypted is ever part of an error.

mod bootstrap;
mod decrypt;
mod draw;
mod encrypt;
mod entropy;
mod evaluation;
#[doc(hidden)]
pub mod measure;
mod packing;
mod product;
mod rows;
mod secret;
#[cfg(test)]
mod testing;

pub use secret::SecretKeys;

use obscura_fhe_core::FormatError;

/// Why an operation of the device's side failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness")]
    DeviceEntropy(#[from] getrandom::Error),
    /// Stored secret keys are not those of the parameters.
    #[error("stored keys do not fit the model's parameters")]
    DeviceKeyFormat,
    /// An answer is not one of this plan.
    #[error(transparent)]
    PeerAnswer(#[from] FormatError),
    /// The plan was made for other parameters than the keys.
    #[error("the keys belong to other parameters than the circuit")]
    MisuseParameters,
    /// A ciphertext is not of the secret's dimension.
    #[error("the ciphertext does not fit the secret's dimension")]
    MisuseCiphertext,
    /// The inputs do not number what the circuit takes.
    #[error("the circuit takes {want} inputs, got {got}")]
    MisuseInputCount {
        /// Inputs given.
        got: usize,
        /// Inputs taken.
        want: usize,
    },
}
