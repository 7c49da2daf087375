//! The root in force: the pinned one, and every change that was believed since, verified anew at each start.

use obscura_bundle::{ChangeError, RootChange, TrustedRoot};

use crate::{
    domain::{BelowFloor, Floors},
    ports::RootStore,
};

/// Why no root is in force.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RootChainError {
    /// A change of root cannot be read.
    #[error("the change to root version {version} cannot be read")]
    DeviceUnreadable {
        /// The version.
        version: u32,
        /// Why.
        source: std::io::Error,
    },
    /// A later root was in force before.
    #[error("the changes of root are not complete: somebody deleted or altered them, or the disk lost them")]
    TamperOlder(#[from] BelowFloor),
}

/// Follows the chain from `pinned` as far as it holds, which must be as far as it ever was.
///
/// # Errors
/// [`RootChainError`].
pub(super) fn in_force(
    pinned: &TrustedRoot,
    roots: &dyn RootStore,
    floors: &Floors,
) -> Result<TrustedRoot, RootChainError> {
    let mut root = pinned.clone();
    while let Some(version) = root.document().version().checked_add(1) {
        let unreadable = |source| RootChainError::DeviceUnreadable { version, source };
        let Some(bytes) = roots.read(version).map_err(unreadable)? else {
            break;
        };
        match follow(&root, &bytes) {
            Ok((next, _version)) => root = next,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(version, error, "a kept change of root is refused");
                break;
            }
        }
    }
    floors.admits_root(root.document().version())?;
    Ok(root)
}

/// The root a change makes of `root`, and its version.
pub(super) fn follow(root: &TrustedRoot, bytes: &[u8]) -> Result<(TrustedRoot, u32), ChangeError> {
    let next = root.followed_by(&RootChange::from_bytes(bytes)?)?;
    let version = next.document().version();
    Ok((next, version))
}
