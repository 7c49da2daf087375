//! Images: one job of many items, encrypted one by one.
//!
//! The pixels are kept, sealed, until the job is settled: whatever is interrupted, items that were never encrypted
//! can still be.

use obscura_local::agent::{Comparison, Pixels};
use obscura_protocol::{
    identity::{Digest, JobId},
    job::Ticket,
};
use zeroize::Zeroizing;

use super::{error::VaultError, vault::Vault};
use crate::{domain::job::OpenItem, ports::StoreError};

impl Vault {
    /// Keeps the pixels of an image and opens a job with one item per patch; encrypts nothing yet.
    ///
    /// # Errors
    /// [`VaultError`]; no job is open then.
    pub fn open_scan(&mut self, label: String, pixels: &Pixels) -> Result<Ticket, VaultError> {
        let patches = self.images()?.quantise(&pixels.0)?;
        let job = self.fresh_job()?;
        let open = self.open.as_ref().ok_or(VaultError::MisuseLocked)?;
        // Before the job: a crash between the two leaves pixels without a job, which the next start removes.
        let kept = self.ports.scans.put(&open.secrets.jobs_key, job, &pixels.0);
        kept.map_err(VaultError::Scan)?;
        let opened = self.open_job(job, label, vec![OpenItem::default(); patches.len()]);
        if opened.is_err() {
            self.drop_scans()?;
        }
        let ticket = opened?;
        self.unlocked()?.patches = Some((job, patches));
        Ok(ticket)
    }

    /// Encrypts one item of an image's job.
    ///
    /// Asked again, it gives other bytes: whoever keeps items asks only for those that were lost. An item that has
    /// its answer is not encrypted any more.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn encrypt_item(&mut self, job: JobId, index: u32) -> Result<Vec<u8>, VaultError> {
        self.read_patches(job)?;
        let (open, at) = (
            self.open.as_ref().ok_or(VaultError::MisuseLocked)?,
            index as usize,
        );
        let known = self.job(job)?;
        let unanswered = known.items.get(at).is_some_and(|item| item.accepted.is_none());
        let patches = open.patches.as_ref().filter(|_| unanswered);
        let inputs = patches.and_then(|(_, patches)| patches.get(at));
        let inputs = inputs.ok_or(VaultError::UnknownJob(job))?;
        let keys = open.secrets.keys_for(known.parameter_hash);
        let keys = keys.filter(|set| set.object.digest == known.key_fingerprint);
        let item = self
            .ports
            .model
            .encrypt(&keys.ok_or(VaultError::NoKeys)?.secret, inputs)?;
        let input_hash = Some(Digest::of(&item));
        let jobs = &mut self.unlocked()?.jobs;
        if let Some(known) = jobs.iter_mut().find(|known| known.job == job) {
            known.items[at].input_hash = input_hash;
        }
        // Kept before it leaves: an answer to an item nobody remembers would be refused.
        self.save_jobs()?;
        Ok(item)
    }

    /// The pixels of an image under way.
    ///
    /// # Errors
    /// [`VaultError::ScanLost`] and others.
    pub fn pixels(&self, job: JobId) -> Result<Pixels, VaultError> {
        self.job(job)?;
        let open = self.open.as_ref().ok_or(VaultError::MisuseLocked)?;
        let pixels = self.ports.scans.load(&open.secrets.jobs_key, job);
        pixels.map(Pixels).map_err(|source| match source {
            StoreError::Missing | StoreError::Altered => VaultError::ScanLost { job, source },
            source => VaultError::Scan(source),
        })
    }

    /// Compares the accepted answers of an image with the same model in the clear.
    ///
    /// # Errors
    /// [`VaultError::UnknownJob`] before every item has its answer, and others.
    pub fn compare(&mut self, job: JobId) -> Result<Comparison, VaultError> {
        let outputs = self.job(job)?.outputs().ok_or(VaultError::UnknownJob(job))?;
        let outputs = Zeroizing::new(outputs);
        self.read_patches(job)?;
        let open = self.open.as_ref().ok_or(VaultError::MisuseLocked)?;
        let patches = open.patches.as_ref().map(|(_, patches)| patches.as_slice());
        let reader = self.images()?;
        let clear = Zeroizing::new(reader.reference(patches.unwrap_or_default())?);
        let reading = reader.reading(&clear)?;
        let same_class = reader.reading(&outputs)?.class == reading.class;
        let differences = outputs.iter().flatten().zip(clear.iter().flatten());
        #[expect(clippy::cast_precision_loss, reason = "outputs have far fewer than 53 bits")]
        let deviations = differences.map(|(got, want)| (got - want) as f64 / reader.deviation());
        let deviations: Vec<f64> = deviations.map(f64::abs).collect();
        #[expect(clippy::cast_precision_loss, reason = "a count of outputs")]
        let count = deviations.len().max(1) as f64;
        Ok(Comparison {
            reading,
            same_class,
            rms_deviations: (deviations.iter().map(|d| d * d).sum::<f64>() / count).sqrt(),
            max_deviations: deviations.iter().copied().fold(0.0, f64::max),
        })
    }

    /// Makes sure the patches of `job` are in memory.
    fn read_patches(&mut self, job: JobId) -> Result<(), VaultError> {
        if self.job(job)?.model_hash != self.ports.model.facts().model_hash {
            return Err(VaultError::OtherModel(job));
        }
        let open = self.open.as_ref().ok_or(VaultError::MisuseLocked)?;
        if open.patches.as_ref().is_some_and(|(held, _)| *held == job) {
            return Ok(());
        }
        let patches = self.images()?.quantise(&self.pixels(job)?.0)?;
        self.unlocked()?.patches = Some((job, patches));
        Ok(())
    }
}
