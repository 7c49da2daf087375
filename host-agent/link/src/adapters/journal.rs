//! The journal as private files: one per job, and one per item of a job whose items come one by one.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use obscura_local::agent::{MAX_FRAME_BYTES, Wanted};
use obscura_protocol::{
    codec,
    identity::{JobId, PublicKey},
    job::Signed,
    message::MAX_ITEM_BYTES,
};
use obscura_sealed::write_private;
use serde::{Deserialize, Serialize};

use crate::{domain::job::Entry, ports::Journal};

const SUFFIX: &str = "job";
const ITEM_SUFFIX: &str = "item";

/// An entry as it lies in a file.
#[derive(Serialize, Deserialize)]
struct Stored {
    /// Layout of this struct.
    version: u8,
    ticket: Vec<u8>,
    items: Vec<Vec<u8>>,
    wanted: Wanted,
}

const VERSION: u8 = 2;

/// Layout 1: before jobs had lanes and deadlines.
#[derive(Serialize, Deserialize)]
struct Stored1 {
    version: u8,
    ticket: Vec<u8>,
    items: Vec<Vec<u8>>,
}

/// Why the journal could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The folder or a file in it cannot be read or written.
    #[error("the journal in {} cannot be used", folder.display())]
    Device {
        /// The folder.
        folder: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
}

/// One file per job in a private folder.
#[derive(Debug)]
pub struct FileJournal {
    folder: PathBuf,
    /// The key that signed every ticket in it.
    device_key: PublicKey,
}

impl FileJournal {
    /// The journal in `folder`, which is made when the first job is kept.
    pub fn new(folder: PathBuf, device_key: PublicKey) -> Self {
        Self { folder, device_key }
    }

    fn path(&self, job: JobId) -> PathBuf {
        self.folder.join(format!("{job}.{SUFFIX}"))
    }

    fn item_path(&self, job: JobId, index: u32) -> PathBuf {
        self.folder.join(format!("{job}.{index}.{ITEM_SUFFIX}"))
    }

    /// Paths in the folder that end like this; none without the folder.
    fn listed(&self, suffix: &str) -> Result<Vec<PathBuf>, JournalError> {
        let listed = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            listed => listed.map_err(|source| self.failed(source))?,
        };
        let paths = listed.map(|file| file.map(|file| file.path()));
        let ours = |path: &PathBuf| path.extension().is_some_and(|extension| extension == suffix);
        let paths: io::Result<Vec<PathBuf>> = paths.collect();
        let paths = paths.map_err(|source| self.failed(source))?;
        Ok(paths.into_iter().filter(ours).collect())
    }

    fn removed(&self, path: &Path) -> Result<(), JournalError> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.failed(error)),
            _ => Ok(()),
        }
    }

    /// Items that came one by one, by job. Those of no job are what a crash left behind, and removed.
    fn add_items(&self, jobs: &mut BTreeMap<JobId, Entry>) -> Result<(), JournalError> {
        for path in self.listed(ITEM_SUFFIX)? {
            let named = item_of(&path);
            let entry = named.and_then(|(job, index)| Some((jobs.get_mut(&job)?, index)));
            let Some((entry, index)) = entry else {
                self.removed(&path)?;
                continue;
            };
            let small = fs::metadata(&path).is_ok_and(|meta| meta.len() <= MAX_ITEM_BYTES as u64);
            if let Some(bytes) = small.then(|| fs::read(&path).ok()).flatten()
                && index < entry.ticket.statement().items
            {
                entry.items.insert(index, bytes);
            }
        }
        Ok(())
    }

    fn failed(&self, source: io::Error) -> JournalError {
        let folder = self.folder.clone();
        JournalError::Device { folder, source }
    }

    fn read(&self, bytes: &[u8]) -> Option<Entry> {
        let (ticket, items, wanted) = match bytes.first()? {
            1 => {
                let stored: Stored1 = codec::decode(bytes, MAX_FRAME_BYTES).ok()?;
                (stored.ticket, stored.items, Wanted::default())
            }
            &VERSION => {
                let stored: Stored = codec::decode(bytes, MAX_FRAME_BYTES).ok()?;
                (stored.ticket, stored.items, stored.wanted)
            }
            _ => return None,
        };
        let ticket = Signed::verify(&ticket, &self.device_key).ok()?;
        Some(Entry {
            ticket,
            items: (0..).zip(items).collect(),
            wanted,
        })
    }
}

impl Journal for FileJournal {
    type Error = JournalError;

    fn put(&mut self, job: JobId, entry: &Entry) -> Result<(), JournalError> {
        let bytes = codec::encode(&Stored {
            version: VERSION,
            ticket: entry.ticket.as_bytes().to_vec(),
            items: entry.items.values().cloned().collect(),
            wanted: entry.wanted,
        });
        fs::create_dir_all(&self.folder)
            .and_then(|()| write_private(&self.path(job), &bytes))
            .map_err(|source| self.failed(source))
    }

    fn put_item(&mut self, job: JobId, index: u32, bytes: &[u8]) -> Result<(), JournalError> {
        write_private(&self.item_path(job, index), bytes).map_err(|source| self.failed(source))
    }

    fn remove_item(&mut self, job: JobId, index: u32) -> Result<(), JournalError> {
        self.removed(&self.item_path(job, index))
    }

    fn remove(&mut self, job: JobId) -> Result<(), JournalError> {
        // The ticket first: items without one are removed when the journal is read.
        self.removed(&self.path(job))?;
        for path in self.listed(ITEM_SUFFIX)? {
            if item_of(&path).is_some_and(|(owner, _)| owner == job) {
                self.removed(&path)?;
            }
        }
        Ok(())
    }

    fn load(&mut self) -> Result<Vec<Entry>, JournalError> {
        let (mut entries, mut order) = (BTreeMap::new(), Vec::new());
        for path in self.listed(SUFFIX)? {
            let small = fs::metadata(&path).is_ok_and(|meta| meta.len() <= MAX_FRAME_BYTES as u64);
            let read = small.then(|| fs::read(&path).ok()).flatten();
            let Some(entry) = read.and_then(|bytes| self.read(&bytes)) else {
                tracing::warn!(file = %path.display(), "left out a journal file that is not ours");
                continue;
            };
            let written = fs::metadata(&path).and_then(|meta| meta.modified()).ok();
            order.push((written, entry.job()));
            entries.insert(entry.job(), entry);
        }
        self.add_items(&mut entries)?;
        // Records come back in the order in which they were entered.
        order.sort_by_key(|(written, _)| *written);
        Ok(order
            .into_iter()
            .filter_map(|(_, job)| entries.remove(&job))
            .collect())
    }
}

/// Job and number in the name of an item's file.
fn item_of(path: &Path) -> Option<(JobId, u32)> {
    let (job, index) = path.file_stem()?.to_str()?.split_once('.')?;
    Some((job.parse().ok()?, index.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use obscura_protocol::{
        identity::{ClientId, Digest, Identity, SiteId},
        job::Ticket,
        message::Lane,
    };
    use zeroize::Zeroizing;

    fn entry(identity: &Identity) -> Entry {
        let ticket = Ticket {
            site: SiteId([1; 16]),
            device: "device-1".parse().unwrap(),
            job: JobId([2; 16]),
            model_hash: Digest([3; 32]),
            client: ClientId([4; 16]),
            key_fingerprint: Digest([5; 32]),
            items: 1,
        };
        Entry {
            ticket: Signed::sign(ticket, identity),
            items: [(0, vec![6; 100])].into(),
            wanted: Wanted {
                lane: Lane::Urgent,
                within_s: Some(300),
            },
        }
    }

    #[test]
    fn gives_back_what_was_put_until_it_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let identity = Identity::from_seed(&Zeroizing::new([1; 32]));
        let path = folder.path().join("journal");
        let mut journal = FileJournal::new(path.clone(), identity.public());
        assert_eq!(journal.load().unwrap(), []);
        journal.put(JobId([2; 16]), &entry(&identity)).unwrap();
        let mut again = FileJournal::new(path, identity.public());
        assert_eq!(again.load().unwrap(), [entry(&identity)]);
        again.remove(JobId([2; 16])).unwrap();
        again.remove(JobId([2; 16])).unwrap();
        assert_eq!(again.load().unwrap(), []);
    }

    #[test]
    fn reads_what_an_earlier_release_kept() {
        let folder = tempfile::tempdir().unwrap();
        let identity = Identity::from_seed(&Zeroizing::new([1; 32]));
        let entry = entry(&identity);
        let stored = codec::encode(&Stored1 {
            version: 1,
            ticket: entry.ticket.as_bytes().to_vec(),
            items: entry.items.values().cloned().collect(),
        });
        fs::write(folder.path().join("old.job"), stored).unwrap();
        let mut journal = FileJournal::new(folder.path().to_owned(), identity.public());
        let wanted = Wanted::default();
        assert_eq!(journal.load().unwrap(), [Entry { wanted, ..entry }]);
    }

    #[test]
    fn items_that_come_one_by_one_belong_to_their_job_until_they_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let identity = Identity::from_seed(&Zeroizing::new([1; 32]));
        let mut journal = FileJournal::new(folder.path().to_owned(), identity.public());
        let mut ticket = entry(&identity).ticket.statement().clone();
        ticket.items = 3;
        let job = ticket.job;
        let mut entry = Entry {
            ticket: Signed::sign(ticket, &identity),
            items: BTreeMap::new(),
            ..entry(&identity)
        };
        journal.put(job, &entry).unwrap();
        for index in [2, 0, 7] {
            journal.put_item(job, index, &[6; 10]).unwrap();
        }
        // What a crash between two removals leaves.
        journal.put_item(JobId([9; 16]), 0, &[6; 10]).unwrap();
        entry.items = [(0, vec![6; 10]), (2, vec![6; 10])].into();
        assert_eq!(journal.load().unwrap(), [entry.clone()], "7 is beyond the job");
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            4,
            "the stray item is gone"
        );
        journal.remove_item(job, 0).unwrap();
        journal.remove_item(job, 0).unwrap();
        entry.items.remove(&0);
        assert_eq!(journal.load().unwrap(), [entry]);
        journal.remove(job).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn leaves_out_garbage_and_tickets_of_another_key() {
        let folder = tempfile::tempdir().unwrap();
        let [ours, other] = [1, 2].map(|seed| Identity::from_seed(&Zeroizing::new([seed; 32])));
        let mut journal = FileJournal::new(folder.path().to_owned(), ours.public());
        journal.put(JobId([2; 16]), &entry(&other)).unwrap();
        fs::write(folder.path().join("garbage.job"), b"garbage").unwrap();
        fs::write(folder.path().join("readme"), b"text").unwrap();
        assert_eq!(journal.load().unwrap(), []);
    }
}
