//! What may run: the checks of every start and every load, the verdict on what was loaded, and the floor.
//!
//! The order is that of [`Models::start`], [`Models::examine`] and [`Models::report`]: floor, root, signatures, hash of
//! the very bytes that are then handed on, counter against the floor, conformance (of hardware and runtime here, of the
//! circuit in compute), known answers (in compute), mark good, raise the floor. Nothing is cached between two loads, and
//! no clock is asked.
//!
//! Failure model: floors that are missing or damaged, and roots that are older than one in force before, end the start.
//! A slot that is refused gives way to the other one, never to one below the floor. A disk that takes no writes costs
//! what was to be kept, never the model that runs; the log says so.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

use obscura_bundle::{Bundle, BundleError, MAX_BUNDLE_BYTES, TrustedRoot, Verified, verify};
use obscura_protocol::{identity::Digest, job::FloorKind};

use super::roots::{self, RootChainError};
use crate::{
    domain::{BelowFloor, Floors, Slot, SlotId, Slots},
    ports::{FloorError, FloorStore, RootStore, SlotStore},
};

/// Where this box keeps what must outlast it.
pub struct Stores {
    /// The rollback floors.
    pub floors: Box<dyn FloorStore>,
    /// Changes of root.
    pub roots: Box<dyn RootStore>,
    /// Bundles and their state.
    pub slots: Box<dyn SlotStore>,
}

impl std::fmt::Debug for Stores {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stores(floor: {:?})", self.floors.kind())
    }
}

/// Why nothing may run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// There is no floor to go by.
    #[error(transparent)]
    Floor(#[from] FloorError),
    /// There is no root to go by.
    #[error(transparent)]
    Root(#[from] RootChainError),
    /// The slots cannot be listed.
    #[error("the models of this box cannot be listed")]
    DeviceSlots(#[source] io::Error),
}

impl StartError {
    /// Whether somebody tampered with the box, as opposed to a disk that fails.
    pub fn is_tampering(&self) -> bool {
        !matches!(
            self,
            Self::Floor(FloorError::DeviceIo(_))
                | Self::Root(RootChainError::DeviceUnreadable { .. })
                | Self::DeviceSlots(_)
        )
    }
}

/// Why a bundle does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// It cannot be read.
    #[error("cannot be read")]
    DeviceUnreadable(#[source] io::Error),
    /// Its signatures, its manifest or its files.
    #[error(transparent)]
    PeerBundle(#[from] BundleError),
    /// It is older than what already ran.
    #[error(transparent)]
    PeerBelowFloor(#[from] BelowFloor),
    /// It is for other boxes.
    #[error("the model is for hardware {needs}, this box is {has}")]
    PeerHardware {
        /// Hardware id of the manifest.
        needs: String,
        /// Hardware id of this box.
        has: String,
    },
    /// It is not what was put there.
    #[error("another bundle lies there than the one that was installed")]
    TamperOther,
}

/// A verified bundle and where it came from.
#[derive(Debug)]
struct Offered {
    bundle: Bundle<Verified>,
    slot: SlotId,
    /// Whether it was found good, now or at an earlier start.
    is_good: bool,
    /// Whether compute began to load it.
    is_handed_out: bool,
}

/// The models of this box and what decides about them.
#[derive(Debug)]
pub struct Models {
    pub(super) stores: Stores,
    pub(super) root: TrustedRoot,
    pub(super) floors: Floors,
    hardware: String,
    offered: BTreeMap<String, Offered>,
    /// What was found bad since this process began, and is not offered again before it ends.
    found_bad: BTreeSet<(String, SlotId)>,
}

impl Models {
    /// Reads the floors, then follows the roots from `pinned`. Writes nothing, and nothing is offered before
    /// [`Models::boot`].
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(stores: Stores, pinned: &TrustedRoot, hardware: String) -> Result<Self, StartError> {
        let floors = stores.floors.read()?;
        let root = roots::in_force(pinned, &*stores.roots, &floors)?;
        Ok(Self {
            stores,
            root,
            floors,
            hardware,
            offered: BTreeMap::new(),
            found_bad: BTreeSet::new(),
        })
    }

    /// Offers the best slot of every model.
    ///
    /// # Errors
    /// [`StartError::DeviceSlots`]. A model that cannot run is no error: the log says why.
    pub fn boot(&mut self) -> Result<(), StartError> {
        self.raise_root();
        for model in self.stores.slots.models().map_err(StartError::DeviceSlots)? {
            self.offer(&model);
        }
        if self.offered.is_empty() {
            tracing::warn!("no model may run: put a signed bundle (*.obb) into the model folder and restart");
        }
        Ok(())
    }

    /// What keeps the floors.
    pub fn floor_kind(&self) -> FloorKind {
        self.stores.floors.kind()
    }

    /// The bundles offered, by model id.
    pub fn iter(&self) -> impl Iterator<Item = &Bundle<Verified>> {
        self.offered.values().map(|offered| &offered.bundle)
    }

    /// The bundle offered under this manifest hash.
    pub fn find(&self, model_hash: &Digest) -> Option<&Bundle<Verified>> {
        self.iter().find(|bundle| bundle.model_hash() == *model_hash)
    }

    /// Checks bytes that are to run or to be installed: signatures, hash of every file, counter, conformance.
    pub(super) fn examine(&self, bytes: &[u8]) -> Result<Bundle<Verified>, Refused> {
        let bundle = verify(bytes, &self.root)?;
        // Lower is refused, equal accepted; a manifest without a counter does not decode.
        let manifest = bundle.manifest();
        self.floors
            .admits(&manifest.model_id, manifest.security_counter)?;
        if !manifest.fits_hardware(&self.hardware) {
            return Err(Refused::PeerHardware {
                needs: manifest.hardware.clone(),
                has: self.hardware.clone(),
            });
        }
        Ok(bundle)
    }

    /// Reads a slot and checks it; what it gives are the bytes that were checked.
    pub(super) fn load(&self, model: &str, id: SlotId, slot: &Slot) -> Result<Bundle<Verified>, Refused> {
        let bytes = self.stores.slots.read(model, id, MAX_BUNDLE_BYTES);
        let bundle = self.examine(&bytes.map_err(Refused::DeviceUnreadable)?)?;
        if bundle.manifest().model_id == model && bundle.model_hash().0 == slot.model_hash {
            Ok(bundle)
        } else {
            Err(Refused::TamperOther)
        }
    }

    /// The state of a model's slots, from the bundles themselves where it was lost.
    pub(super) fn slots(&self, model: &str) -> Slots {
        match self.stores.slots.state(model) {
            Ok(Some(slots)) => return slots,
            Ok(None) => {}
            Err(error) => tracing::error!(model, %error, "the state of its slots cannot be read"),
        }
        let mut found: Vec<(u32, SlotId, Slot)> = Vec::new();
        for id in SlotId::ALL {
            let bytes = self.stores.slots.read(model, id, MAX_BUNDLE_BYTES);
            let bundle = bytes.map_err(Refused::DeviceUnreadable);
            let Ok(bundle) = bundle.and_then(|bytes| self.examine(&bytes)) else {
                continue;
            };
            let (counter, hash) = (bundle.manifest().security_counter, bundle.model_hash().0);
            if bundle.manifest().model_id == model {
                found.push((counter, id, Slot::on_trial(hash, counter)));
            }
        }
        found.sort_by_key(|(counter, ..)| *counter);
        let mut slots = Slots::default();
        for (_counter, id, slot) in found {
            slots.install(id, slot);
        }
        slots
    }

    /// Offers the first slot of a model that holds; its fall-back is the other one, never below the floor.
    fn offer(&mut self, model: &str) {
        let mut slots = self.slots(model);
        self.offered.remove(model);
        for id in slots.boot_order(self.floors.of(model)) {
            if self.found_bad.contains(&(model.to_owned(), id)) {
                continue;
            }
            let Some(slot) = slots.slot(id).copied() else {
                continue;
            };
            match self.load(model, id, &slot) {
                Ok(bundle) => {
                    if slots.begin(id) {
                        self.keep(model, &slots);
                    }
                    let (counter, good) = (slot.counter, slot.good);
                    tracing::info!(model, slot = ?id, counter, good, "model verified");
                    let offered = Offered {
                        bundle,
                        slot: id,
                        is_good: good,
                        is_handed_out: false,
                    };
                    self.offered.insert(model.to_owned(), offered);
                    return;
                }
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(model, slot = ?id, error, "slot refused");
                }
            }
        }
        let floor = self.floors.of(model);
        tracing::error!(
            model,
            floor,
            "degraded: this model has no bundle that may run; send a signed one"
        );
    }

    /// Compute begins to load what is offered. What it began to load before and said nothing about may have cost it its
    /// life: that counts as another start.
    pub fn hand_out(&mut self) {
        let unjudged = self.offered.iter();
        let unjudged = unjudged.filter(|(_, offered)| offered.is_handed_out && !offered.is_good);
        for model in unjudged.map(|(model, _)| model.clone()).collect::<Vec<_>>() {
            tracing::warn!(model, "loaded once more, without a verdict on the last time");
            self.offer(&model);
        }
        for offered in self.offered.values_mut() {
            offered.is_handed_out = true;
        }
    }

    /// Takes the verdict on an offered model: conformance and known answers held, or did not. A bad one gives way to
    /// the other slot, which is returned when there is one.
    ///
    /// # Errors
    /// The model is not offered.
    pub fn report(
        &mut self,
        model_hash: &Digest,
        good: bool,
    ) -> Result<Option<&Bundle<Verified>>, NotOffered> {
        let mut offered = self.offered.iter();
        let found = offered.find(|(_, offered)| offered.bundle.model_hash() == *model_hash);
        let (model, id) = match found {
            Some((model, offered)) => (model.clone(), offered.slot),
            None => return Err(NotOffered),
        };
        let mut slots = self.slots(&model);
        if good {
            if let Some(offered) = self.offered.get_mut(&model) {
                offered.is_good = true;
            }
            // The floor rises only when it is kept that this slot is good.
            if !slots.mark_good(id) || self.keep(&model, &slots) {
                self.raise_floor(&model, &slots);
            }
            return Ok(None);
        }
        tracing::error!(model, slot = ?id, "model found bad");
        slots.mark_bad(id);
        self.keep(&model, &slots);
        self.found_bad.insert((model.clone(), id));
        self.offer(&model);
        Ok(self.offered.get(&model).map(|offered| &offered.bundle))
    }

    /// Raises the floor to the lowest counter among the slots that can still boot.
    fn raise_floor(&mut self, model: &str, slots: &Slots) {
        // A slot that cannot be read now may be readable at the next start.
        let can_boot = |id| match slots.slot(id).map(|slot| self.load(model, id, slot)) {
            Some(Ok(_)) => true,
            Some(Err(Refused::DeviceUnreadable(error))) => error.kind() != io::ErrorKind::NotFound,
            Some(Err(_)) | None => false,
        };
        let Some(lowest) = slots.lowest_bootable(self.floors.of(model), can_boot) else {
            return;
        };
        match self.floors.raise(model, lowest) {
            Ok(false) => {}
            Ok(true) => self.write_floors(),
            Err(error) => tracing::error!(model, %error, "the rollback floor stays as it is"),
        }
    }

    /// Raises the floor of the root to the one in force.
    pub(super) fn raise_root(&mut self) {
        if self.floors.raise_root(self.root.document().version()) {
            self.write_floors();
        }
    }

    fn write_floors(&self) {
        match self.stores.floors.write(&self.floors) {
            Ok(()) => {
                let (kind, floors) = (self.floor_kind(), self.floors.models());
                tracing::info!(
                    ?kind,
                    ?floors,
                    root = self.floors.root_version(),
                    "rollback floors raised"
                );
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "the rollback floors cannot be kept");
            }
        }
    }

    /// Keeps the state of slots; whether that succeeded.
    pub(super) fn keep(&self, model: &str, slots: &Slots) -> bool {
        let kept = self.stores.slots.keep(model, slots);
        if let Err(error) = &kept {
            tracing::error!(model, %error, "the state of its slots cannot be kept");
        }
        kept.is_ok()
    }
}

/// No offered model has this hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no offered model has this hash")]
pub struct NotOffered;
