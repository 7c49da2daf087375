//! Reading with a limit, writing whole.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use obscura_bundle::{MAX_CHANGE_BYTES, MAX_ROOT_BYTES, Root, RootChange, TrustedRoot};
use obscura_protocol::identity::Digest;

use crate::error::SignError;

/// Reads a file of at most `max_bytes`.
pub(crate) fn read(path: &Path, max_bytes: usize) -> Result<Vec<u8>, SignError> {
    let failed = |source| SignError::ConfigRead {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    let max_bytes = max_bytes as u64;
    file.take(max_bytes + 1).read_to_end(&mut bytes).map_err(failed)?;
    let got_bytes = bytes.len() as u64;
    if got_bytes > max_bytes {
        return Err(SignError::ConfigTooLarge {
            path: path.to_owned(),
            got_bytes,
            max_bytes,
        });
    }
    Ok(bytes)
}

/// Reads a root document.
pub(crate) fn read_root(path: &Path) -> Result<Root, SignError> {
    Root::from_bytes(&read(path, MAX_ROOT_BYTES)?).map_err(|source| SignError::Root {
        path: path.to_owned(),
        source,
    })
}

/// Reads the root document that whoever gave it vouches for.
pub(crate) fn trust_root(path: &Path) -> Result<TrustedRoot, SignError> {
    let bytes = read(path, MAX_ROOT_BYTES)?;
    TrustedRoot::pinned(&bytes, Digest::of(&bytes)).map_err(|source| SignError::Root {
        path: path.to_owned(),
        source,
    })
}

/// Whether a file begins like a change of root.
pub(crate) fn is_change(path: &Path) -> Result<bool, SignError> {
    Ok(RootChange::is_named_in(&read(path, MAX_CHANGE_BYTES)?))
}

/// Reads a change of root.
pub(crate) fn read_change(path: &Path) -> Result<RootChange, SignError> {
    RootChange::from_bytes(&read(path, MAX_CHANGE_BYTES)?).map_err(|source| SignError::Change {
        path: path.to_owned(),
        source,
    })
}

/// Says which file could not be written, and whether it was there already.
pub(crate) fn written(path: &Path, result: io::Result<()>) -> Result<(), SignError> {
    result.map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => SignError::ConfigExists {
            path: path.to_owned(),
        },
        _ => SignError::ConfigWrite {
            path: path.to_owned(),
            source,
        },
    })
}

/// Refuses when something is there, before any work is done.
pub(crate) fn must_be_free(path: &Path) -> Result<(), SignError> {
    match path.symlink_metadata() {
        Ok(_) => Err(SignError::ConfigExists {
            path: path.to_owned(),
        }),
        Err(_) => Ok(()),
    }
}
