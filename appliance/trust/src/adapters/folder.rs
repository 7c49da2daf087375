//! Bundles in a folder of `*.obb` files.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use crate::ports::{BundlePlace, BundleSource};

/// What a bundle's file name ends in.
const ENDING: &str = "obb";

/// The `*.obb` files of one folder, in the order of their names.
#[derive(Debug)]
pub struct FolderBundles {
    folder: PathBuf,
    /// File operations before the power fails.
    #[cfg(test)]
    power: std::cell::Cell<u32>,
}

impl FolderBundles {
    /// Works in `folder`, which need not exist: then it has no bundles.
    pub fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            #[cfg(test)]
            power: std::cell::Cell::new(u32::MAX),
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
        let left = self.power.get().checked_sub(1);
        self.power.set(left.unwrap_or(0));
        left.map(|_| ()).ok_or_else(|| io::Error::other("power cut"))
    }
}

impl BundleSource for FolderBundles {
    fn candidates(&self) -> io::Result<Vec<PathBuf>> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|ending| ending == ENDING) {
                paths.push(path);
            }
        }
        paths.sort();
        Ok(paths)
    }

    fn read(&self, candidate: &Path, max_bytes: usize) -> io::Result<Vec<u8>> {
        let file = File::open(candidate)?;
        if !file.metadata()?.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut bytes = Vec::new();
        // One byte more than allowed at most; verification then refuses the length.
        file.take(max_bytes as u64 + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

impl BundlePlace for FolderBundles {
    fn install(&self, name: &str, bytes: &[u8]) -> io::Result<PathBuf> {
        let path = self.folder.join(name).with_extension(ENDING);
        // Its ending keeps it from being taken for a bundle, and the next attempt overwrites it.
        let fresh = path.with_extension("new");
        self.step()?;
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o644)
            .open(&fresh)?;
        self.step()?;
        file.write_all(bytes)?;
        self.step()?;
        file.sync_all()?;
        self.step()?;
        fs::rename(&fresh, &path)?;
        self.step()?;
        File::open(&self.folder)?.sync_all()?;
        Ok(path)
    }

    fn remove(&self, candidate: &Path) -> io::Result<()> {
        self.step()?;
        fs::remove_file(candidate)?;
        self.step()?;
        File::open(&self.folder)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use obscura_bundle::{Bundle, Meta, Root, TrustedRoot};
    use obscura_protocol::identity::Identity;
    use zeroize::Zeroizing;

    use super::*;
    use crate::{
        application::{boot, take_in},
        domain::Entry,
    };

    #[test]
    fn finds_bundles_by_their_ending_and_never_reads_past_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("b.obb"), [1; 9]).unwrap();
        fs::write(folder.path().join("a.obb"), [2; 3]).unwrap();
        fs::write(folder.path().join("c.txt"), [3; 3]).unwrap();
        fs::create_dir(folder.path().join("d.obb")).unwrap();
        let folder = FolderBundles::new(folder.path().to_owned());
        let found = folder.candidates().unwrap();
        let lengths: Vec<_> = found
            .iter()
            .map(|path| folder.read(path, 4).ok().map(|bytes| bytes.len()))
            .collect();
        assert_eq!(lengths, [Some(3), Some(5), None]);
    }

    fn key() -> Identity {
        Identity::from_seed(&Zeroizing::new([1; 32]))
    }

    fn bundle(counter: u32) -> Vec<u8> {
        let meta = Meta {
            model_id: "model".to_owned(),
            version: "1.0.0".to_owned(),
            security_counter: counter,
            scheme: "tfhe-1".to_owned(),
            min_protocol: 1,
        };
        let files = BTreeMap::from([("circuit.json".to_owned(), vec![7; 100])]);
        Bundle::build(&meta, files).unwrap().sign(&[key()])
    }

    /// The counters of the models a box with this folder offers.
    fn offered(models: &Path, root: &TrustedRoot) -> Vec<u32> {
        let shelf = boot(&FolderBundles::new(models.to_owned()), root).unwrap();
        shelf.iter().map(Entry::security_counter).collect()
    }

    #[test]
    fn no_power_cut_leaves_the_box_without_its_model_or_loses_the_new_one() {
        let root = Root::new(1, 1, vec![key().public()]).unwrap();
        let root = TrustedRoot::pinned(&root.to_bytes(), root.fingerprint()).unwrap();
        // More than either folder sees: the last rounds are not cut at all.
        for operations in 0..8 {
            let folder = tempfile::tempdir().unwrap();
            let (models, incoming) = (folder.path().join("models"), folder.path().join("incoming"));
            fs::create_dir(&models).unwrap();
            fs::create_dir(&incoming).unwrap();
            fs::write(models.join("old.obb"), bundle(3)).unwrap();
            fs::write(incoming.join("new.obb"), bundle(4)).unwrap();
            // Cut among the operations on the models, then among those on what waits.
            for (of_models, of_incoming) in [(operations, u32::MAX), (u32::MAX, operations)] {
                let place = |folder: &Path, power| {
                    let place = FolderBundles::new(folder.to_owned());
                    place.power.set(power);
                    place
                };
                take_in(&place(&incoming, of_incoming), &place(&models, of_models), &root);
                let now = offered(&models, &root);
                assert!(now == [3] || now == [4], "cut after {operations}: {now:?}");
                let waits = incoming.join("new.obb").exists();
                assert!(waits || now == [4], "cut after {operations}: the new one is lost");
            }
            take_in(
                &FolderBundles::new(incoming.clone()),
                &FolderBundles::new(models.clone()),
                &root,
            );
            assert_eq!(offered(&models, &root), [4], "cut after {operations}");
            assert_eq!(fs::read_dir(&incoming).unwrap().count(), 0);
            let names: Vec<_> = fs::read_dir(&models)
                .unwrap()
                .map(|entry| entry.unwrap().file_name())
                .collect();
            assert_eq!(names, ["old.obb"], "cut after {operations}");
        }
    }

    #[test]
    fn a_box_to_which_nothing_was_ever_sent_has_nothing_to_take_in() {
        let folder = tempfile::tempdir().unwrap();
        let models = FolderBundles::new(folder.path().to_owned());
        let root = Root::new(1, 1, vec![key().public()]).unwrap();
        let root = TrustedRoot::pinned(&root.to_bytes(), root.fingerprint()).unwrap();
        take_in(
            &FolderBundles::new(folder.path().join("incoming")),
            &models,
            &root,
        );
        assert_eq!(models.candidates().unwrap(), Vec::<PathBuf>::new());
    }
}
