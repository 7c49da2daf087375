//! Model bundles on their way into the box: who may send one, and what becomes of a whole one.
//!
//! The gate knows a bundle as bytes with a hash and nothing more. What it hands over, trust verifies at its next
//! start before anything of it is used.

use std::collections::BTreeSet;

use obscura_protocol::{
    identity::{ClientId, Digest, PeerName},
    message::{BoxMessage, Refusal},
    transfer::{MAX_BUNDLE_BYTES, ObjectHeader, Receiver},
};

use super::{Gate, gate::Reject, keys::State};
use crate::ports::{Effect, Note, StoreChange};

/// Bundles of one device that may wait for the next start: they are outside the quota of the store, and nobody has
/// verified them yet.
const MAX_WAITING: usize = 4;

impl Gate {
    pub(super) fn offer_bundle(&mut self, device: &PeerName, object: ObjectHeader) -> Result<(), Reject> {
        if !self.settings.model_senders.contains(device) {
            return Err(Refusal::NotAllowed.into());
        }
        let receiver =
            Receiver::new(object, u64::from(MAX_BUNDLE_BYTES)).map_err(|_size| Refusal::TooLarge)?;
        if object != ObjectHeader::of_bundle(device, object.digest, object.len_bytes) {
            return Err(Refusal::NonConforming.into());
        }
        let handed_over = self.delivered.get(device);
        if handed_over.is_some_and(|digests| digests.contains(&object.digest)) {
            let object = object.digest;
            self.send(device, &BoxMessage::Stored { object });
            return Ok(());
        }
        let waiting = handed_over.map_or(0, BTreeSet::len);
        let known = self.own_object(device, &object.client)?;
        if known.is_some_and(|known| *known.header() == object) {
            self.resume(device, &object.client);
            return Ok(());
        }
        let others = self.keys.bundles_of(device);
        let checking = |client: &ClientId| {
            let other = self.keys.find(client);
            other.is_some_and(|other| other.state == State::Checking)
        };
        if waiting >= MAX_WAITING || others.iter().any(checking) {
            return Err(Refusal::Busy.into());
        }
        // One at a time: who offers another has given the former up.
        for client in others {
            self.remove_object(&client);
        }
        self.begin(device, receiver);
        Ok(())
    }

    /// A bundle was read from end to end.
    pub(super) fn hashed(&mut self, client: ClientId, digest: Option<Digest>) {
        let object = self.keys.find(&client);
        let Some(object) = object.filter(|object| object.is_bundle() && object.state == State::Checking)
        else {
            return;
        };
        let (device, right) = (object.device.clone(), object.header().digest);
        let code = match digest {
            Some(digest) if digest == right => {
                self.effects
                    .push(Effect::Store(StoreChange::Deliver { client, digest }));
                return;
            }
            Some(_) => Refusal::HashMismatch,
            None => Refusal::Internal,
        };
        self.remove_object(&client);
        self.refuse(&device, 0, code.into());
    }

    /// A bundle is durably where trust finds it.
    pub(super) fn handed_over(&mut self, client: ClientId) {
        let Some(bundle) = self.keys.remove(&client) else {
            return;
        };
        let (device, header) = (bundle.device.clone(), *bundle.header());
        let object = header.digest;
        self.delivered.entry(device.clone()).or_default().insert(object);
        self.note(Note::BundleStored {
            device: device.clone(),
            object,
            len_bytes: header.len_bytes,
        });
        self.send(&device, &BoxMessage::Stored { object });
    }
}
