//! Open jobs: what the receipt of each answer must say, and which answers were accepted.

use std::fmt;

use obscura_protocol::{
    identity::{Digest, JobId, PeerName},
    job::{Expected, Receipt},
};
use zeroize::Zeroizing;

/// One record or image at the box, or on its way there.
#[derive(Clone, PartialEq, Eq)]
pub struct OpenJob {
    /// The job.
    pub job: JobId,
    /// The name the user gave it; it may speak of a patient.
    pub label: String,
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
    /// Its items: one of a record, one per patch of an image.
    pub items: Vec<OpenItem>,
    /// The receipt of the answer that was accepted last.
    pub receipt: Option<Receipt>,
}

/// One item of an open job.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct OpenItem {
    /// SHA-256 of its ciphertext, once it was encrypted.
    pub input_hash: Option<Digest>,
    /// The first answer that was accepted.
    pub accepted: Option<Accepted>,
}

/// An accepted answer. A diagnosis: never printed, wiped on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct Accepted {
    /// SHA-256 of the encrypted answer.
    pub answer_hash: Digest,
    /// The decrypted outputs of a patch; empty for a record, whose result is shown at once.
    pub outputs: Zeroizing<Vec<i64>>,
}

impl OpenJob {
    /// What the receipt of item `index` must repeat; `None` when it was never encrypted.
    pub fn expected<'a>(&'a self, index: u32, box_name: &'a PeerName) -> Option<Expected<'a>> {
        Some(Expected {
            job: self.job,
            item: index,
            input_hash: self.items.get(index as usize)?.input_hash?,
            model_id: &self.model_id,
            model_hash: self.model_hash,
            security_counter: self.security_counter,
            parameter_hash: self.parameter_hash,
            key_fingerprint: self.key_fingerprint,
            box_name,
        })
    }

    /// Numbers of the items without an accepted answer.
    pub fn unanswered(&self) -> Vec<u32> {
        let items = (0..).zip(&self.items);
        items
            .filter(|(_, item)| item.accepted.is_none())
            .map(|(index, _)| index)
            .collect()
    }

    /// Outputs of every item, once all were accepted.
    pub fn outputs(&self) -> Option<Vec<Vec<i64>>> {
        let outputs = |item: &OpenItem| Some(item.accepted.as_ref()?.outputs.to_vec());
        self.items.iter().map(outputs).collect()
    }
}

impl fmt::Debug for OpenJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenJob({})", self.job)
    }
}

impl fmt::Debug for OpenItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match (&self.input_hash, &self.accepted) {
            (_, Some(_)) => "accepted",
            (Some(_), None) => "encrypted",
            (None, None) => "new",
        };
        write!(f, "OpenItem({state})")
    }
}

impl fmt::Debug for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Accepted({:.16})", self.answer_hash)
    }
}
