//! Which evaluation keys and half-sent bundles are in the store, whose they are, and which must go when space is
//! short.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use obscura_protocol::{
    identity::{ClientId, Digest, PeerName},
    transfer::{ObjectHeader, ObjectKind, Receiver},
};

use crate::ports::StoredObject;

/// How far an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Chunks are missing.
    Receiving,
    /// Complete; compute checks the keys, or the bundle is hashed and moved.
    Checking,
    /// Complete and conforming; a bundle leaves the store instead.
    Stored,
}

/// One object and its owner.
#[derive(Debug)]
pub(super) struct KeyObject {
    pub(super) device: PeerName,
    pub(super) receiver: Receiver,
    pub(super) state: State,
    /// How often compute died while loading it.
    pub(super) deaths: u32,
    /// Chunks that came since the bitmap was made durable, and the ticks since the first of them.
    pub(super) unsaved_chunks: u32,
    pub(super) unsaved_ticks: u32,
    last_used: u64,
    /// Last use, or last chunk.
    pub(super) moved: Instant,
}

/// All objects by the client id they are filed under.
#[derive(Debug)]
pub(super) struct Keys {
    objects: BTreeMap<ClientId, KeyObject>,
    uses: u64,
}

impl Keys {
    /// Takes over what the store holds; entries whose bitmap does not fit their header are left out.
    pub(super) fn new(stored: Vec<StoredObject>, now: Instant) -> Self {
        let mut keys = Self {
            objects: BTreeMap::new(),
            uses: 0,
        };
        for found in stored {
            let Ok(receiver) = Receiver::resume(found.object, u64::MAX, &found.bitmap) else {
                continue;
            };
            let stored = found.conforming && receiver.is_complete();
            let state = if stored { State::Stored } else { State::Receiving };
            // A clock that cannot say so long ago counts from now on.
            let moved = now.checked_sub(found.unused).unwrap_or(now);
            keys.insert(found.device, receiver, state, moved);
        }
        keys
    }

    pub(super) fn insert(&mut self, device: PeerName, receiver: Receiver, state: State, moved: Instant) {
        self.uses += 1;
        let object = KeyObject {
            device,
            state,
            deaths: 0,
            unsaved_chunks: 0,
            unsaved_ticks: 0,
            last_used: self.uses,
            moved,
            receiver,
        };
        self.objects.insert(object.receiver.header().client, object);
    }

    pub(super) fn remove(&mut self, client: &ClientId) -> Option<KeyObject> {
        self.objects.remove(client)
    }

    /// What nobody has used or sent for so long that it is forgotten.
    pub(super) fn expired(&self, now: Instant, unfinished: Duration, unused: Duration) -> Vec<ClientId> {
        let limit = |object: &KeyObject| match object.state {
            State::Receiving => Some(unfinished),
            State::Stored => Some(unused),
            State::Checking => None,
        };
        let expired = self.objects.iter().filter(|(_, object)| {
            limit(object).is_some_and(|limit| now.saturating_duration_since(object.moved) >= limit)
        });
        expired.map(|(client, _)| *client).collect()
    }

    /// All evaluation keys of one device.
    pub(super) fn of(&self, device: &PeerName) -> Vec<ClientId> {
        self.clients(|object| object.device == *device && !object.is_bundle())
    }

    /// The bundles one device is sending.
    pub(super) fn bundles_of(&self, device: &PeerName) -> Vec<ClientId> {
        self.clients(|object| object.device == *device && object.is_bundle())
    }

    /// Everything of devices for which `belongs` does not hold.
    pub(super) fn of_others(&self, belongs: impl Fn(&PeerName) -> bool) -> Vec<ClientId> {
        self.clients(|object| !belongs(&object.device))
    }

    /// The bundles of devices for which `may_send` does not hold.
    pub(super) fn bundles_of_others(&self, may_send: impl Fn(&PeerName) -> bool) -> Vec<ClientId> {
        self.clients(|object| object.is_bundle() && !may_send(&object.device))
    }

    fn clients(&self, which: impl Fn(&KeyObject) -> bool) -> Vec<ClientId> {
        let chosen = self.objects.iter().filter(|(_, object)| which(object));
        chosen.map(|(client, _)| *client).collect()
    }

    pub(super) fn find(&self, client: &ClientId) -> Option<&KeyObject> {
        self.objects.get(client)
    }

    pub(super) fn find_mut(&mut self, client: &ClientId) -> Option<&mut KeyObject> {
        self.objects.get_mut(client)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&ClientId, &mut KeyObject)> {
        self.objects.iter_mut()
    }

    /// The object of `device` with this digest.
    pub(super) fn by_digest(&mut self, device: &PeerName, digest: &Digest) -> Option<&mut KeyObject> {
        let mut own = self
            .objects
            .values_mut()
            .filter(|object| object.device == *device);
        own.find(|object| object.header().digest == *digest)
    }

    /// Conforming keys of `device` under this name and digest.
    pub(super) fn stored(&self, device: &PeerName, client: &ClientId, digest: &Digest) -> Option<&KeyObject> {
        let object = self.objects.get(client)?;
        let right =
            object.device == *device && object.header().digest == *digest && object.state == State::Stored;
        right.then_some(object)
    }

    /// Keys compute must check, for after it came back.
    pub(super) fn checking(&self) -> impl Iterator<Item = ClientId> {
        let checking = self
            .objects
            .iter()
            .filter(|(_, object)| object.state == State::Checking && !object.is_bundle());
        checking.map(|(client, _)| *client)
    }

    pub(super) fn touch(&mut self, client: &ClientId, now: Instant) {
        self.uses += 1;
        if let Some(object) = self.objects.get_mut(client) {
            object.last_used = self.uses;
            object.moved = now;
        }
    }

    /// Which of the device's own objects must go, oldest first, so that one of `len_bytes` fits; `None`
    /// when even that is not enough. Objects of other devices never go, and bundles are not counted.
    pub(super) fn evictions(
        &self,
        device: &PeerName,
        len_bytes: u64,
        quota_bytes: u64,
        max_per_device: usize,
        in_use: impl Fn(&ClientId) -> bool,
    ) -> Option<Vec<ClientId>> {
        let mut used: u64 = self.keys().map(|(_, object)| object.header().len_bytes).sum();
        let mut count = self.of(device).len();
        let mut own: Vec<_> = self
            .keys()
            .filter(|(client, object)| {
                object.device == *device && object.state != State::Checking && !in_use(client)
            })
            .collect();
        own.sort_by_key(|(_, object)| object.last_used);
        let mut evicted = Vec::new();
        let mut own = own.into_iter();
        while count >= max_per_device || used.saturating_add(len_bytes) > quota_bytes {
            let (client, object) = own.next()?;
            used -= object.header().len_bytes;
            count -= 1;
            evicted.push(*client);
        }
        Some(evicted)
    }

    fn keys(&self) -> impl Iterator<Item = (&ClientId, &KeyObject)> {
        self.objects.iter().filter(|(_, object)| !object.is_bundle())
    }
}

impl KeyObject {
    pub(super) fn header(&self) -> &ObjectHeader {
        self.receiver.header()
    }

    pub(super) fn is_bundle(&self) -> bool {
        self.header().kind == ObjectKind::Bundle
    }

    /// The bitmap, which is made durable now.
    pub(super) fn save(&mut self) -> Vec<u8> {
        (self.unsaved_chunks, self.unsaved_ticks) = (0, 0);
        self.receiver.bitmap().to_vec()
    }
}
