//! The few file operations of the store, in one place, so that a test can cut the power between any two.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt},
    path::Path,
};

/// The file system.
#[derive(Debug, Default)]
pub(super) struct Disk {
    #[cfg(test)]
    pub(super) power: test_power::Power,
}

impl Disk {
    /// Makes a folder only its owner can enter.
    pub(super) fn create_folder(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
    }

    /// Writes a whole file durably under its final name, or not at all.
    pub(super) fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let fresh = path.with_extension("new");
        self.step()?;
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&fresh)?;
        file.write_all(bytes)?;
        self.step()?;
        file.sync_all()?;
        self.rename(&fresh, path)
    }

    /// Renames durably.
    pub(super) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        fs::rename(from, to)?;
        self.step()?;
        match to.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    }

    /// Makes an empty file of `len_bytes`.
    pub(super) fn allocate(&self, path: &Path, len_bytes: u64) -> io::Result<()> {
        self.step()?;
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)?;
        file.set_len(len_bytes)?;
        file.sync_all()
    }

    /// Writes inside a file; durable only after [`Self::sync`].
    pub(super) fn write_at(&self, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.step()?;
        #[cfg(test)]
        self.power.wrote(path, offset, bytes.len());
        OpenOptions::new()
            .write(true)
            .open(path)?
            .write_all_at(bytes, offset)
    }

    /// Makes everything written to a file durable.
    pub(super) fn sync(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        OpenOptions::new().write(true).open(path)?.sync_all()?;
        #[cfg(test)]
        self.power.synced(path);
        Ok(())
    }

    /// Deletes a folder and what is in it; one that is not there is fine.
    pub(super) fn remove_folder(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    #[cfg(not(test))]
    #[expect(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        reason = "the test build cuts the power here"
    )]
    fn step(&self) -> io::Result<()> {
        Ok(())
    }

    #[cfg(test)]
    fn step(&self) -> io::Result<()> {
        self.power.step()
    }
}

/// A power supply that fails after a given number of operations and takes unsynced bytes with it.
#[cfg(test)]
pub(super) mod test_power {
    use std::{
        cell::{Cell, RefCell},
        fs::OpenOptions,
        io,
        os::unix::fs::FileExt,
        path::{Path, PathBuf},
    };

    #[derive(Debug)]
    pub(crate) struct Power {
        left: Cell<u32>,
        unsynced: RefCell<Vec<(PathBuf, u64, usize)>>,
    }

    impl Default for Power {
        fn default() -> Self {
            Self::after(u32::MAX)
        }
    }

    impl Power {
        pub(crate) fn after(operations: u32) -> Self {
            Self {
                left: Cell::new(operations),
                unsynced: RefCell::default(),
            }
        }

        pub(super) fn step(&self) -> io::Result<()> {
            let left = self.left.get().checked_sub(1);
            self.left.set(left.unwrap_or(0));
            left.map(|_| ()).ok_or_else(|| io::Error::other("power cut"))
        }

        pub(super) fn wrote(&self, path: &Path, offset: u64, len: usize) {
            self.unsynced.borrow_mut().push((path.to_owned(), offset, len));
        }

        pub(super) fn synced(&self, path: &Path) {
            self.unsynced.borrow_mut().retain(|(of, ..)| of != path);
        }

        /// Loses what was never synced.
        pub(crate) fn cut(&self) {
            for (path, offset, len) in self.unsynced.take() {
                if let Ok(file) = OpenOptions::new().write(true).open(path) {
                    file.write_all_at(&vec![0; len], offset).unwrap();
                }
            }
        }
    }
}
