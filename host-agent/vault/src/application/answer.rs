//! Accepting an answer: the receipt first, then the decryption.

use obscura_local::agent::Outcome;
use obscura_protocol::{
    identity::{Digest, JobId},
    job::{Receipt, Signed},
};

use super::{error::VaultError, vault::Vault};
use crate::domain::job::OpenJob;

impl Vault {
    /// Checks the receipt of an answer and decrypts it.
    ///
    /// The first valid answer counts: the same answer gives the same outcome again, another one is refused.
    /// The job stays open until [`Self::settle`].
    ///
    /// # Errors
    /// [`VaultError`]; nothing was decrypted unless the receipt holds in every field.
    pub fn accept(
        &mut self,
        job: JobId,
        item: u32,
        answer: &[u8],
        receipt: &[u8],
    ) -> Result<Outcome, VaultError> {
        let open = self.open.as_mut().ok_or(VaultError::MisuseLocked)?;
        let expected = open.jobs.iter_mut().find(|known| known.job == job && item == 0);
        let expected = expected.ok_or(VaultError::UnknownJob(job))?;
        let receipt = Signed::<Receipt>::verify(receipt, &self.enrolment.receipt_key)
            .map_err(VaultError::PeerReceipt)?;
        receipt
            .statement()
            .check(&expected.expected(&self.enrolment.box_name), answer)?;
        let hash = Digest::of(answer);
        if expected.accepted.is_some_and(|first| first != hash) {
            return Err(VaultError::PeerSecondAnswer(job));
        }
        let keys = open.secrets.keys_for(expected.parameter_hash);
        let keys = keys.filter(|set| set.object.digest == expected.key_fingerprint);
        let reading = self
            .ports
            .model
            .decrypt(&keys.ok_or(VaultError::NoKeys)?.secret, answer)?;
        let (table_error_entries, bounds) = self.ports.model.bounds(reading.score);
        if !bounds.contains(reading.probability) {
            return Err(VaultError::PeerImplausible(job));
        }
        let first = expected.accepted.replace(hash).is_none();
        let label = expected.label.clone();
        if first {
            self.save_jobs()?;
        }
        let decision = self.ports.model.decision(reading.score);
        Ok(Outcome {
            label,
            reading,
            probability_low: bounds.low,
            probability_high: bounds.high,
            table_error_entries,
            decision: decision.label,
            decision_text: decision.text,
            warning: self.ports.model.contract().warning,
            receipt: receipt.statement().clone(),
        })
    }

    /// Forgets a job, after its result was shown or when it is given up.
    ///
    /// # Errors
    /// [`VaultError`] when the list of open jobs cannot be written.
    pub fn settle(&mut self, job: JobId) -> Result<(), VaultError> {
        let other = |known: &OpenJob| known.job != job;
        self.unlocked()?.jobs.retain(other);
        self.save_jobs()
    }
}
