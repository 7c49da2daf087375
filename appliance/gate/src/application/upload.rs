//! Key status, offers and chunks: how objects of every kind arrive, and what is particular to keys.

use obscura_protocol::{
    identity::{ClientId, Digest, PeerName},
    message::{BoxMessage, KeyState, Refusal},
    transfer::{Arrival, BUNDLES_SINCE, ObjectHeader, ObjectKind, Receiver},
};

use super::{
    Gate,
    gate::Reject,
    keys::{KeyObject, State},
    peers::Peer,
};
use crate::ports::{Effect, Note, Stop, StoreChange, Task};

/// Chunks after which the bitmap is made durable, whatever the time.
const PERSIST_EVERY: u32 = 64;
/// Ticks after which it is made durable, however few chunks came: a slow cable brings four a minute.
const PERSIST_TICKS: u32 = 5;

impl Gate {
    /// The object filed under `client`, if it belongs to `device`.
    pub(super) fn own_object(
        &self,
        device: &PeerName,
        client: &ClientId,
    ) -> Result<Option<&KeyObject>, Refusal> {
        match self.keys.find(client) {
            Some(object) if object.device != *device => Err(Refusal::UnknownKey),
            object => Ok(object),
        }
    }

    pub(super) fn key_status(&mut self, device: &PeerName, client: ClientId) -> Result<(), Reject> {
        let state = match self.own_object(device, &client)? {
            None => KeyState::Missing,
            Some(object) if object.state == State::Stored => KeyState::Stored {
                object: object.header().digest,
            },
            Some(object) => KeyState::Partial {
                object: object.header().digest,
                have: object.receiver.have(),
                of: object.receiver.chunks(),
            },
        };
        self.send(device, &BoxMessage::KeyState { client, state });
        Ok(())
    }

    pub(super) fn offer(&mut self, device: &PeerName, object: ObjectHeader) -> Result<(), Reject> {
        let version = self.peers.get(device).map_or(0, Peer::version);
        match object.kind {
            ObjectKind::EvaluationKeys => self.offer_keys(device, object),
            ObjectKind::Bundle if version >= BUNDLES_SINCE => self.offer_bundle(device, object),
            // In an earlier version the message does not exist.
            _ => Err(Refusal::Malformed.into()),
        }
    }

    fn offer_keys(&mut self, device: &PeerName, object: ObjectHeader) -> Result<(), Reject> {
        let known = self.own_object(device, &object.client)?;
        let same = known.is_some_and(|known| *known.header() == object);
        if same {
            self.resume(device, &object.client);
            return Ok(());
        }
        let replaces = known.map(|known| known.state);
        let mut models = self.models().iter();
        let model = models.find(|model| model.parameter_hash == object.parameter_hash);
        if model.is_none_or(|model| model.key_bytes != object.len_bytes) {
            return Err(Refusal::NonConforming.into());
        }
        let receiver = Receiver::new(object, self.settings.limits().max_object_bytes)
            .map_err(|_size| Refusal::TooLarge)?;
        if let Some(state) = replaces {
            if state == State::Checking || self.jobs.uses(&object.client) {
                return Err(Refusal::Busy.into());
            }
            self.remove_object(&object.client);
        }
        self.make_room(device, object.len_bytes)?;
        self.begin(device, receiver);
        Ok(())
    }

    /// Makes room for an object in the store and asks for its first chunks.
    pub(super) fn begin(&mut self, device: &PeerName, receiver: Receiver) {
        let object = *receiver.header();
        self.keys
            .insert(device.clone(), receiver, State::Receiving, self.now);
        let device_name = device.clone();
        self.effects.push(Effect::Store(StoreChange::Create {
            device: device_name,
            object,
        }));
        self.resume(device, &object.client);
    }

    fn make_room(&mut self, device: &PeerName, len_bytes: u64) -> Result<(), Refusal> {
        let (quota, max) = (
            self.settings.store_quota_bytes,
            self.settings.max_clients_per_device,
        );
        let in_use = |client: &ClientId| self.jobs.uses(client);
        let evicted = self.keys.evictions(device, len_bytes, quota, max, in_use);
        for client in evicted.ok_or(Refusal::Busy)? {
            self.remove_object(&client);
        }
        Ok(())
    }

    /// Goes on with an object that was offered: says it is stored, checks it, or asks for what is missing.
    pub(super) fn resume(&mut self, device: &PeerName, client: &ClientId) {
        let Some(object) = self.keys.find_mut(client) else {
            return;
        };
        let digest = object.header().digest;
        match object.state {
            State::Stored => self.send(device, &BoxMessage::Stored { object: digest }),
            State::Checking => {}
            State::Receiving if object.receiver.is_complete() => self.check(client),
            State::Receiving => {
                object.receiver.forget_asked();
                self.want(device, client);
            }
        }
    }

    fn want(&mut self, device: &PeerName, client: &ClientId) {
        let window = self.settings.limits().window_chunks;
        let Some(object) = self.keys.find_mut(client) else {
            return;
        };
        let chunks = object.receiver.want(window);
        if !chunks.is_empty() {
            let want = BoxMessage::Want {
                object: object.header().digest,
                chunks,
                have: object.receiver.have(),
            };
            self.send(device, &want);
        }
    }

    pub(super) fn chunk(
        &mut self,
        device: &PeerName,
        digest: Digest,
        index: u32,
        bytes: Vec<u8>,
    ) -> Result<(), Reject> {
        let now = self.now;
        let object = self.keys.by_digest(device, &digest);
        let object = object.ok_or(Refusal::UnexpectedChunk)?;
        let client = object.header().client;
        let arrival = object.receiver.arrive(index, &bytes);
        let arrival = arrival.map_err(|_wrong| Refusal::UnexpectedChunk)?;
        let (State::Receiving, Arrival::Write { offset }) = (object.state, arrival) else {
            return Ok(());
        };
        object.receiver.mark(index);
        object.moved = now;
        object.unsaved_chunks += 1;
        let complete = object.receiver.is_complete();
        let bitmap = (complete || object.unsaved_chunks >= PERSIST_EVERY).then(|| object.save());
        self.effects.push(Effect::Store(StoreChange::Write {
            client,
            offset,
            bytes,
        }));
        if let Some(bitmap) = bitmap {
            self.effects
                .push(Effect::Store(StoreChange::Persist { client, bitmap }));
        }
        if complete {
            self.check(&client);
        } else {
            self.want(device, &client);
        }
        Ok(())
    }

    /// Makes the bitmaps of slow uploads durable.
    pub(super) fn save_slow_uploads(&mut self) {
        for (client, object) in self.keys.iter_mut() {
            if object.unsaved_chunks == 0 {
                continue;
            }
            object.unsaved_ticks += 1;
            if object.unsaved_ticks >= PERSIST_TICKS {
                let (client, bitmap) = (*client, object.save());
                self.effects
                    .push(Effect::Store(StoreChange::Persist { client, bitmap }));
            }
        }
    }

    fn check(&mut self, client: &ClientId) {
        if let Some(object) = self.keys.find_mut(client) {
            object.state = State::Checking;
            if object.is_bundle() {
                self.effects.push(Effect::Hash { client: *client });
            } else {
                self.work.check(*client);
            }
        }
    }

    /// Forgets uploads nobody goes on with, keys nobody has used for long, and those of devices that do not
    /// belong here, or may not send such a thing, any more.
    pub(super) fn drop_expired(&mut self) {
        let settings = &self.settings;
        let (unfinished, unused) = (settings.max_unfinished, settings.max_unused);
        let mut gone = self.keys.expired(self.now, unfinished, unused);
        gone.retain(|client| !self.jobs.uses(client));
        gone.extend(
            self.keys
                .of_others(|device| settings.roster.0.contains_key(device)),
        );
        gone.extend(
            self.keys
                .bundles_of_others(|device| settings.model_senders.contains(device)),
        );
        for client in gone {
            self.remove_object(&client);
        }
    }

    /// Forgets every key of the device at once, and ends the jobs that need them.
    pub(super) fn revoke_keys(&mut self, device: &PeerName) {
        let gone = self.keys.of(device);
        for client in &gone {
            for (owner, job) in self.jobs.using(client) {
                self.jobs.remove(&owner, job);
                self.withdraw(&owner, job, Stop::Withdrawn);
            }
            self.remove_object(client);
        }
        let objects = u32::try_from(gone.len()).unwrap_or(u32::MAX);
        self.send(device, &BoxMessage::Revoked { objects });
    }

    /// Forgets an object; keys in memory, too.
    pub(super) fn remove_object(&mut self, client: &ClientId) {
        let Some(object) = self.keys.remove(client) else {
            return;
        };
        self.effects
            .push(Effect::Store(StoreChange::Remove { client: *client }));
        let fingerprint = object.header().digest;
        if object.is_bundle() {
            self.note(Note::BundleDropped {
                device: object.device,
                object: fingerprint,
            });
            return;
        }
        self.effects.push(Effect::Compute(Task::Forget { fingerprint }));
        self.note(Note::KeysRemoved {
            device: object.device,
            client: *client,
        });
    }

    pub(super) fn store_failed(&mut self, client: ClientId) {
        let Some(object) = self.keys.find(&client) else {
            return;
        };
        let device = object.device.clone();
        self.remove_object(&client);
        self.refuse(&device, 0, Refusal::Internal.into());
    }
}
