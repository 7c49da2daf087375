//! Why the vault refuses, and what class of failure each is.

use obscura_local::agent::{Problem, VaultFault};
use obscura_protocol::{
    identity::JobId,
    job::{PeerReceiptMismatch, StatementError},
};

use crate::ports::{ModelFailure, StoreError};

/// Why the vault refuses or fails.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// Nothing was unlocked.
    #[error("the vault is locked")]
    MisuseLocked,
    /// The secret file.
    #[error("the vault file cannot be used: {0}")]
    Secrets(#[source] StoreError),
    /// The list of open jobs.
    #[error("the list of open records cannot be used: {0}")]
    Jobs(#[source] StoreError),
    /// The pixels of an image under way.
    #[error("the image kept beside the vault cannot be used: {0}")]
    Scan(#[source] StoreError),
    /// The pixels of an image under way are gone.
    #[error("the image of job {job} is lost: enter it again")]
    ScanLost {
        /// The image's job.
        job: JobId,
        /// Missing or altered.
        source: StoreError,
    },
    /// The evaluation key file.
    #[error("the evaluation key file beside the vault cannot be used: {0}")]
    KeyObject(#[source] StoreError),
    /// No keys were made for this model's parameters.
    #[error("there are no keys for this model's parameters")]
    NoKeys,
    /// The record does not fit the contract.
    #[error("the record has {} problems", .0.len())]
    BadRecord(Vec<Problem>),
    /// The model or its cryptography.
    #[error(transparent)]
    Model(#[from] ModelFailure),
    /// The model reads images and was given a record.
    #[error("this device's model reads images, not records: use `obscura-agent scan`")]
    MisuseReadsImages,
    /// The model reads records and was given an image.
    #[error("this device's model reads records, not images: use `obscura-agent record`")]
    MisuseReadsRecords,
    /// No such job, or no such item of it.
    #[error("job {0} is not open on this device")]
    UnknownJob(JobId),
    /// The job was opened for a model this device does not have any more.
    #[error("job {0} was meant for another model than this device has now: enter it again")]
    OtherModel(JobId),
    /// The receipt is not one of the pinned box.
    #[error("the receipt was not signed by the enrolled box: {0}")]
    PeerReceipt(#[source] StatementError),
    /// The receipt speaks of something else.
    #[error("{0}")]
    PeerMismatch(#[from] PeerReceiptMismatch),
    /// The job was answered before, differently.
    #[error("job {0} was answered before with another answer")]
    PeerSecondAnswer(JobId),
    /// The probability lies further from the score's than the parameters allow.
    #[error("the answer to job {0} lies outside the stated table error: the box computed wrongly")]
    PeerImplausible(JobId),
}

impl VaultError {
    /// The class of the failure.
    pub fn fault(&self) -> VaultFault {
        match self {
            Self::MisuseLocked => VaultFault::Locked,
            Self::Secrets(StoreError::WrongPassword) => VaultFault::WrongPassword,
            Self::Secrets(StoreError::Missing) => VaultFault::NoVault,
            Self::Secrets(StoreError::Exists) => VaultFault::VaultExists,
            Self::NoKeys => VaultFault::NoKeys,
            Self::KeyObject(StoreError::Missing | StoreError::Altered) => VaultFault::KeysLost,
            Self::UnknownJob(_) => VaultFault::UnknownJob,
            Self::MisuseReadsImages | Self::MisuseReadsRecords => VaultFault::OtherKind,
            Self::OtherModel(_) | Self::ScanLost { .. } => VaultFault::JobLost,
            Self::PeerReceipt(_)
            | Self::PeerMismatch(_)
            | Self::PeerSecondAnswer(_)
            | Self::PeerImplausible(_) => VaultFault::Trust,
            Self::Secrets(_)
            | Self::Jobs(_)
            | Self::Scan(_)
            | Self::KeyObject(_)
            | Self::BadRecord(_)
            | Self::Model(_) => VaultFault::Internal,
        }
    }
}
