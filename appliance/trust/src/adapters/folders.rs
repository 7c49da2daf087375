//! Inbox, slots, roots and floors in folders.
//!
//! ```text
//! inbox/*.obb, *.obr           signed bundles and changes of root that wait
//! trust/first-start            until the first start has made the floors
//! trust/floors                 the floors, where they are kept weakly
//! trust/roots/2, 3, ..         changes of root that were believed
//! trust/slots/MODEL/a, b       bundles
//! trust/slots/MODEL/state      which of them goes first
//! ```

use std::{
    io,
    path::{Path, PathBuf},
};

use obscura_bundle::MAX_CHANGE_BYTES;
use obscura_protocol::job::{FloorKind, is_model_id};

use super::{
    disk::{Disk, delete, replace},
    record::{self, MAX_RECORD_BYTES},
};
use crate::{
    domain::{Floors, SlotId, Slots},
    ports::{FloorError, FloorStore, Inbox, RootStore, SlotStore},
};

/// What the name of a bundle or of a change of root ends in.
const ENDINGS: [&str; 2] = ["obb", "obr"];

/// The `*.obb` and `*.obr` files of one folder, in the order of their names.
#[derive(Debug)]
pub struct FolderInbox<D> {
    disk: D,
    folder: PathBuf,
}

impl<D: Disk> FolderInbox<D> {
    /// Looks into `folder`, which need not exist: then nothing was ever sent.
    pub fn new(disk: D, folder: PathBuf) -> Self {
        Self { disk, folder }
    }
}

impl<D: Disk> Inbox for FolderInbox<D> {
    fn candidates(&self) -> io::Result<Vec<PathBuf>> {
        let mut paths = self.disk.list(&self.folder)?;
        paths.retain(|path| {
            let ending = path.extension().and_then(|ending| ending.to_str());
            ending.is_some_and(|ending| ENDINGS.contains(&ending))
        });
        Ok(paths)
    }

    fn read(&self, candidate: &Path, max_bytes: usize) -> io::Result<Vec<u8>> {
        self.disk.read(candidate, max_bytes)
    }

    fn remove(&self, candidate: &Path) -> io::Result<()> {
        delete(&self.disk, candidate)
    }
}

/// Slots in a folder per model.
#[derive(Debug)]
pub struct FolderSlots<D> {
    disk: D,
    folder: PathBuf,
}

impl<D: Disk> FolderSlots<D> {
    /// Keeps slots below the folder `trust`.
    pub fn new(disk: D, trust: &Path) -> Self {
        let folder = trust.join("slots");
        Self { disk, folder }
    }

    fn path(&self, model: &str, file: &str) -> PathBuf {
        self.folder.join(model).join(file)
    }

    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        if let Some(folder) = path.parent() {
            self.disk.make_folder(folder)?;
        }
        replace(&self.disk, path, bytes)
    }
}

fn file_of(slot: SlotId) -> &'static str {
    match slot {
        SlotId::A => "a",
        SlotId::B => "b",
    }
}

impl<D: Disk> SlotStore for FolderSlots<D> {
    fn models(&self) -> io::Result<Vec<String>> {
        let folders = self.disk.list(&self.folder)?;
        let names = folders
            .iter()
            .filter_map(|path| path.file_name()?.to_str().map(ToOwned::to_owned));
        Ok(names.filter(|name| is_model_id(name)).collect())
    }

    fn state(&self, model: &str) -> io::Result<Option<Slots>> {
        let bytes = match self.disk.read(&self.path(model, "state"), MAX_RECORD_BYTES) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(record::decode_slots(&bytes))
    }

    fn keep(&self, model: &str, slots: &Slots) -> io::Result<()> {
        self.replace(&self.path(model, "state"), &record::encode_slots(slots))
    }

    fn read(&self, model: &str, slot: SlotId, max_bytes: usize) -> io::Result<Vec<u8>> {
        self.disk.read(&self.path(model, file_of(slot)), max_bytes)
    }

    fn write(&self, model: &str, slot: SlotId, bytes: &[u8]) -> io::Result<()> {
        self.replace(&self.path(model, file_of(slot)), bytes)
    }
}

/// Believed changes of root, one file per version.
#[derive(Debug)]
pub struct FolderRoots<D> {
    disk: D,
    folder: PathBuf,
}

impl<D: Disk> FolderRoots<D> {
    /// Keeps roots below the folder `trust`.
    pub fn new(disk: D, trust: &Path) -> Self {
        let folder = trust.join("roots");
        Self { disk, folder }
    }
}

impl<D: Disk> RootStore for FolderRoots<D> {
    fn read(&self, version: u32) -> io::Result<Option<Vec<u8>>> {
        match self
            .disk
            .read(&self.folder.join(version.to_string()), MAX_CHANGE_BYTES)
        {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn write(&self, version: u32, bytes: &[u8]) -> io::Result<()> {
        self.disk.make_folder(&self.folder)?;
        replace(&self.disk, &self.folder.join(version.to_string()), bytes)
    }
}

/// Floors in a file: whoever holds the disk can restore an older one, which is why receipts say so.
#[derive(Debug)]
pub struct FileFloors<D> {
    disk: D,
    folder: PathBuf,
}

impl<D: Disk> FileFloors<D> {
    /// Keeps the floors in the folder `trust`.
    pub fn new(disk: D, trust: &Path) -> Self {
        let folder = trust.to_owned();
        Self { disk, folder }
    }

    fn file(&self) -> PathBuf {
        self.folder.join("floors")
    }

    fn marker(&self) -> PathBuf {
        self.folder.join("first-start")
    }

    /// Whether provisioning left word that this box has never started.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn is_first_start(&self) -> io::Result<bool> {
        Ok(self.disk.list(&self.folder)?.contains(&self.marker()))
    }

    /// Makes the floors of a box that has never started. Floors that are there already stay.
    ///
    /// # Errors
    /// They could not be made; the next start tries again.
    pub fn begin(&self) -> Result<(), FloorError> {
        if !self.is_first_start()? {
            return Ok(());
        }
        if let Err(FloorError::TamperMissing) = self.read() {
            self.write(&Floors::default())?;
        }
        Ok(delete(&self.disk, &self.marker())?)
    }
}

impl<D: Disk> FloorStore for FileFloors<D> {
    fn kind(&self) -> FloorKind {
        FloorKind::File
    }

    fn read(&self) -> Result<Floors, FloorError> {
        match self.disk.read(&self.file(), MAX_RECORD_BYTES) {
            Ok(bytes) => record::decode_floors(&bytes).ok_or(FloorError::TamperDamaged),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(FloorError::TamperMissing),
            Err(error) => Err(error.into()),
        }
    }

    fn write(&self, floors: &Floors) -> Result<(), FloorError> {
        self.disk.make_folder(&self.folder)?;
        Ok(replace(&self.disk, &self.file(), &record::encode_floors(floors))?)
    }
}

/// The floors of a box that has never started, for looking at it without starting it.
#[derive(Clone, Copy, Debug)]
pub struct UntouchedFloors;

impl FloorStore for UntouchedFloors {
    fn kind(&self) -> FloorKind {
        FloorKind::File
    }

    fn read(&self) -> Result<Floors, FloorError> {
        Ok(Floors::default())
    }

    fn write(&self, _floors: &Floors) -> Result<(), FloorError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::adapters::FsDisk;

    #[test]
    fn an_inbox_has_bundles_and_changes_of_root_by_their_endings() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.obb", "a.obr", "c.txt", "d.new"] {
            fs::write(folder.path().join(name), name).unwrap();
        }
        let inbox = FolderInbox::new(FsDisk, folder.path().to_owned());
        let found = inbox.candidates().unwrap();
        assert_eq!(found, [folder.path().join("a.obr"), folder.path().join("b.obb")]);
        inbox.remove(&found[0]).unwrap();
        assert_eq!(inbox.candidates().unwrap().len(), 1);
        let never = FolderInbox::new(FsDisk, folder.path().join("never"));
        assert_eq!(never.candidates().unwrap(), Vec::<PathBuf>::new());
    }

    #[test]
    fn floors_are_made_once_and_missing_or_damaged_ones_are_tampering() {
        let folder = tempfile::tempdir().unwrap();
        let floors = FileFloors::new(FsDisk, folder.path());
        floors.begin().unwrap();
        assert!(matches!(floors.read(), Err(FloorError::TamperMissing)));
        fs::write(folder.path().join("first-start"), "").unwrap();
        floors.begin().unwrap();
        let mut raised = floors.read().unwrap();
        raised.raise("a", 7).unwrap();
        floors.write(&raised).unwrap();
        // Word of a first start does not lower what is there.
        fs::write(folder.path().join("first-start"), "").unwrap();
        floors.begin().unwrap();
        assert_eq!(floors.read().unwrap(), raised);
        assert!(!floors.is_first_start().unwrap());
        fs::write(folder.path().join("floors"), "").unwrap();
        assert!(matches!(floors.read(), Err(FloorError::TamperDamaged)));
        floors.begin().unwrap();
        assert!(matches!(floors.read(), Err(FloorError::TamperDamaged)));
    }

    #[test]
    fn only_folders_named_like_models_have_slots() {
        let folder = tempfile::tempdir().unwrap();
        let slots = FolderSlots::new(FsDisk, folder.path());
        assert!(slots.models().unwrap().is_empty() && slots.state("a").unwrap().is_none());
        slots.write("a", SlotId::B, b"bundle").unwrap();
        slots.keep("a", &Slots::default()).unwrap();
        fs::create_dir(folder.path().join("slots/..b")).unwrap();
        assert_eq!(slots.models().unwrap(), ["a"]);
        assert_eq!(slots.state("a").unwrap(), Some(Slots::default()));
        assert_eq!(slots.read("a", SlotId::B, 99).unwrap(), b"bundle");
        assert!(slots.read("a", SlotId::A, 99).is_err());
        fs::write(folder.path().join("slots/a/state"), "torn").unwrap();
        assert_eq!(slots.state("a").unwrap(), None);
    }
}
