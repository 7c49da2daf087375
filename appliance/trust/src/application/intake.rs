//! At start, before the models are loaded: bundles that came over a carrier are verified and installed, or deleted.
//!
//! Any model whose signatures hold under the pinned root is taken, also one this box never had: the root says who
//! may decide what runs, the way it came says nothing. Only a security counter below that of the installed bundle of
//! the same model is refused; the rollback floor in hardware, once there is one, is asked in [`judge`], beside it.
//!
//! Failure model: a candidate that does not verify is deleted and the log says why. A disk that fails leaves it
//! waiting. The models folder has the former bundle or the new one after a power cut at any point, and what was
//! installed but not yet deleted is installed once more.

use std::path::{Path, PathBuf};

use obscura_bundle::{BundleError, MAX_BUNDLE_BYTES, TrustedRoot};

use super::VerifiedBundle;
use crate::{
    domain::Entry,
    ports::{BundlePlace, BundleSource},
};

/// Why a candidate was not installed.
#[derive(Debug, thiserror::Error)]
enum NotTaken {
    #[error("cannot be read")]
    DeviceUnreadable(#[source] std::io::Error),
    #[error("cannot be installed")]
    DeviceInstall(#[source] std::io::Error),
    #[error(transparent)]
    PeerBundle(#[from] BundleError),
    #[error("security counter {counter} is below the {installed} of the installed bundle of {model}")]
    PeerOlder {
        model: String,
        counter: u32,
        installed: u32,
    },
}

impl NotTaken {
    /// Whether another start could end otherwise.
    fn may_pass(&self) -> bool {
        matches!(self, Self::DeviceUnreadable(_) | Self::DeviceInstall(_))
    }
}

/// A bundle of the models folder whose signatures hold.
struct Installed {
    origin: PathBuf,
    model_id: String,
    counter: u32,
}

/// Installs what waits and may run; nothing that goes wrong here keeps the box from starting.
pub fn take_in(waiting: &dyn BundlePlace, models: &dyn BundlePlace, root: &TrustedRoot) {
    let candidates = match waiting.candidates() {
        Ok(candidates) => candidates,
        // Nothing was ever sent to this box.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
        Err(error) => {
            tracing::error!(%error, "the folder of incoming models cannot be read");
            return;
        }
    };
    for candidate in candidates {
        let bundle = candidate.display();
        match install(&candidate, waiting, models, root) {
            Ok(()) => {}
            Err(error) if error.may_pass() => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(%bundle, error, "incoming model is left waiting");
                continue;
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(%bundle, error, "incoming model refused and deleted");
            }
        }
        if let Err(error) = waiting.remove(&candidate) {
            tracing::error!(%bundle, %error, "incoming model cannot be deleted");
        }
    }
}

/// Installs one candidate.
fn install(
    candidate: &Path,
    waiting: &dyn BundleSource,
    models: &dyn BundlePlace,
    root: &TrustedRoot,
) -> Result<(), NotTaken> {
    let bytes = waiting
        .read(candidate, MAX_BUNDLE_BYTES)
        .map_err(NotTaken::DeviceUnreadable)?;
    let bundle = VerifiedBundle(obscura_bundle::verify(&bytes, root)?);
    let installed = installed(models, root).map_err(NotTaken::DeviceInstall)?;
    let replaced = judge(&bundle, &installed)?;
    let name = match replaced {
        Some(replaced) => name_of(&replaced.origin),
        None => free_name(&bundle, &installed),
    };
    // The very bytes that were verified, not the file again: the gate can write there.
    let path = models.install(&name, &bytes).map_err(NotTaken::DeviceInstall)?;
    tracing::info!(
        model = bundle.model_id(),
        counter = bundle.security_counter(),
        former_counter = replaced.map(|replaced| replaced.counter),
        bundle = %path.display(),
        "model installed"
    );
    Ok(())
}

/// Whether `bundle` may be installed, and the one it replaces.
fn judge<'a>(bundle: &VerifiedBundle, installed: &'a [Installed]) -> Result<Option<&'a Installed>, NotTaken> {
    let same = installed
        .iter()
        .filter(|other| other.model_id == bundle.model_id());
    // Of several, the one that is offered: the highest counter, and the first of those.
    let offered = same.reduce(|first, next| if next.counter > first.counter { next } else { first });
    match offered {
        Some(offered) if offered.counter > bundle.security_counter() => Err(NotTaken::PeerOlder {
            model: offered.model_id.clone(),
            counter: bundle.security_counter(),
            installed: offered.counter,
        }),
        offered => Ok(offered),
    }
}

fn installed(models: &dyn BundleSource, root: &TrustedRoot) -> std::io::Result<Vec<Installed>> {
    let mut installed = Vec::new();
    for origin in models.candidates()? {
        // What cannot be read or does not verify is not offered either; the boot that follows says why.
        let Ok(bytes) = models.read(&origin, MAX_BUNDLE_BYTES) else {
            continue;
        };
        let Ok(bundle) = obscura_bundle::verify(&bytes, root).map(VerifiedBundle) else {
            continue;
        };
        installed.push(Installed {
            origin,
            model_id: bundle.model_id().to_owned(),
            counter: bundle.security_counter(),
        });
    }
    Ok(installed)
}

fn name_of(path: &Path) -> String {
    path.file_stem()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// The model's id, or a longer name when another model's file bears it already.
fn free_name(bundle: &VerifiedBundle, installed: &[Installed]) -> String {
    let id = bundle.model_id();
    if installed.iter().any(|other| name_of(&other.origin) == id) {
        format!("{id}-{:.16}", bundle.0.model_hash())
    } else {
        id.to_owned()
    }
}

#[cfg(test)]
mod tests;
