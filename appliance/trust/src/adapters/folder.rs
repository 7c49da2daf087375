//! Bundles from a folder of `*.obb` files.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use crate::ports::{BundleSource, Found};

/// The `*.obb` files of one folder, in the order of their names.
#[derive(Debug)]
pub struct FolderBundles {
    folder: PathBuf,
}

impl FolderBundles {
    /// Reads from `folder`.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }
}

impl BundleSource for FolderBundles {
    fn bundles(&self, max_bytes: usize) -> io::Result<Vec<Found>> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|ending| ending == "obb") {
                paths.push(path);
            }
        }
        paths.sort();
        let found = |origin: PathBuf| {
            let bytes = read(&origin, max_bytes);
            Found { origin, bytes }
        };
        Ok(paths.into_iter().map(found).collect())
    }
}

/// Reads one byte more than allowed at most; verification then refuses the length.
fn read(path: &Path, max_bytes: usize) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut bytes = Vec::new();
    file.take(max_bytes as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_bundles_by_their_ending_and_never_reads_past_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("b.obb"), [1; 9]).unwrap();
        fs::write(folder.path().join("a.obb"), [2; 3]).unwrap();
        fs::write(folder.path().join("c.txt"), [3; 3]).unwrap();
        fs::create_dir(folder.path().join("d.obb")).unwrap();
        let found = FolderBundles::new(folder.path().to_owned()).bundles(4).unwrap();
        let lengths: Vec<_> = found
            .iter()
            .map(|found| found.bytes.as_ref().ok().map(Vec::len))
            .collect();
        assert_eq!(lengths, [Some(3), Some(5), None]);
    }
}
