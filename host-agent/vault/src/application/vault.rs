//! Unlocking, keys and encryption.

use std::{fmt, time::Duration};

use obscura_local::agent::{ContractView, OpenJob as OpenJobView, Reading, Record, VaultStatus};
use obscura_protocol::{
    identity::{ClientId, Digest, JobId, PeerName, PublicKey, SiteId},
    job::Ticket,
    transfer::{ObjectHeader, ObjectKind},
};
use zeroize::Zeroizing;

use super::error::VaultError;
use crate::{
    domain::{
        job::{OpenItem, OpenJob},
        secrets::{KeySet, Secrets},
    },
    ports::{JobStore, KeyObjects, Model, Random, Reader, RecordReader, ScanStore, SecretStore},
};

/// The pause after the first wrong password.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause after a wrong password.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Who this device is and whose receipts it believes.
#[derive(Clone, Debug)]
pub struct Enrolment {
    /// The site.
    pub site: SiteId,
    /// This device.
    pub device: PeerName,
    /// The box.
    pub box_name: PeerName,
    /// The key the box signs receipts with, pinned when the device was enrolled.
    pub receipt_key: PublicKey,
}

/// The vault's surroundings.
pub struct Ports {
    /// The secret file.
    pub secrets: Box<dyn SecretStore>,
    /// The list of open jobs.
    pub jobs: Box<dyn JobStore>,
    /// The pixels of images under way.
    pub scans: Box<dyn ScanStore>,
    /// The evaluation key objects.
    pub objects: Box<dyn KeyObjects>,
    /// The verified model.
    pub model: Box<dyn Model>,
    /// Randomness.
    pub random: Box<dyn Random>,
}

impl fmt::Debug for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ports({:?})", self.model.facts())
    }
}

/// What is in memory while the vault is open; wiped when it is dropped.
pub(super) struct Open {
    password: Zeroizing<Vec<u8>>,
    pub(super) secrets: Secrets,
    pub(super) jobs: Vec<OpenJob>,
    /// The circuit's inputs of the image that is being encrypted.
    pub(super) patches: Option<(JobId, Vec<Zeroizing<Vec<i64>>>)>,
}

/// The vault.
pub struct Vault {
    pub(super) enrolment: Enrolment,
    pub(super) ports: Ports,
    pub(super) open: Option<Open>,
    refusals: u32,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault")
            .field("enrolment", &self.enrolment)
            .field("open", &self.open.is_some())
            .finish_non_exhaustive()
    }
}

impl Vault {
    /// A locked vault.
    pub fn new(enrolment: Enrolment, ports: Ports) -> Self {
        Self {
            enrolment,
            ports,
            open: None,
            refusals: 0,
        }
    }

    /// Unlocks the secret file, or makes an empty one.
    ///
    /// # Errors
    /// [`VaultError::Secrets`] or [`VaultError::Jobs`]; the vault is locked then.
    pub fn open(&mut self, password: Zeroizing<Vec<u8>>, create: bool) -> Result<(), VaultError> {
        self.open = None;
        if create {
            let mut jobs_key = Zeroizing::new([0; 32]);
            self.ports.random.fill(jobs_key.as_mut_slice())?;
            let key_sets = Vec::new();
            let secrets = Secrets { key_sets, jobs_key };
            self.ports
                .secrets
                .create(&password, &secrets)
                .map_err(VaultError::Secrets)?;
            self.ports
                .jobs
                .save(&secrets.jobs_key, &[])
                .map_err(VaultError::Jobs)?;
            self.open = Some(Open {
                password,
                secrets,
                jobs: Vec::new(),
                patches: None,
            });
            return Ok(());
        }
        let secrets = self.ports.secrets.load(&password).map_err(VaultError::Secrets);
        let secrets = secrets.inspect_err(|_refused| self.refusals += 1)?;
        self.refusals = 0;
        let jobs = self
            .ports
            .jobs
            .load(&secrets.jobs_key)
            .map_err(VaultError::Jobs)?;
        self.open = Some(Open {
            password,
            secrets,
            jobs,
            patches: None,
        });
        // What a crash left between two writes.
        self.drop_scans()
    }

    /// How long to wait before the latest refusal is told: 1, 2, 4 .. 30 s for a row of wrong passwords.
    pub fn pause_after_refusal(&self) -> Duration {
        let doublings = self.refusals.saturating_sub(1).min(8);
        FIRST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE)
    }

    pub(super) fn unlocked(&mut self) -> Result<&mut Open, VaultError> {
        self.open.as_mut().ok_or(VaultError::MisuseLocked)
    }

    /// Seals the secret file under another password.
    ///
    /// # Errors
    /// [`VaultError`]; the old password goes on working then.
    pub fn change_password(&mut self, password: Zeroizing<Vec<u8>>) -> Result<(), VaultError> {
        let open = self.open.as_mut().ok_or(VaultError::MisuseLocked)?;
        let replaced = self.ports.secrets.replace(&password, &open.secrets);
        replaced.map_err(VaultError::Secrets)?;
        open.password = password;
        Ok(())
    }

    /// What the vault holds; keys and jobs only when it is open.
    pub fn status(&self) -> VaultStatus {
        let facts = self.ports.model.facts();
        let view = |job: &OpenJob| OpenJobView {
            job: job.job,
            key_fingerprint: job.key_fingerprint,
            items: u32::try_from(job.items.len()).unwrap_or(u32::MAX),
            unanswered: job.unanswered(),
        };
        let open = self.open.as_ref();
        VaultStatus {
            exists: self.ports.secrets.exists(),
            open: open.is_some(),
            model_id: facts.model_id.clone(),
            model_version: facts.version.clone(),
            model_hash: facts.model_hash,
            parameter_hash: facts.parameter_hash,
            root_fingerprint: facts.root_fingerprint,
            receipt_key_fingerprint: self.enrolment.receipt_key.fingerprint(),
            keys: open
                .and_then(|open| open.secrets.keys_for(facts.parameter_hash))
                .map(|set| set.object),
            open_jobs: open
                .map(|open| open.jobs.iter().map(view).collect())
                .unwrap_or_default(),
        }
    }

    /// The contract, for showing.
    pub fn contract(&self) -> ContractView {
        self.ports.model.contract()
    }

    /// Makes keys for the model's parameters under a fresh random client id.
    ///
    /// Returns keys that are there already unless `replace`; replacing gives up the jobs that need the old
    /// ones.
    ///
    /// # Errors
    /// [`VaultError`]; the old keys, if any, stay then.
    pub fn generate_keys(
        &mut self,
        replace: bool,
        progress: &mut dyn FnMut(u32, u32),
    ) -> Result<ObjectHeader, VaultError> {
        let facts = self.ports.model.facts();
        let (parameter_hash, model_id) = (facts.parameter_hash, facts.model_id.clone());
        let open = self.open.as_mut().ok_or(VaultError::MisuseLocked)?;
        let old = open.secrets.keys_for(parameter_hash).map(|set| set.object);
        if let (Some(object), false) = (old, replace) {
            return Ok(object);
        }
        let keys = self.ports.model.generate(progress)?;
        let mut client = [0; 16];
        self.ports.random.fill(&mut client)?;
        let object = ObjectHeader {
            kind: ObjectKind::EvaluationKeys,
            digest: Digest::of(&keys.evaluation_keys),
            len_bytes: keys.evaluation_keys.len() as u64,
            client: ClientId(client),
            parameter_hash,
        };
        // The public object first: secrets without it would be of no use, it without them is only garbage.
        let others: Vec<Digest> = open
            .secrets
            .key_sets
            .iter()
            .map(|set| set.object.digest)
            .collect();
        let put = self
            .ports
            .objects
            .put(object.digest, &keys.evaluation_keys, &others);
        put.map_err(VaultError::KeyObject)?;
        let kept = |set: &KeySet| set.object.parameter_hash != parameter_hash;
        let (mut key_sets, replaced): (Vec<_>, Vec<_>) = std::mem::take(&mut open.secrets.key_sets)
            .into_iter()
            .partition(kept);
        key_sets.push(KeySet {
            object,
            model_id,
            secret: keys.secret,
        });
        open.secrets.key_sets = key_sets;
        if let Err(error) = self.ports.secrets.replace(&open.password, &open.secrets) {
            open.secrets.key_sets.pop();
            open.secrets.key_sets.extend(replaced);
            return Err(VaultError::Secrets(error));
        }
        let lost = |job: &OpenJob| {
            replaced
                .iter()
                .any(|set| set.object.digest == job.key_fingerprint)
        };
        open.jobs.retain(|job| !lost(job));
        self.save_jobs()?;
        self.drop_scans()?;
        Ok(object)
    }

    pub(super) fn save_jobs(&mut self) -> Result<(), VaultError> {
        let open = self.open.as_ref().ok_or(VaultError::MisuseLocked)?;
        let saved = self.ports.jobs.save(&open.secrets.jobs_key, &open.jobs);
        saved.map_err(VaultError::Jobs)
    }

    /// Lets go of the pixels of jobs that are not open.
    pub(super) fn drop_scans(&mut self) -> Result<(), VaultError> {
        let open = self.open.as_mut().ok_or(VaultError::MisuseLocked)?;
        let jobs: Vec<JobId> = open.jobs.iter().map(|job| job.job).collect();
        open.patches.take_if(|(job, _)| !jobs.contains(job));
        self.ports.scans.retain(&jobs).map_err(VaultError::Scan)
    }

    /// One chunk of the evaluation key object.
    ///
    /// # Errors
    /// [`VaultError::NoKeys`] or [`VaultError::KeyObject`].
    pub fn key_chunk(&mut self, index: u32) -> Result<Vec<u8>, VaultError> {
        let parameter_hash = self.ports.model.facts().parameter_hash;
        let open = self.unlocked()?;
        let object = open
            .secrets
            .keys_for(parameter_hash)
            .ok_or(VaultError::NoKeys)?
            .object;
        self.ports
            .objects
            .chunk(&object, index)
            .map_err(VaultError::KeyObject)
    }

    fn records(&self) -> Result<&dyn RecordReader, VaultError> {
        match self.ports.model.reader() {
            Reader::Record(reader) => Ok(reader),
            Reader::Image(_) => Err(VaultError::MisuseReadsImages),
        }
    }

    /// Checks a record against the contract; needs no password.
    ///
    /// # Errors
    /// [`VaultError::BadRecord`] with everything that is wrong, or [`VaultError::MisuseReadsImages`].
    pub fn check(&self, record: &Record) -> Result<Zeroizing<Vec<i64>>, VaultError> {
        let inputs = self.records()?.quantise(record);
        inputs.map(Zeroizing::new).map_err(VaultError::BadRecord)
    }

    /// What the model says of a record, in the clear; needs no password.
    ///
    /// # Errors
    /// [`VaultError::BadRecord`], [`VaultError::MisuseReadsImages`] or [`VaultError::Model`].
    pub fn reference(&self, record: &Record) -> Result<Reading, VaultError> {
        Ok(self.records()?.reference(&self.check(record)?)?)
    }

    /// Encrypts a record and opens a job for it.
    ///
    /// # Errors
    /// [`VaultError`]; no job is open then.
    pub fn encrypt(&mut self, label: String, record: &Record) -> Result<(Ticket, Vec<u8>), VaultError> {
        let inputs = self.check(record)?;
        let keys = self.keys()?;
        let item = self.ports.model.encrypt(&keys.secret, &inputs)?;
        let open_item = OpenItem {
            input_hash: Some(Digest::of(&item)),
            accepted: None,
        };
        let job = self.fresh_job()?;
        let ticket = self.open_job(job, label, vec![open_item])?;
        Ok((ticket, item))
    }

    /// The keys for the model's parameters.
    pub(super) fn keys(&self) -> Result<&KeySet, VaultError> {
        let open = self.open.as_ref().ok_or(VaultError::MisuseLocked)?;
        let keys = open.secrets.keys_for(self.ports.model.facts().parameter_hash);
        keys.ok_or(VaultError::NoKeys)
    }

    /// A random id for a job.
    pub(super) fn fresh_job(&self) -> Result<JobId, VaultError> {
        let mut id = [0; 16];
        self.ports.random.fill(&mut id)?;
        Ok(JobId(id))
    }

    /// Opens a job.
    pub(super) fn open_job(
        &mut self,
        job: JobId,
        label: String,
        items: Vec<OpenItem>,
    ) -> Result<Ticket, VaultError> {
        let facts = self.ports.model.facts().clone();
        let object = self.keys()?.object;
        self.unlocked()?.jobs.push(OpenJob {
            job,
            label,
            model_id: facts.model_id,
            model_hash: facts.model_hash,
            security_counter: facts.security_counter,
            parameter_hash: facts.parameter_hash,
            key_fingerprint: object.digest,
            items,
            receipt: None,
        });
        if let Err(error) = self.save_jobs() {
            self.unlocked()?.jobs.pop();
            return Err(error);
        }
        self.ticket(job)
    }

    /// The ticket of an open job.
    ///
    /// # Errors
    /// [`VaultError::UnknownJob`], [`VaultError::OtherModel`] or [`VaultError::NoKeys`].
    pub fn ticket(&self, job: JobId) -> Result<Ticket, VaultError> {
        let known = self.job(job)?;
        if known.model_hash != self.ports.model.facts().model_hash {
            return Err(VaultError::OtherModel(job));
        }
        let keys = self.keys()?.object;
        if keys.digest != known.key_fingerprint {
            return Err(VaultError::NoKeys);
        }
        Ok(Ticket {
            site: self.enrolment.site,
            device: self.enrolment.device.clone(),
            job,
            model_hash: known.model_hash,
            client: keys.client,
            key_fingerprint: keys.digest,
            items: u32::try_from(known.items.len()).unwrap_or(u32::MAX),
        })
    }
}
