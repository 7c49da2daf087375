//! Evaluation key objects as files beside the secret file, named by their digest.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use obscura_protocol::{
    identity::Digest,
    transfer::{ObjectHeader, chunk_range},
};
use obscura_sealed::write_private;
use sha2::{Digest as _, Sha256};

use crate::ports::{KeyObjects, StoreError};

const SUFFIX: &str = "evk";

/// Files in one folder.
#[derive(Debug)]
pub struct FileKeyObjects {
    folder: PathBuf,
    /// The object whose digest was checked since this file was opened.
    checked: Option<(Digest, File)>,
}

impl FileKeyObjects {
    /// The objects that belong to the secret file at `vault`.
    pub fn beside(vault: &Path) -> Self {
        let folder = vault.parent().map_or_else(PathBuf::new, Path::to_owned);
        let folder = if folder.as_os_str().is_empty() {
            PathBuf::from(".")
        } else {
            folder
        };
        Self {
            folder,
            checked: None,
        }
    }

    fn path(&self, digest: Digest) -> PathBuf {
        self.folder.join(format!("{digest}.{SUFFIX}"))
    }

    fn remove_others(&self, keep: &[Digest]) -> io::Result<()> {
        for file in fs::read_dir(&self.folder)? {
            let path = file?.path();
            let digest = path
                .file_stem()
                .and_then(|stem| stem.to_str()?.parse::<Digest>().ok());
            let ours = path.extension().is_some_and(|extension| extension == SUFFIX);
            if ours && digest.is_some_and(|digest| !keep.contains(&digest)) {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    fn open(&mut self, object: &ObjectHeader) -> Result<&File, StoreError> {
        if self
            .checked
            .as_ref()
            .is_none_or(|(digest, _)| *digest != object.digest)
        {
            let mut file = File::open(self.path(object.digest)).map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => StoreError::Missing,
                _ => StoreError::Device(error),
            })?;
            let found = hash(&mut file).map_err(StoreError::Device)?;
            if found != (object.digest, object.len_bytes) {
                return Err(StoreError::Altered);
            }
            self.checked = Some((object.digest, file));
        }
        self.checked
            .as_ref()
            .map(|(_, file)| file)
            .ok_or(StoreError::Missing)
    }
}

fn hash(file: &mut File) -> io::Result<(Digest, u64)> {
    let (mut hasher, mut len_bytes) = (Sha256::new(), 0);
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((Digest(hasher.finalize().into()), len_bytes)),
            got => {
                hasher.update(&buffer[..got]);
                len_bytes += got as u64;
            }
        }
    }
}

impl KeyObjects for FileKeyObjects {
    fn put(&mut self, digest: Digest, bytes: &[u8], also: &[Digest]) -> Result<(), StoreError> {
        let kept = write_private(&self.path(digest), bytes);
        let keep: Vec<Digest> = also.iter().copied().chain([digest]).collect();
        kept.and_then(|()| self.remove_others(&keep))
            .map_err(StoreError::Device)
    }

    fn chunk(&mut self, object: &ObjectHeader, index: u32) -> Result<Vec<u8>, StoreError> {
        let range = chunk_range(object.len_bytes, index).ok_or(StoreError::Altered)?;
        let len_bytes = usize::try_from(range.end - range.start).or(Err(StoreError::Altered))?;
        let mut bytes = vec![0; len_bytes];
        let file = self.open(object)?;
        file.read_exact_at(&mut bytes, range.start)
            .map_err(StoreError::Device)?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use obscura_protocol::{
        identity::ClientId,
        transfer::{MAX_CHUNK_BYTES, ObjectKind},
    };

    fn header(bytes: &[u8]) -> ObjectHeader {
        ObjectHeader {
            kind: ObjectKind::EvaluationKeys,
            digest: Digest::of(bytes),
            len_bytes: bytes.len() as u64,
            client: ClientId([1; 16]),
            parameter_hash: Digest([2; 32]),
        }
    }

    #[test]
    fn serves_chunks_again_after_a_restart_and_checks_the_digest() {
        let folder = tempfile::tempdir().unwrap();
        let vault = folder.path().join("vault.obk");
        let bytes: Vec<u8> = (0..MAX_CHUNK_BYTES + 5).map(|i| i.to_le_bytes()[1]).collect();
        let object = header(&bytes);
        FileKeyObjects::beside(&vault)
            .put(object.digest, &bytes, &[])
            .unwrap();
        let mut again = FileKeyObjects::beside(&vault);
        assert_eq!(
            again.chunk(&object, 0).unwrap(),
            bytes[..MAX_CHUNK_BYTES as usize]
        );
        assert_eq!(
            again.chunk(&object, 1).unwrap(),
            bytes[MAX_CHUNK_BYTES as usize..]
        );
        assert!(matches!(again.chunk(&object, 2), Err(StoreError::Altered)));
        let path = again.path(object.digest);
        let mut altered = bytes.clone();
        altered[7] ^= 1;
        fs::write(&path, &altered).unwrap();
        let mut again = FileKeyObjects::beside(&vault);
        assert!(matches!(again.chunk(&object, 0), Err(StoreError::Altered)));
        fs::remove_file(path).unwrap();
        assert!(matches!(again.chunk(&object, 0), Err(StoreError::Missing)));
    }

    #[test]
    fn a_new_object_replaces_those_nobody_needs() {
        let folder = tempfile::tempdir().unwrap();
        let mut objects = FileKeyObjects::beside(&folder.path().join("vault.obk"));
        let [a, b, c] = [b"a", b"b", b"c"].map(|bytes| (header(bytes), bytes));
        objects.put(a.0.digest, a.1, &[]).unwrap();
        objects.put(b.0.digest, b.1, &[a.0.digest]).unwrap();
        assert!(objects.chunk(&a.0, 0).is_ok());
        objects.put(c.0.digest, c.1, &[b.0.digest]).unwrap();
        let mut again = FileKeyObjects::beside(&folder.path().join("vault.obk"));
        assert!(matches!(again.chunk(&a.0, 0), Err(StoreError::Missing)));
        assert!(again.chunk(&b.0, 0).is_ok() && again.chunk(&c.0, 0).is_ok());
    }
}
