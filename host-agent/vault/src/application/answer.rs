//! Accepting an answer: the receipt first, then the decryption.

use obscura_local::agent::{Outcome, ScanOutcome};
use obscura_protocol::{
    identity::{Digest, JobId},
    job::{Receipt, Signed},
};
use zeroize::Zeroizing;

use super::{error::VaultError, vault::Vault};
use crate::{
    domain::job::{Accepted, OpenJob},
    ports::{ImageReader, Reader, RecordReader},
};

/// What follows from an accepted answer.
#[derive(Debug)]
pub enum Answered {
    /// The result of a record.
    Record(Box<Outcome>),
    /// The result of an image, whose last item this was.
    Scan(Box<ScanOutcome>),
    /// Other items of the image have no answer yet.
    Item {
        /// Items accepted.
        done: u32,
        /// Items in all.
        of: u32,
    },
}

impl Vault {
    /// Checks the receipt of an answer and decrypts it.
    ///
    /// The first valid answer to an item counts: the same answer gives the same outcome again, another one is
    /// refused. The job stays open until [`Self::settle`].
    ///
    /// # Errors
    /// [`VaultError`]; nothing was decrypted unless the receipt holds in every field.
    pub fn accept(
        &mut self,
        job: JobId,
        item: u32,
        answer: &[u8],
        receipt: &[u8],
    ) -> Result<Answered, VaultError> {
        let model_hash = self.ports.model.facts().model_hash;
        let open = self.open.as_mut().ok_or(VaultError::MisuseLocked)?;
        let known = open.jobs.iter_mut().find(|known| known.job == job);
        let known = known.ok_or(VaultError::UnknownJob(job))?;
        let expected = known.expected(item, &self.enrolment.box_name);
        let expected = expected.ok_or(VaultError::UnknownJob(job))?;
        let receipt = Signed::<Receipt>::verify(receipt, &self.enrolment.receipt_key)
            .map_err(VaultError::PeerReceipt)?;
        receipt.statement().check(&expected, answer)?;
        if known.model_hash != model_hash {
            return Err(VaultError::OtherModel(job));
        }
        let answer_hash = Digest::of(answer);
        let first = first_answer(known, item, answer_hash)?;
        let keys = open.secrets.keys_for(known.parameter_hash);
        let keys = keys.filter(|set| set.object.digest == known.key_fingerprint);
        let secret = &keys.ok_or(VaultError::NoKeys)?.secret;
        let receipt = receipt.statement();
        let (outputs, outcome) = match self.ports.model.reader() {
            Reader::Record(reader) => {
                let mut outcome = record(reader, secret, answer, receipt)?;
                outcome.label.clone_from(&known.label);
                (Zeroizing::default(), Some(outcome))
            }
            Reader::Image(reader) => (reader.decrypt(secret, answer)?, None),
        };
        if first && let Some(item) = known.items.get_mut(item as usize) {
            item.accepted = Some(Accepted { answer_hash, outputs });
            known.receipt = Some(receipt.clone());
            self.save_jobs()?;
        }
        match outcome {
            Some(mut outcome) => {
                outcome.warning = self.ports.model.contract().warning;
                Ok(Answered::Record(Box::new(outcome)))
            }
            None => self.progress(job),
        }
    }

    /// How far an image is; with its result when every item has its answer.
    fn progress(&self, job: JobId) -> Result<Answered, VaultError> {
        let known = self.job(job)?;
        match u32::try_from(known.unanswered().len()).unwrap_or(u32::MAX) {
            0 => Ok(Answered::Scan(Box::new(self.scan_result(job)?))),
            left => {
                let of = u32::try_from(known.items.len()).unwrap_or(u32::MAX);
                Ok(Answered::Item { done: of - left, of })
            }
        }
    }

    /// The result of an image whose answers were all accepted.
    ///
    /// # Errors
    /// [`VaultError::UnknownJob`] before that, and others.
    pub fn scan_result(&self, job: JobId) -> Result<ScanOutcome, VaultError> {
        let known = self.job(job)?;
        let outputs = known.outputs().zip(known.receipt.as_ref());
        let (outputs, receipt) = outputs.ok_or(VaultError::UnknownJob(job))?;
        if known.model_hash != self.ports.model.facts().model_hash {
            return Err(VaultError::OtherModel(job));
        }
        let outputs = Zeroizing::new(outputs);
        let contract = self.ports.model.contract();
        let licence = contract.licence.filter(|licence| licence.non_commercial);
        Ok(ScanOutcome {
            label: known.label.clone(),
            reading: self.images()?.reading(&outputs)?,
            warning: contract.warning,
            licence: licence.map(|licence| licence.line),
            items: u32::try_from(known.items.len()).unwrap_or(u32::MAX),
            receipt: receipt.clone(),
        })
    }

    /// An open job.
    pub(super) fn job(&self, job: JobId) -> Result<&OpenJob, VaultError> {
        let open = self.open.as_ref().ok_or(VaultError::MisuseLocked)?;
        let known = open.jobs.iter().find(|known| known.job == job);
        known.ok_or(VaultError::UnknownJob(job))
    }

    pub(super) fn images(&self) -> Result<&dyn ImageReader, VaultError> {
        match self.ports.model.reader() {
            Reader::Image(reader) => Ok(reader),
            Reader::Record(_) => Err(VaultError::MisuseReadsRecords),
        }
    }

    /// Forgets a job, after its result was shown or when it is given up.
    ///
    /// # Errors
    /// [`VaultError`] when the list of open jobs cannot be written.
    pub fn settle(&mut self, job: JobId) -> Result<(), VaultError> {
        let other = |known: &OpenJob| known.job != job;
        self.unlocked()?.jobs.retain(other);
        self.save_jobs()?;
        self.drop_scans()
    }
}

/// Whether the item had no answer before; another answer than the first is refused.
fn first_answer(job: &OpenJob, item: u32, answer_hash: Digest) -> Result<bool, VaultError> {
    let item = job
        .items
        .get(item as usize)
        .ok_or(VaultError::UnknownJob(job.job))?;
    match &item.accepted {
        Some(accepted) if accepted.answer_hash != answer_hash => Err(VaultError::PeerSecondAnswer(job.job)),
        accepted => Ok(accepted.is_none()),
    }
}

/// The outcome of a record, without label and warning.
fn record(
    reader: &dyn RecordReader,
    secret: &[u8],
    answer: &[u8],
    receipt: &Receipt,
) -> Result<Outcome, VaultError> {
    let reading = reader.decrypt(secret, answer)?;
    let (table_error_entries, bounds) = reader.bounds(reading.score);
    if !bounds.contains(reading.probability) {
        return Err(VaultError::PeerImplausible(receipt.job));
    }
    let decision = reader.decision(reading.score);
    Ok(Outcome {
        label: String::new(),
        reading,
        probability_low: bounds.low,
        probability_high: bounds.high,
        table_error_entries,
        decision: decision.label,
        decision_text: decision.text,
        warning: String::new(),
        receipt: receipt.clone(),
    })
}
