//! A disk in memory whose power can be cut between any two operations, and that then has or has not what was not synced.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    rc::Rc,
};

use super::Disk;

/// What a power cut leaves of names and contents that were not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Everything is there.
    Nothing,
    /// Names are there, contents are torn.
    Contents,
    /// Neither is.
    NamesAndContents,
}

impl Loss {
    pub(crate) const ALL: [Self; 3] = [Self::Nothing, Self::Contents, Self::NamesAndContents];
}

#[derive(Clone, Debug)]
struct Inode {
    now: Vec<u8>,
    synced: bool,
}

#[derive(Clone, Debug, Default)]
struct State {
    inodes: Vec<Inode>,
    names: BTreeMap<PathBuf, usize>,
    durable: BTreeMap<PathBuf, usize>,
    folders: BTreeSet<PathBuf>,
    /// Operations that change something before the power fails; `None` is power for ever.
    power: Option<u32>,
    is_dead: bool,
    is_worn: bool,
}

/// Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct SimDisk(Rc<RefCell<State>>);

impl SimDisk {
    /// Another disk with the same content.
    pub(crate) fn copy(&self) -> Self {
        Self(Rc::new(RefCell::new(self.0.borrow().clone())))
    }

    /// The power fails after `operations` more that change something.
    pub(crate) fn cut_after(&self, operations: u32) {
        self.0.borrow_mut().power = Some(operations);
    }

    /// From now on everything can be read and nothing be changed.
    pub(crate) fn wear_out(&self) {
        self.0.borrow_mut().is_worn = true;
    }

    /// Whether the power failed since.
    pub(crate) fn is_dead(&self) -> bool {
        self.0.borrow().is_dead
    }

    /// Power comes back.
    pub(crate) fn restart(&self, loss: Loss) {
        let mut state = self.0.borrow_mut();
        state.power = None;
        state.is_dead = false;
        if loss == Loss::NamesAndContents {
            state.names = state.durable.clone();
        }
        for inode in &mut state.inodes {
            if loss != Loss::Nothing && !inode.synced {
                let half = inode.now.len() / 2;
                inode.now.truncate(half);
            }
            inode.synced = true;
        }
        state.durable = state.names.clone();
    }

    /// Puts a file there, durably.
    pub(crate) fn put(&self, path: &str, bytes: &[u8]) {
        let mut state = self.0.borrow_mut();
        state.inodes.push(Inode {
            now: bytes.to_vec(),
            synced: true,
        });
        let inode = state.inodes.len() - 1;
        state.names.insert(path.into(), inode);
        state.durable.insert(path.into(), inode);
        state
            .folders
            .extend(Path::new(path).ancestors().skip(1).map(Path::to_owned));
    }

    /// Deletes whatever lies at or below `path`, durably.
    pub(crate) fn wipe(&self, path: &str) {
        let mut state = self.0.borrow_mut();
        state.names.retain(|name, _| !name.starts_with(path));
        state.durable.retain(|name, _| !name.starts_with(path));
    }

    /// Content of a file.
    pub(crate) fn get(&self, path: &str) -> Option<Vec<u8>> {
        let state = self.0.borrow();
        Some(state.inodes[*state.names.get(Path::new(path))?].now.clone())
    }

    /// Names of files below `folder`.
    pub(crate) fn names(&self, folder: &str) -> Vec<String> {
        let state = self.0.borrow();
        let below = state.names.keys().filter(|name| name.starts_with(folder));
        below.map(|name| name.display().to_string()).collect()
    }

    fn alive(&self) -> io::Result<()> {
        if self.is_dead() {
            return Err(io::Error::other("power cut"));
        }
        Ok(())
    }

    /// Counts an operation that changes something.
    fn step(&self) -> io::Result<()> {
        self.alive()?;
        let mut state = self.0.borrow_mut();
        if state.is_worn {
            return Err(io::Error::other("worn out"));
        }
        match state.power {
            Some(0) => {
                state.is_dead = true;
                Err(io::Error::other("power cut"))
            }
            Some(left) => {
                state.power = Some(left - 1);
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn find(&self, path: &Path) -> io::Result<usize> {
        let found = self.0.borrow().names.get(path).copied();
        found.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn content(&self, path: &Path, bytes: &[u8]) {
        let mut state = self.0.borrow_mut();
        let content = Inode {
            now: bytes.to_vec(),
            synced: false,
        };
        if let Some(inode) = state.names.get(path).copied() {
            state.inodes[inode] = content;
        } else {
            state.inodes.push(content);
            let inode = state.inodes.len() - 1;
            state.names.insert(path.to_owned(), inode);
        }
    }
}

impl Disk for SimDisk {
    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        self.alive()?;
        let state = self.0.borrow();
        let all = state.names.keys().chain(&state.folders);
        let within = all.filter(|path| path.parent() == Some(folder)).cloned();
        Ok(within.collect::<BTreeSet<_>>().into_iter().collect())
    }

    fn read(&self, path: &Path, max_bytes: usize) -> io::Result<Vec<u8>> {
        self.alive()?;
        let inode = self.find(path)?;
        let bytes = &self.0.borrow().inodes[inode].now;
        Ok(bytes[..bytes.len().min(max_bytes + 1)].to_vec())
    }

    fn make_folder(&self, folder: &Path) -> io::Result<()> {
        if self.0.borrow().folders.contains(folder) {
            return self.alive();
        }
        self.step()?;
        let folders = folder.ancestors().map(Path::to_owned);
        self.0.borrow_mut().folders.extend(folders);
        Ok(())
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let was_dead = self.is_dead();
        if let Err(error) = self.step() {
            // The power failed in the middle of this very write.
            if !was_dead && self.is_dead() {
                self.content(path, &bytes[..bytes.len() / 2]);
            }
            return Err(error);
        }
        self.content(path, bytes);
        Ok(())
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        let inode = self.find(path)?;
        self.0.borrow_mut().inodes[inode].synced = true;
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        let inode = self.find(from)?;
        let names = &mut self.0.borrow_mut().names;
        names.remove(from);
        names.insert(to.to_owned(), inode);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        self.find(path)?;
        self.0.borrow_mut().names.remove(path);
        Ok(())
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.step()?;
        let state = &mut *self.0.borrow_mut();
        state.durable.retain(|name, _| name.parent() != Some(folder));
        let within = state
            .names
            .iter()
            .filter(|(name, _)| name.parent() == Some(folder));
        state
            .durable
            .extend(within.map(|(name, inode)| (name.clone(), *inode)));
        Ok(())
    }
}
