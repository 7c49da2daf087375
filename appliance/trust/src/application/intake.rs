//! At start, before the models are loaded: what came over a carrier or by hand is verified and installed.
//!
//! Changes of root go first, so that a bundle of the new keys can come with them. Any model whose signatures hold under
//! the root in force is taken, also one this box never had: the root says who may decide what runs, the way it came says
//! nothing. A security counter below the floor, or below that of a bundle that runs, is refused.
//!
//! Failure model: what is refused is deleted where it came over a carrier and left where a person put it; the log says
//! why. A disk that fails leaves it waiting. After a power cut at any point the former bundle or the new one can start,
//! and what was installed but not yet deleted is found to be there already.

use std::path::Path;

use obscura_bundle::{ChangeError, MAX_BUNDLE_BYTES, RootChange};

use super::{
    models::{Models, Refused},
    roots,
};
use crate::{
    domain::{MAX_MODELS, Slot, SlotId},
    ports::Inbox,
};

/// Who put something into an inbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A device, through the gate: what is refused is deleted, or anybody could fill the disk.
    Carrier,
    /// A person: what is refused is theirs to look at.
    Hand,
}

/// Why a candidate was not taken.
#[derive(Debug, thiserror::Error)]
enum NotTaken {
    #[error("cannot be kept")]
    DeviceKeep(#[source] std::io::Error),
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error(transparent)]
    PeerRoot(#[from] ChangeError),
    #[error("security counter {counter} is below the {installed} of the installed bundle of {model}")]
    PeerOlder {
        model: String,
        counter: u32,
        installed: u32,
    },
    #[error("this box has {MAX_MODELS} models already")]
    ConfigFull,
}

impl NotTaken {
    /// Whether another start could end otherwise.
    fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::DeviceKeep(_) | Self::Refused(Refused::DeviceUnreadable(_)) | Self::ConfigFull
        )
    }
}

/// What became of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    Installed,
    AlreadyThere,
}

impl Models {
    /// Takes in what waits in `inbox`; nothing that goes wrong here keeps the box from starting.
    pub fn take_in(&mut self, inbox: &dyn Inbox, origin: Origin) {
        let candidates = match inbox.candidates() {
            Ok(candidates) => candidates,
            Err(error) => {
                tracing::error!(%error, "a folder of incoming models cannot be read");
                return;
            }
        };
        let (mut changes, mut bundles) = (Vec::new(), Vec::new());
        for candidate in candidates {
            match inbox.read(&candidate, MAX_BUNDLE_BYTES) {
                Ok(bytes) if RootChange::is_named_in(&bytes) => changes.push((version_of(&bytes), candidate)),
                Ok(_) => bundles.push(candidate),
                Err(error) => {
                    let file = candidate.display();
                    tracing::error!(%file, %error, "incoming file cannot be read");
                }
            }
        }
        // One version follows the other, whatever the files are called.
        changes.sort();
        for candidate in changes.into_iter().map(|(_version, path)| path).chain(bundles) {
            self.take(inbox, &candidate, origin);
        }
    }

    fn take(&mut self, inbox: &dyn Inbox, candidate: &Path, origin: Origin) {
        let file = candidate.display();
        let taken = inbox
            .read(candidate, MAX_BUNDLE_BYTES)
            .map_err(|error| NotTaken::Refused(Refused::DeviceUnreadable(error)))
            .and_then(|bytes| self.take_bytes(&bytes));
        match taken {
            Ok(Taken::Installed) => {}
            Ok(Taken::AlreadyThere) => tracing::info!(%file, "incoming file is installed already"),
            Err(error) => {
                let stays = error.may_pass() || origin == Origin::Hand;
                let error = &error as &dyn std::error::Error;
                if stays {
                    tracing::error!(%file, error, "incoming file is left where it is");
                    return;
                }
                tracing::error!(%file, error, "incoming file refused and deleted");
            }
        }
        if let Err(error) = inbox.remove(candidate) {
            tracing::error!(%file, %error, "incoming file cannot be deleted");
        }
    }

    /// Installs the very bytes it verifies: whoever can write the inbox could swap the file meanwhile.
    fn take_bytes(&mut self, bytes: &[u8]) -> Result<Taken, NotTaken> {
        if RootChange::is_named_in(bytes) {
            self.take_root(bytes)
        } else {
            self.take_bundle(bytes)
        }
    }

    /// Keeps a change of root, then believes it.
    fn take_root(&mut self, bytes: &[u8]) -> Result<Taken, NotTaken> {
        if version_of(bytes).is_some_and(|version| version <= self.root.document().version()) {
            return Ok(Taken::AlreadyThere);
        }
        let (root, version) = roots::follow(&self.root, bytes)?;
        self.stores
            .roots
            .write(version, bytes)
            .map_err(NotTaken::DeviceKeep)?;
        self.root = root;
        self.raise_root();
        let fingerprint = self.root.document().fingerprint();
        tracing::info!(version, %fingerprint, "root changed");
        Ok(Taken::Installed)
    }

    fn take_bundle(&mut self, bytes: &[u8]) -> Result<Taken, NotTaken> {
        let bundle = self.examine(bytes)?;
        let (model, counter) = (
            bundle.manifest().model_id.as_str(),
            bundle.manifest().security_counter,
        );
        let new = Slot::on_trial(bundle.model_hash().0, counter);
        let slots_of_all = self.stores.slots.models().map_err(NotTaken::DeviceKeep)?;
        if slots_of_all.len() >= MAX_MODELS && !slots_of_all.iter().any(|other| other == model) {
            return Err(NotTaken::ConfigFull);
        }
        let mut slots = self.slots(model);
        let holds = |id| {
            slots
                .slot(id)
                .is_some_and(|slot| self.load(model, id, slot).is_ok())
        };
        let usable = SlotId::ALL.map(holds);
        let usable = |id| usable[usize::from(id == SlotId::B)];
        let there = slots.find(&new.model_hash).filter(|id| usable(*id));
        if there.is_some_and(|id| slots.slot(id).is_some_and(Slot::is_ready)) {
            return Ok(Taken::AlreadyThere);
        }
        if let Some(installed) = slots
            .highest_ready(usable)
            .filter(|installed| *installed > counter)
        {
            return Err(NotTaken::PeerOlder {
                model: model.to_owned(),
                counter,
                installed,
            });
        }
        // One whose tries were used up, and that was sent again, gets new ones where it lies.
        let target = there.unwrap_or_else(|| slots.install_target(self.floors.of(model), usable));
        if there.is_none() {
            // The state never names what is not there whole.
            slots.clear(target);
            let store = &self.stores.slots;
            let written = store
                .keep(model, &slots)
                .and_then(|()| store.write(model, target, bytes));
            written.map_err(NotTaken::DeviceKeep)?;
        }
        slots.install(target, new);
        self.stores
            .slots
            .keep(model, &slots)
            .map_err(NotTaken::DeviceKeep)?;
        tracing::info!(model, counter, slot = ?target, "model installed");
        Ok(Taken::Installed)
    }
}

/// Version of the root a change would make, believed or not.
fn version_of(change: &[u8]) -> Option<u32> {
    let root = RootChange::from_bytes(change).ok()?.root().ok()?;
    Some(root.version())
}
