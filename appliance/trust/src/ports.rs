//! What the trust process needs from the outside.

use std::path::PathBuf;

/// A bundle file as found, unchecked.
pub struct Found {
    /// Where it came from, for the log.
    pub origin: PathBuf,
    /// Its bytes, or why there are none.
    pub bytes: Result<Vec<u8>, std::io::Error>,
}

/// Where bundles come from.
pub trait BundleSource {
    /// Every candidate, each at most `max_bytes` long.
    ///
    /// # Errors
    /// The place itself cannot be read.
    fn bundles(&self, max_bytes: usize) -> std::io::Result<Vec<Found>>;
}

impl std::fmt::Debug for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Found({})", self.origin.display())
    }
}
