//! The journal as one private file per job.

use std::{fs, io, path::PathBuf};

use obscura_local::agent::{MAX_FRAME_BYTES, Wanted};
use obscura_protocol::{
    codec,
    identity::{JobId, PublicKey},
    job::Signed,
};
use obscura_sealed::write_private;
use serde::{Deserialize, Serialize};

use crate::{domain::job::Entry, ports::Journal};

const SUFFIX: &str = "job";

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
            items,
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
            items: entry.items.clone(),
            wanted: entry.wanted,
        });
        fs::create_dir_all(&self.folder)
            .and_then(|()| write_private(&self.path(job), &bytes))
            .map_err(|source| self.failed(source))
    }

    fn remove(&mut self, job: JobId) -> Result<(), JournalError> {
        match fs::remove_file(self.path(job)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.failed(error)),
            _ => Ok(()),
        }
    }

    fn load(&mut self) -> Result<Vec<Entry>, JournalError> {
        let listed = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            listed => listed.map_err(|source| self.failed(source))?,
        };
        let mut entries = Vec::new();
        for file in listed {
            let path = file.map_err(|source| self.failed(source))?.path();
            if path.extension().is_none_or(|extension| extension != SUFFIX) {
                continue;
            }
            let small = fs::metadata(&path).is_ok_and(|meta| meta.len() <= MAX_FRAME_BYTES as u64);
            let read = small.then(|| fs::read(&path).ok()).flatten();
            let entry = read.and_then(|bytes| self.read(&bytes));
            if entry.is_none() {
                tracing::warn!(file = %path.display(), "left out a journal file that is not ours");
            }
            let written = fs::metadata(&path).and_then(|meta| meta.modified()).ok();
            entries.extend(entry.map(|entry| (written, entry)));
        }
        // Records come back in the order in which they were entered.
        entries.sort_by_key(|(written, _)| *written);
        Ok(entries.into_iter().map(|(_, entry)| entry).collect())
    }
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
            items: vec![vec![6; 100]],
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
            items: entry.items.clone(),
        });
        fs::write(folder.path().join("old.job"), stored).unwrap();
        let mut journal = FileJournal::new(folder.path().to_owned(), identity.public());
        let wanted = Wanted::default();
        assert_eq!(journal.load().unwrap(), [Entry { wanted, ..entry }]);
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
