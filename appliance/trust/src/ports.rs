//! What the trust process needs from the outside.

use std::{
    io,
    path::{Path, PathBuf},
};

/// Where bundles come from.
pub trait BundleSource {
    /// Every candidate, by where it is; nothing is said of its content.
    ///
    /// # Errors
    /// The place itself cannot be read.
    fn candidates(&self) -> io::Result<Vec<PathBuf>>;

    /// The bytes of a candidate, unchecked: whole when they are at most `max_bytes`, longer than that otherwise.
    ///
    /// # Errors
    /// The candidate cannot be read.
    fn read(&self, candidate: &Path, max_bytes: usize) -> io::Result<Vec<u8>>;
}

/// A place whose bundles can be replaced and deleted.
pub trait BundlePlace: BundleSource {
    /// Puts a bundle under `name`, durably and whole or not at all, in place of what was there; where it is now.
    ///
    /// # Errors
    /// It could not be written; what was there is there still.
    fn install(&self, name: &str, bytes: &[u8]) -> io::Result<PathBuf>;

    /// Deletes a candidate.
    ///
    /// # Errors
    /// It could not be deleted.
    fn remove(&self, candidate: &Path) -> io::Result<()>;
}
