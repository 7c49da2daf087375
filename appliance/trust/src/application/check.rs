//! Saying what a start would find, without changing anything.

use obscura_bundle::{MAX_BUNDLE_BYTES, RootChange};

use super::models::{Models, Refused};
use crate::{domain::SlotId, ports::Inbox};

impl Models {
    /// Says of every slot whether it would be offered.
    pub fn look_over_slots(&self) {
        let models = self.stores.slots.models().unwrap_or_default();
        for model in &models {
            let slots = self.slots(model);
            for id in SlotId::ALL {
                let Some(slot) = slots.slot(id) else {
                    continue;
                };
                match self.load(model, id, slot) {
                    Ok(_) => tracing::info!(model, slot = ?id, counter = slot.counter, "model verified"),
                    Err(error) => {
                        let error = &error as &dyn std::error::Error;
                        tracing::error!(model, slot = ?id, error, "slot refused");
                    }
                }
            }
        }
    }

    /// Says of everything in `inbox` whether it would be taken, and changes nothing.
    pub fn look_over(&self, inbox: &dyn Inbox) {
        for candidate in inbox.candidates().unwrap_or_default() {
            let file = candidate.display();
            let bytes = inbox
                .read(&candidate, MAX_BUNDLE_BYTES)
                .map_err(Refused::DeviceUnreadable);
            let examined = bytes.and_then(|bytes| {
                if RootChange::is_named_in(&bytes) {
                    return Ok(None);
                }
                self.examine(&bytes).map(Some)
            });
            match examined {
                Ok(Some(bundle)) => {
                    let (model, counter) = (&bundle.manifest().model_id, bundle.manifest().security_counter);
                    tracing::info!(%file, model, counter, "model verified, to be installed at the next start");
                }
                Ok(None) => tracing::info!(%file, "change of root, to be judged at the next start"),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(%file, error, "bundle refused");
                }
            }
        }
    }
}
