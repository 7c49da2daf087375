//! Files written whole or not at all, and private where they hold a secret.
//!
//! The bytes go to a new file beside the target, are flushed to the disk, and take the target's name in
//! one step; a power cut leaves the old content or the new. What failed is the operating system's error.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

const PRIVATE: u32 = 0o600;
const PUBLIC: u32 = 0o644;

/// Writes `bytes` to `path` with mode 0600, replacing what is there.
///
/// # Errors
/// The operating system's; the old file is untouched then.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(path, bytes, PRIVATE)
}

/// Writes `bytes` to `path` with mode 0600, only when nothing is there.
///
/// # Errors
/// `AlreadyExists`, or another of the operating system's.
pub fn create_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    create(path, bytes, PRIVATE)
}

/// Writes `bytes` to `path` with mode 0644, replacing what is there.
///
/// # Errors
/// The operating system's; the old file is untouched then.
pub fn write_public(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(path, bytes, PUBLIC)
}

/// Writes `bytes` to `path` with mode 0644, only when nothing is there.
///
/// # Errors
/// `AlreadyExists`, or another of the operating system's.
pub fn create_public(path: &Path, bytes: &[u8]) -> io::Result<()> {
    create(path, bytes, PUBLIC)
}

fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let written = temporary(path, bytes, mode)?;
    finish(path, &written, fs::rename(&written, path))
}

fn create(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let written = temporary(path, bytes, mode)?;
    // A hard link, unlike a rename, refuses to replace.
    finish(path, &written, fs::hard_link(&written, path))
}

fn finish(path: &Path, written: &Path, named: io::Result<()>) -> io::Result<()> {
    // After a rename there is nothing left to remove.
    let _ = fs::remove_file(written);
    named?;
    File::open(folder(path))?.sync_all()
}

fn folder(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn temporary(path: &Path, bytes: &[u8], mode: u32) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut suffix = [0; 8];
    getrandom::fill(&mut suffix).map_err(io::Error::other)?;
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{:016x}.tmp", u64::from_le_bytes(suffix)));
    let temporary = folder(path).join(hidden);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&temporary)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if let Err(error) = written {
        // The first error is the one to report.
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    Ok(temporary)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn writes_privately_and_leaves_no_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, b"old and longer").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        write_private(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn create_refuses_to_replace() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        create_private(&path, b"first").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let refused = create_private(&path, b"second").unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn reports_a_missing_folder() {
        let folder = tempfile::tempdir().unwrap();
        let missing = write_private(&folder.path().join("no/key"), b"").unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }
}
