//! The file operations everything durable here is made of, so that a test can cut the power between any two.
//!
//! A file is replaced by writing beside it, syncing, renaming and syncing the folder: after a power cut at any point
//! the former or the new content is there, whole.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// File operations. Nothing is durable until a file and the folder that names it are synced.
pub trait Disk {
    /// What lies in a folder; nothing when it does not exist.
    ///
    /// # Errors
    /// It cannot be read.
    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>>;

    /// Content of a file, at most one byte more than `max_bytes` of it.
    ///
    /// # Errors
    /// It cannot be read, or is no file.
    fn read(&self, path: &Path, max_bytes: usize) -> io::Result<Vec<u8>>;

    /// Makes a folder and those it lies in, unless it is there.
    ///
    /// # Errors
    /// It cannot be made.
    fn make_folder(&self, folder: &Path) -> io::Result<()>;

    /// Writes a file over what was there; it may be torn after a power cut.
    ///
    /// # Errors
    /// It cannot be written.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Makes the content of a file durable.
    ///
    /// # Errors
    /// It may not be.
    fn sync(&self, path: &Path) -> io::Result<()>;

    /// Gives a file another name in its folder, in place of what had it.
    ///
    /// # Errors
    /// It has its former name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Deletes a file.
    ///
    /// # Errors
    /// It is there still.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a folder durable.
    ///
    /// # Errors
    /// They may not be.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
}

/// Ending of a file that is being written.
const FRESH: &str = "new";

/// Replaces a file whole, durably.
///
/// # Errors
/// The former file is there still.
pub(super) fn replace(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    // The next attempt overwrites one that a power cut left behind.
    let fresh = path.with_extension(FRESH);
    disk.write(&fresh, bytes)?;
    disk.sync(&fresh)?;
    disk.rename(&fresh, path)?;
    disk.sync_folder(folder_of(path))
}

/// Deletes a file durably.
///
/// # Errors
/// It may be there still.
pub(super) fn delete(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    disk.remove(path)?;
    disk.sync_folder(folder_of(path))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or_else(|| Path::new(""))
}

/// The real one.
#[derive(Clone, Copy, Debug, Default)]
pub struct FsDisk;

impl Disk for FsDisk {
    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut paths = entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<io::Result<Vec<_>>>()?;
        paths.sort();
        Ok(paths)
    }

    fn read(&self, path: &Path, max_bytes: usize) -> io::Result<Vec<u8>> {
        let file = File::open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut bytes = Vec::new();
        file.take(max_bytes as u64 + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn make_folder(&self, folder: &Path) -> io::Result<()> {
        if folder.is_dir() {
            return Ok(());
        }
        if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            self.make_folder(parent)?;
            fs::DirBuilder::new().mode(0o700).create(folder)?;
            self.sync_folder(parent)
        } else {
            fs::DirBuilder::new().mode(0o700).create(folder)
        }
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)?;
        file.write_all(bytes)
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_in_order_reads_to_the_limit_and_replaces_whole() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().join("a/b");
        let disk = FsDisk;
        assert_eq!(disk.list(&folder).unwrap(), Vec::<PathBuf>::new());
        disk.make_folder(&folder).unwrap();
        disk.make_folder(&folder).unwrap();
        let file = folder.join("state");
        replace(&disk, &file, &[1; 9]).unwrap();
        replace(&disk, &file, &[2; 9]).unwrap();
        assert_eq!(disk.read(&file, 9).unwrap(), [2; 9]);
        assert_eq!(disk.read(&file, 4).unwrap(), [2; 5]);
        assert!(disk.read(&folder, 4).is_err());
        assert_eq!(disk.list(&folder).unwrap(), std::slice::from_ref(&file));
        delete(&disk, &file).unwrap();
        assert_eq!(disk.list(&folder).unwrap(), Vec::<PathBuf>::new());
    }
}
