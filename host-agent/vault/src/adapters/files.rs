//! The secret file and the list of open jobs, both sealed.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use obscura_protocol::{
    codec,
    identity::{ClientId, Digest, JobId},
    job::Receipt,
    transfer::{ObjectHeader, ObjectKind},
};
use obscura_sealed::{Cost, SealedError, create_private, open, seal, write_private};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    domain::{
        job::{Accepted, OpenItem, OpenJob},
        secrets::{KeySet, Secrets},
    },
    ports::{JobStore, SecretStore, StoreError},
};

const SECRET_MAGIC: &[u8; 8] = b"OBSCVLT1";
const JOBS_MAGIC: &[u8; 8] = b"OBSCJOB2";
/// The list before jobs had several items.
const JOBS_MAGIC_1: &[u8; 8] = b"OBSCJOB1";
/// Largest secret file, bytes: room for many parameter sets of some tens of kilobytes each.
const MAX_SECRET_BYTES: usize = 16 * 1024 * 1024;
/// Largest list of open jobs, bytes.
const MAX_JOBS_BYTES: usize = 16 * 1024 * 1024;
/// Room for everything of a key set but its secret, and for the fields around it.
const SET_OVERHEAD_BYTES: usize = 512;

#[derive(Serialize, Deserialize)]
struct SecretsFile {
    key_sets: Vec<KeySetFile>,
    jobs_key: [u8; 32],
}

#[derive(Serialize, Deserialize)]
struct KeySetFile {
    client: ClientId,
    key_digest: Digest,
    len_bytes: u64,
    parameter_hash: Digest,
    model_id: String,
    secret: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct JobFile {
    job: JobId,
    label: String,
    model_id: String,
    model_hash: Digest,
    security_counter: u32,
    parameter_hash: Digest,
    key_fingerprint: Digest,
    items: Vec<ItemFile>,
    receipt: Option<Receipt>,
}

#[derive(Serialize, Deserialize)]
struct ItemFile {
    input_hash: Option<Digest>,
    accepted: Option<(Digest, Vec<i64>)>,
}

/// A job of one item, as an earlier release kept it.
#[derive(Serialize, Deserialize)]
struct JobFile1 {
    job: JobId,
    label: String,
    input_hash: Digest,
    model_id: String,
    model_hash: Digest,
    security_counter: u32,
    parameter_hash: Digest,
    key_fingerprint: Digest,
    accepted: Option<Digest>,
}

impl Drop for SecretsFile {
    fn drop(&mut self) {
        use zeroize::Zeroize;
        self.jobs_key.zeroize();
        for set in &mut self.key_sets {
            set.secret.zeroize();
        }
    }
}

/// The secret file.
#[derive(Debug)]
pub struct SealedSecrets {
    path: PathBuf,
    cost: Cost,
}

impl SealedSecrets {
    /// The secret file at `path`; `cost` applies to what is written.
    pub fn new(path: PathBuf, cost: Cost) -> Self {
        Self { path, cost }
    }

    fn seal(&self, password: &[u8], secrets: &Secrets) -> Result<Vec<u8>, StoreError> {
        let plain = encode(secrets)?;
        seal(password, &plain, SECRET_MAGIC, self.cost).map_err(sealing)
    }
}

impl SecretStore for SealedSecrets {
    fn exists(&self) -> bool {
        self.path.exists()
    }

    fn load(&self, password: &[u8]) -> Result<Secrets, StoreError> {
        let bytes = read(&self.path, MAX_SECRET_BYTES)?;
        let plain = open(password, &bytes, SECRET_MAGIC, MAX_SECRET_BYTES).map_err(sealing)?;
        decode(&plain)
    }

    fn create(&self, password: &[u8], secrets: &Secrets) -> Result<(), StoreError> {
        // Asked first, because hashing the password takes time and the answer may be no.
        if self.exists() {
            return Err(StoreError::Exists);
        }
        create_private(&self.path, &self.seal(password, secrets)?).map_err(device)
    }

    fn replace(&self, password: &[u8], secrets: &Secrets) -> Result<(), StoreError> {
        write_private(&self.path, &self.seal(password, secrets)?).map_err(device)
    }
}

/// The list of open jobs, beside the secret file.
#[derive(Debug)]
pub struct SealedJobs {
    path: PathBuf,
}

impl SealedJobs {
    /// The list that belongs to the secret file at `vault`.
    pub fn beside(vault: &Path) -> Self {
        let path = vault.with_extension("jobs");
        Self { path }
    }
}

impl JobStore for SealedJobs {
    fn load(&self, key: &[u8; 32]) -> Result<Vec<OpenJob>, StoreError> {
        let bytes = match read(&self.path, MAX_JOBS_BYTES) {
            Err(StoreError::Missing) => return Ok(Vec::new()),
            read => read?,
        };
        if let Ok(plain) = open(key, &bytes, JOBS_MAGIC, MAX_JOBS_BYTES) {
            let jobs: Vec<JobFile> = codec::decode(&plain, MAX_JOBS_BYTES).or(Err(StoreError::Altered))?;
            return Ok(jobs.into_iter().map(OpenJob::from).collect());
        }
        let plain = open(key, &bytes, JOBS_MAGIC_1, MAX_JOBS_BYTES).or(Err(StoreError::Altered))?;
        let jobs: Vec<JobFile1> = codec::decode(&plain, MAX_JOBS_BYTES).or(Err(StoreError::Altered))?;
        Ok(jobs.into_iter().map(|job| JobFile::from(job).into()).collect())
    }

    fn save(&self, key: &[u8; 32], jobs: &[OpenJob]) -> Result<(), StoreError> {
        let jobs: Vec<JobFile> = jobs.iter().map(JobFile::from).collect();
        let plain = Zeroizing::new(codec::encode(&jobs));
        // The key has 256 random bits: there is no guess to slow down.
        let sealed = seal(key, &plain, JOBS_MAGIC, Cost::CHEAPEST).map_err(sealing)?;
        write_private(&self.path, &sealed).map_err(device)
    }
}

impl From<JobFile1> for JobFile {
    fn from(file: JobFile1) -> Self {
        Self {
            job: file.job,
            label: file.label,
            model_id: file.model_id,
            model_hash: file.model_hash,
            security_counter: file.security_counter,
            parameter_hash: file.parameter_hash,
            key_fingerprint: file.key_fingerprint,
            items: vec![ItemFile {
                input_hash: Some(file.input_hash),
                accepted: file.accepted.map(|hash| (hash, Vec::new())),
            }],
            receipt: None,
        }
    }
}

impl From<JobFile> for OpenJob {
    fn from(file: JobFile) -> Self {
        let accepted = |(answer_hash, outputs)| Accepted {
            answer_hash,
            outputs: Zeroizing::new(outputs),
        };
        let item = |mut item: ItemFile| OpenItem {
            input_hash: item.input_hash,
            accepted: item.accepted.take().map(accepted),
        };
        Self {
            job: file.job,
            label: file.label,
            model_id: file.model_id,
            model_hash: file.model_hash,
            security_counter: file.security_counter,
            parameter_hash: file.parameter_hash,
            key_fingerprint: file.key_fingerprint,
            items: file.items.into_iter().map(item).collect(),
            receipt: file.receipt,
        }
    }
}

impl From<&OpenJob> for JobFile {
    fn from(job: &OpenJob) -> Self {
        let accepted = |accepted: &Accepted| (accepted.answer_hash, accepted.outputs.to_vec());
        let item = |item: &OpenItem| ItemFile {
            input_hash: item.input_hash,
            accepted: item.accepted.as_ref().map(accepted),
        };
        Self {
            job: job.job,
            label: job.label.clone(),
            model_id: job.model_id.clone(),
            model_hash: job.model_hash,
            security_counter: job.security_counter,
            parameter_hash: job.parameter_hash,
            key_fingerprint: job.key_fingerprint,
            items: job.items.iter().map(item).collect(),
            receipt: job.receipt.clone(),
        }
    }
}

impl Drop for ItemFile {
    fn drop(&mut self) {
        if let Some((_, outputs)) = &mut self.accepted {
            zeroize::Zeroize::zeroize(outputs);
        }
    }
}

fn encode(secrets: &Secrets) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let sets = secrets.key_sets.iter();
    let room: usize = sets
        .clone()
        .map(|set| set.secret.len() + set.model_id.len() + SET_OVERHEAD_BYTES)
        .sum();
    // One buffer of the final size: growing would leave copies of secrets behind.
    let mut plain = Zeroizing::new(vec![0; room + SET_OVERHEAD_BYTES]);
    let file = SecretsFile {
        key_sets: sets
            .map(|set| KeySetFile {
                client: set.object.client,
                key_digest: set.object.digest,
                len_bytes: set.object.len_bytes,
                parameter_hash: set.object.parameter_hash,
                model_id: set.model_id.clone(),
                secret: set.secret.to_vec(),
            })
            .collect(),
        jobs_key: *secrets.jobs_key,
    };
    let used = postcard::to_slice(&file, &mut plain).map(|used| used.len());
    let used = used.or(Err(StoreError::Device(io::ErrorKind::OutOfMemory.into())))?;
    plain.truncate(used);
    Ok(plain)
}

fn decode(plain: &[u8]) -> Result<Secrets, StoreError> {
    let mut file: SecretsFile = codec::decode(plain, MAX_SECRET_BYTES).or(Err(StoreError::Altered))?;
    let sets = file.key_sets.iter_mut();
    Ok(Secrets {
        key_sets: sets
            .map(|set| KeySet {
                object: ObjectHeader {
                    kind: ObjectKind::EvaluationKeys,
                    digest: set.key_digest,
                    len_bytes: set.len_bytes,
                    client: set.client,
                    parameter_hash: set.parameter_hash,
                },
                model_id: std::mem::take(&mut set.model_id),
                secret: Zeroizing::new(std::mem::take(&mut set.secret)),
            })
            .collect(),
        jobs_key: Zeroizing::new(file.jobs_key),
    })
}

fn read(path: &Path, max_bytes: usize) -> Result<Vec<u8>, StoreError> {
    let len_bytes = fs::metadata(path).map_err(device)?.len();
    if usize::try_from(len_bytes).map_or(true, |len_bytes| len_bytes > max_bytes) {
        return Err(StoreError::Altered);
    }
    fs::read(path).map_err(device)
}

fn device(error: io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::NotFound => StoreError::Missing,
        io::ErrorKind::AlreadyExists => StoreError::Exists,
        _ => StoreError::Device(error),
    }
}

/// Everything about the file's content is one error, so that it tells nothing about the key.
fn sealing(error: SealedError) -> StoreError {
    match error {
        SealedError::DeviceMemory { .. } | SealedError::DeviceRandomness(_) => {
            StoreError::Sealing(Box::new(error))
        }
        _ => StoreError::WrongPassword,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn secrets() -> Secrets {
        Secrets {
            key_sets: vec![KeySet {
                object: ObjectHeader {
                    kind: ObjectKind::EvaluationKeys,
                    digest: Digest([1; 32]),
                    len_bytes: 123,
                    client: ClientId([2; 16]),
                    parameter_hash: Digest([3; 32]),
                },
                model_id: "cardio-lr".into(),
                secret: Zeroizing::new(b"the secret keys of the device".to_vec()),
            }],
            jobs_key: Zeroizing::new([4; 32]),
        }
    }

    fn job() -> OpenJob {
        OpenJob {
            job: JobId([1; 16]),
            label: "Mrs Example".into(),
            model_id: "cardio-lr".into(),
            model_hash: Digest([3; 32]),
            security_counter: 4,
            parameter_hash: Digest([5; 32]),
            key_fingerprint: Digest([6; 32]),
            items: vec![
                OpenItem {
                    input_hash: Some(Digest([2; 32])),
                    accepted: Some(Accepted {
                        answer_hash: Digest([7; 32]),
                        outputs: Zeroizing::new(vec![-5, 8]),
                    }),
                },
                OpenItem::default(),
            ],
            receipt: None,
        }
    }

    #[test]
    fn gives_back_what_was_sealed_and_hides_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vault.obk");
        let store = SealedSecrets::new(path.clone(), Cost::CHEAPEST);
        assert!(!store.exists());
        assert!(matches!(store.load(b"pw"), Err(StoreError::Missing)));
        store.create(b"pw", &secrets()).unwrap();
        assert!(matches!(store.create(b"pw", &secrets()), Err(StoreError::Exists)));
        let loaded = store.load(b"pw").unwrap();
        assert_eq!(*loaded.key_sets[0].secret, *secrets().key_sets[0].secret);
        assert_eq!(loaded.key_sets[0].object, secrets().key_sets[0].object);
        assert_eq!(*loaded.jobs_key, [4; 32]);
        let bytes = fs::read(&path).unwrap();
        assert!(!bytes.windows(10).any(|window| window == b"the secret"));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_wrong_password_and_an_altered_file_are_one_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vault.obk");
        let store = SealedSecrets::new(path.clone(), Cost::CHEAPEST);
        store.create(b"pw", &secrets()).unwrap();
        assert!(matches!(store.load(b"pW"), Err(StoreError::WrongPassword)));
        let bytes = fs::read(&path).unwrap();
        for at in [0, 8, 9, 25, 40, bytes.len() / 2, bytes.len() - 1] {
            let mut altered = bytes.clone();
            altered[at] ^= 1;
            fs::write(&path, &altered).unwrap();
            assert!(
                matches!(store.load(b"pw"), Err(StoreError::WrongPassword)),
                "byte {at}"
            );
        }
        fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        assert!(matches!(store.load(b"pw"), Err(StoreError::WrongPassword)));
    }

    #[test]
    fn open_jobs_survive_and_hide_their_labels() {
        let folder = tempfile::tempdir().unwrap();
        let jobs = SealedJobs::beside(&folder.path().join("vault.obk"));
        assert_eq!(jobs.load(&[1; 32]).unwrap(), []);
        jobs.save(&[1; 32], &[job()]).unwrap();
        assert_eq!(jobs.load(&[1; 32]).unwrap(), [job()]);
        assert!(matches!(jobs.load(&[2; 32]), Err(StoreError::Altered)));
        let bytes = fs::read(folder.path().join("vault.jobs")).unwrap();
        assert!(!bytes.windows(7).any(|window| window == b"Example"));
    }

    #[test]
    fn reads_the_list_of_an_earlier_release() {
        let folder = tempfile::tempdir().unwrap();
        let jobs = SealedJobs::beside(&folder.path().join("vault.obk"));
        let old = JobFile1 {
            job: JobId([1; 16]),
            label: "r".into(),
            input_hash: Digest([2; 32]),
            model_id: "cardio-lr".into(),
            model_hash: Digest([3; 32]),
            security_counter: 4,
            parameter_hash: Digest([5; 32]),
            key_fingerprint: Digest([6; 32]),
            accepted: None,
        };
        let plain = codec::encode(&vec![old]);
        let sealed = seal(&[1; 32], &plain, JOBS_MAGIC_1, Cost::CHEAPEST).unwrap();
        fs::write(folder.path().join("vault.jobs"), sealed).unwrap();
        let read = jobs.load(&[1; 32]).unwrap();
        assert_eq!(read[0].unanswered(), [0]);
        assert_eq!(read[0].items[0].input_hash, Some(Digest([2; 32])));
    }
}
