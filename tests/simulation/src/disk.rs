//! The box's key store as its file system keeps it: what was written is there, what was synced stays.
//!
//! The same promises as the store's adapter gives: creating, replacing the bitmap, marking and removing are
//! durable and whole or not at all; a chunk is durable after the next `Persist` of its object. Whether the
//! adapter keeps them is tested there, with power cuts between its file operations.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use obscura_gate::ports::{StoreChange, StoredObject};
use obscura_protocol::{
    identity::{ClientId, PeerName},
    transfer::{MAX_CHUNK_BYTES, ObjectHeader},
};

use crate::random::Random;

#[derive(Debug)]
struct File {
    device: PeerName,
    object: ObjectHeader,
    data: Vec<u8>,
    /// Places written since the last sync, with what was there before.
    unsynced: Vec<(usize, Vec<u8>)>,
    bitmap: Vec<u8>,
    conforming: bool,
    used: u64,
    /// A fault changed a byte, so that nothing can be said of the content.
    rotted: bool,
}

/// The store.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    files: BTreeMap<ClientId, File>,
    /// Clients with a failed change, for which nothing but a fresh start works.
    broken: BTreeSet<ClientId>,
    clock: u64,
}

/// The client a change is about.
pub(crate) fn client_of(change: &StoreChange) -> ClientId {
    match change {
        StoreChange::Create { object, .. } => object.client,
        StoreChange::Write { client, .. }
        | StoreChange::Persist { client, .. }
        | StoreChange::MarkConforming { client }
        | StoreChange::Touch { client }
        | StoreChange::Deliver { client, .. }
        | StoreChange::Remove { client } => *client,
    }
}

fn place(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

impl Disk {
    /// Carries out a change; `false` when it failed, which is said once per object.
    pub(crate) fn apply(&mut self, change: StoreChange, fails: bool) -> bool {
        let client = client_of(&change);
        if matches!(change, StoreChange::Create { .. } | StoreChange::Remove { .. }) {
            self.broken.remove(&client);
        } else if self.broken.contains(&client) {
            return true;
        }
        if fails || !self.carry_out(change) {
            self.broken.insert(client);
            return false;
        }
        true
    }

    fn carry_out(&mut self, change: StoreChange) -> bool {
        self.clock += 1;
        let used = self.clock;
        match change {
            StoreChange::Create { device, object } => {
                let len = place(object.len_bytes);
                let chunks = len.div_ceil(MAX_CHUNK_BYTES as usize);
                let file = File {
                    device,
                    object,
                    data: vec![0; len],
                    unsynced: Vec::new(),
                    bitmap: vec![0; chunks.div_ceil(8)],
                    conforming: false,
                    used,
                    rotted: false,
                };
                self.files.insert(object.client, file);
                true
            }
            StoreChange::Remove { client } | StoreChange::Deliver { client, .. } => {
                self.files.remove(&client);
                true
            }
            StoreChange::Write {
                client,
                offset,
                bytes,
            } => self.change(&client, |file| {
                let at = place(offset);
                let there = &mut file.data[at..at + bytes.len()];
                let before = there.to_vec();
                there.copy_from_slice(&bytes);
                file.unsynced.push((at, before));
            }),
            StoreChange::Persist { client, bitmap } => self.change(&client, |file| {
                file.unsynced.clear();
                file.bitmap = bitmap;
            }),
            StoreChange::MarkConforming { client } => self.change(&client, |file| file.conforming = true),
            StoreChange::Touch { client } => self.change(&client, |file| file.used = used),
        }
    }

    fn change(&mut self, client: &ClientId, change: impl FnOnce(&mut File)) -> bool {
        self.files.get_mut(client).map(change).is_some()
    }

    /// What a gate that starts finds, the longest unused first.
    pub(crate) fn scan(&mut self) -> Vec<StoredObject> {
        self.broken.clear();
        let mut files: Vec<&File> = self.files.values().collect();
        files.sort_by_key(|file| file.used);
        let stored = |file: &File| StoredObject {
            device: file.device.clone(),
            object: file.object,
            bitmap: file.bitmap.clone(),
            conforming: file.conforming,
            unused: Duration::ZERO,
        };
        files.into_iter().map(stored).collect()
    }

    /// The bytes filed under a client.
    pub(crate) fn data(&self, client: &ClientId) -> Option<&[u8]> {
        self.files.get(client).map(|file| file.data.as_slice())
    }

    /// Takes the power away: each write that was not synced is there, or not, or half.
    pub(crate) fn cut(&mut self, random: &mut Random) {
        for file in self.files.values_mut() {
            for (at, before) in std::mem::take(&mut file.unsynced).into_iter().rev() {
                let lost = match random.below(3) {
                    0 => 0,
                    1 => before.len() / 2,
                    _ => before.len(),
                };
                file.data[at..at + lost].copy_from_slice(&before[..lost]);
            }
        }
    }

    /// Changes one byte of some object.
    pub(crate) fn rot(&mut self, random: &mut Random) -> bool {
        if self.files.is_empty() {
            return false;
        }
        let which = random.place(self.files.len());
        let Some(file) = self.files.values_mut().nth(which) else {
            return false;
        };
        let at = random.place(file.data.len());
        file.data[at] ^= 0x40;
        file.rotted = true;
        true
    }

    /// The first object whose bitmap claims a chunk that is not there, when `right` are its right bytes.
    pub(crate) fn dishonest<'a>(
        &self,
        right: impl Fn(&ObjectHeader) -> Option<&'a [u8]>,
    ) -> Option<ClientId> {
        let chunk = MAX_CHUNK_BYTES as usize;
        let lies = |file: &&File| {
            let bytes = right(&file.object).unwrap_or_default();
            let mut chunks = file.data.chunks(chunk).zip(bytes.chunks(chunk)).enumerate();
            !file.rotted
                && chunks.any(|(n, (is, ought))| file.bitmap[n / 8] >> (n % 8) & 1 == 1 && is != ought)
        };
        let file = self.files.values().find(lies)?;
        Some(file.object.client)
    }
}
