//! Open jobs: what the receipt of each answer must say.

use std::fmt;

use obscura_protocol::{
    identity::{Digest, JobId, PeerName},
    job::Expected,
};

/// One record at the box, or on its way there.
#[derive(Clone, PartialEq, Eq)]
pub struct OpenJob {
    /// The job.
    pub job: JobId,
    /// The name the user gave the record; it may speak of a patient.
    pub label: String,
    /// SHA-256 of the encrypted record.
    pub input_hash: Digest,
    /// Model id.
    pub model_id: String,
    /// SHA-256 of the manifest.
    pub model_hash: Digest,
    /// Security counter of the manifest.
    pub security_counter: u32,
    /// SHA-256 of the cryptographic parameters.
    pub parameter_hash: Digest,
    /// SHA-256 of the evaluation keys.
    pub key_fingerprint: Digest,
    /// SHA-256 of the first answer that was accepted.
    pub accepted: Option<Digest>,
}

impl OpenJob {
    /// What the receipt of its only item must repeat.
    pub fn expected<'a>(&'a self, box_name: &'a PeerName) -> Expected<'a> {
        Expected {
            job: self.job,
            item: 0,
            input_hash: self.input_hash,
            model_id: &self.model_id,
            model_hash: self.model_hash,
            security_counter: self.security_counter,
            parameter_hash: self.parameter_hash,
            key_fingerprint: self.key_fingerprint,
            box_name,
        }
    }
}

impl fmt::Debug for OpenJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenJob({})", self.job)
    }
}
