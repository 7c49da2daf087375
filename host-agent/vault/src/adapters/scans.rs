//! The pixels of images under way, one sealed file per job beside the secret file.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use obscura_protocol::identity::JobId;
use obscura_sealed::{Cost, open, seal, write_private};
use zeroize::Zeroizing;

use crate::ports::{ScanStore, StoreError};

const MAGIC: &[u8; 8] = b"OBSCSCN1";
/// Largest file, bytes: more than the pixels any contract may ask for.
const MAX_BYTES: usize = 2 * 1024 * 1024;
const SUFFIX: &str = "scan";

/// Files in one folder.
#[derive(Debug)]
pub struct SealedScans {
    folder: PathBuf,
}

impl SealedScans {
    /// The images that belong to the secret file at `vault`.
    pub fn beside(vault: &Path) -> Self {
        Self {
            folder: vault.with_extension("scans"),
        }
    }

    fn path(&self, job: JobId) -> PathBuf {
        self.folder.join(format!("{job}.{SUFFIX}"))
    }
}

impl ScanStore for SealedScans {
    fn put(&self, key: &[u8; 32], job: JobId, pixels: &[u8]) -> Result<(), StoreError> {
        // The key has 256 random bits: there is no guess to slow down.
        let sealed = seal(key, pixels, MAGIC, Cost::CHEAPEST);
        let sealed = sealed.map_err(|error| StoreError::Sealing(Box::new(error)))?;
        fs::create_dir_all(&self.folder)
            .and_then(|()| write_private(&self.path(job), &sealed))
            .map_err(StoreError::Device)
    }

    fn load(&self, key: &[u8; 32], job: JobId) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let bytes = fs::read(self.path(job)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => StoreError::Missing,
            _ => StoreError::Device(error),
        })?;
        open(key, &bytes, MAGIC, MAX_BYTES).or(Err(StoreError::Altered))
    }

    fn retain(&self, jobs: &[JobId]) -> Result<(), StoreError> {
        let listed = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            listed => listed.map_err(StoreError::Device)?,
        };
        let kept: Vec<PathBuf> = jobs.iter().map(|job| self.path(*job)).collect();
        for file in listed {
            let path = file.map_err(StoreError::Device)?.path();
            let ours = path.extension().is_some_and(|extension| extension == SUFFIX);
            if ours && !kept.contains(&path) {
                fs::remove_file(path).map_err(StoreError::Device)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_survive_sealed_until_their_job_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let scans = SealedScans::beside(&folder.path().join("vault.obk"));
        let [a, b] = [JobId([1; 16]), JobId([2; 16])];
        scans.retain(&[]).unwrap();
        let pixels = b"pixels of a mole".repeat(9000);
        scans.put(&[1; 32], a, &pixels).unwrap();
        scans.put(&[1; 32], b, b"other").unwrap();
        assert_eq!(*scans.load(&[1; 32], a).unwrap(), pixels);
        assert!(matches!(scans.load(&[2; 32], a), Err(StoreError::Altered)));
        let bytes = fs::read(scans.path(a)).unwrap();
        assert!(!bytes.windows(6).any(|window| window == b"pixels"));
        scans.retain(&[a]).unwrap();
        assert!(matches!(scans.load(&[1; 32], b), Err(StoreError::Missing)));
        assert_eq!(*scans.load(&[1; 32], a).unwrap(), pixels);
        fs::write(scans.path(a), &bytes[..bytes.len() - 1]).unwrap();
        assert!(matches!(scans.load(&[1; 32], a), Err(StoreError::Altered)));
    }
}
