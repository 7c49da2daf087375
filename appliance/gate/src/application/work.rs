//! What compute does now and next. Compute gets one task at a time; if it dies, the task comes back.

use std::collections::VecDeque;

use obscura_local::appliance::{Answer, ItemFault, KeyFault};
use obscura_protocol::{
    identity::{ClientId, Digest, JobId, PeerName},
    message::{BoxMessage, Phase, Refusal},
};

use super::{Gate, gate::Reject, keys::State};
use crate::{
    domain::{FairQueue, QueueFull},
    ports::{Effect, Note, StoreChange, Task},
};

/// Items one device may have waiting: at most 16 MiB of them.
const MAX_QUEUED_ITEMS: usize = 256;
/// How often a task is tried before the device hears of the failure.
const MAX_ATTEMPTS: u32 = 3;
/// How often the keys of one item are loaded again; each death of compute costs one.
const MAX_LOADS: u32 = 2 * MAX_ATTEMPTS;

/// An item that waits or is computed.
#[derive(Debug)]
pub(super) struct QueuedItem {
    job: JobId,
    index: u32,
    input_hash: Digest,
    bytes: Vec<u8>,
    attempts: u32,
    loads: u32,
    told_ahead: Option<u32>,
}

impl QueuedItem {
    pub(super) fn new(job: JobId, index: u32, input_hash: Digest, bytes: Vec<u8>) -> Self {
        Self {
            job,
            index,
            input_hash,
            bytes,
            attempts: 0,
            loads: 0,
            told_ahead: None,
        }
    }
}

#[derive(Debug)]
enum UnderWay {
    Load(ClientId, Digest),
    Item(PeerName, QueuedItem),
}

/// The queue and the task under way.
#[derive(Debug)]
pub(super) struct Work {
    up: bool,
    under_way: Option<UnderWay>,
    /// Objects to load before the next item: fresh ones to check, forgotten ones an item needs.
    loads: VecDeque<ClientId>,
    items: FairQueue<PeerName, QueuedItem>,
}

impl Default for Work {
    fn default() -> Self {
        Self {
            up: false,
            under_way: None,
            loads: VecDeque::new(),
            items: FairQueue::new(MAX_QUEUED_ITEMS),
        }
    }
}

impl Work {
    pub(super) fn is_up(&self) -> bool {
        self.up
    }

    /// Loads this object when it is its turn.
    pub(super) fn check(&mut self, client: ClientId) {
        if !self.loads.contains(&client) {
            self.loads.push_back(client);
        }
    }

    pub(super) fn push(&mut self, device: &PeerName, item: QueuedItem) -> Result<(), QueueFull> {
        self.items.push(device, item)
    }

    fn computed(&self, device: &PeerName) -> Option<&QueuedItem> {
        match &self.under_way {
            Some(UnderWay::Item(owner, item)) if owner == device => Some(item),
            _ => None,
        }
    }

    /// Hash of the input that waits or is computed for this item.
    pub(super) fn input_of(&self, device: &PeerName, job: JobId, index: u32) -> Option<Digest> {
        let mut items = self.items.of(device).chain(self.computed(device));
        let item = items.find(|item| item.job == job && item.index == index);
        item.map(|item| item.input_hash)
    }

    /// Whether an item of this job waits or is computed.
    pub(super) fn has_job(&self, device: &PeerName, job: JobId) -> bool {
        let mut items = self.items.of(device).chain(self.computed(device));
        items.any(|item| item.job == job)
    }

    /// Items before this waiting one, the one being computed included.
    pub(super) fn ahead(&self, device: &PeerName, job: JobId, index: u32) -> Option<u32> {
        let mut items = self.items.of(device);
        let position = items.position(|item| item.job == job && item.index == index)?;
        let busy = usize::from(matches!(self.under_way, Some(UnderWay::Item(..))));
        u32::try_from(self.items.ahead(device, position) + busy).ok()
    }

    pub(super) fn drop_job(&mut self, device: &PeerName, job: JobId) {
        self.items
            .retain(|owner, item| owner != device || item.job != job);
    }
}

impl Gate {
    /// Gives compute its next task when it has none.
    pub(super) fn give_work(&mut self) {
        while self.work.up && self.work.under_way.is_none() {
            if let Some(client) = self.work.loads.pop_front() {
                if let Some(object) = self.keys.find(&client) {
                    let object = *object.header();
                    self.work.under_way = Some(UnderWay::Load(client, object.digest));
                    self.effects.push(Effect::Compute(Task::Load { object }));
                }
                continue;
            }
            let Some((device, item)) = self.work.items.pop() else {
                return;
            };
            // A job that ended meanwhile needs no answers.
            if let Some(job) = self.jobs.find(&device, item.job) {
                self.effects.push(Effect::Compute(Task::Evaluate {
                    job: item.job,
                    item: item.index,
                    model_hash: job.model_hash,
                    key_fingerprint: job.key_fingerprint,
                    bytes: item.bytes.clone(),
                }));
                self.work.under_way = Some(UnderWay::Item(device, item));
            }
        }
    }

    pub(super) fn compute_up(&mut self) {
        self.work.up = true;
        let checking: Vec<_> = self.keys.checking().collect();
        for client in checking {
            self.work.check(client);
        }
    }

    pub(super) fn compute_down(&mut self) {
        self.work.up = false;
        match self.work.under_way.take() {
            Some(UnderWay::Item(device, item)) => self.try_again(&device, item),
            Some(UnderWay::Load(client, _)) => self.load_died(client),
            None => {}
        }
    }

    fn try_again(&mut self, device: &PeerName, mut item: QueuedItem) {
        item.attempts += 1;
        if item.attempts >= MAX_ATTEMPTS {
            self.refuse(device, 0, Reject::of(Refusal::Internal, item.job));
            return;
        }
        let attempts = item.attempts;
        self.note(Note::WorkRepeated { attempts });
        self.work.items.push_front(device, item);
    }

    /// Loads the keys an item needs, then tries the item again.
    fn load_for(&mut self, device: &PeerName, mut item: QueuedItem, client: ClientId) {
        item.loads += 1;
        if item.loads > MAX_LOADS {
            self.refuse(device, 0, Reject::of(Refusal::Internal, item.job));
            return;
        }
        self.work.loads.push_front(client);
        self.work.items.push_front(device, item);
    }

    fn load_died(&mut self, client: ClientId) {
        let Some(object) = self.keys.find_mut(&client) else {
            return;
        };
        object.deaths += 1;
        let attempts = object.deaths;
        if attempts < MAX_ATTEMPTS {
            self.work.loads.push_front(client);
            self.note(Note::WorkRepeated { attempts });
        } else {
            self.reject_keys(client, Refusal::NonConforming);
        }
    }

    /// Deletes keys that cannot be used, and tells everyone who needs them.
    fn reject_keys(&mut self, client: ClientId, code: Refusal) {
        let Some(object) = self.keys.find(&client) else {
            return;
        };
        let (device, fresh) = (object.device.clone(), object.state != State::Stored);
        for (owner, job) in self.jobs.using(&client) {
            self.jobs.remove(&owner, job);
            self.work.drop_job(&owner, job);
            self.refuse(&owner, 0, Reject::of(Refusal::UnknownKey, job));
        }
        self.remove_keys(&client);
        if fresh {
            self.refuse(&device, 0, code.into());
        }
    }

    pub(super) fn keys_loaded(&mut self, fingerprint: Digest, outcome: Result<(), KeyFault>) {
        let client = match &self.work.under_way {
            Some(UnderWay::Load(client, digest)) if *digest == fingerprint => *client,
            _ => return,
        };
        self.work.under_way = None;
        // The object may have been replaced under the same client while compute loaded the former one.
        let current = self.keys.find(&client).map(|object| object.header().digest);
        if current != Some(fingerprint) {
            return;
        }
        match outcome {
            Ok(()) => self.keys_conform(client),
            Err(KeyFault::HashMismatch) => self.reject_keys(client, Refusal::HashMismatch),
            Err(KeyFault::TooLarge) => self.reject_keys(client, Refusal::TooLarge),
            Err(_) => self.reject_keys(client, Refusal::NonConforming),
        }
    }

    fn keys_conform(&mut self, client: ClientId) {
        let Some(object) = self.keys.find_mut(&client) else {
            return;
        };
        object.deaths = 0;
        if object.state != State::Checking {
            return;
        }
        object.state = State::Stored;
        let (device, header) = (object.device.clone(), *object.header());
        self.effects
            .push(Effect::Store(StoreChange::MarkConforming { client }));
        self.note(Note::KeysStored {
            device: device.clone(),
            client,
            len_bytes: header.len_bytes,
        });
        let stored = BoxMessage::Stored {
            object: header.digest,
        };
        self.send(&device, &stored);
    }

    pub(super) fn item_moved(&mut self, job: JobId, item: u32, done: u32, of: u32) {
        let Some(UnderWay::Item(device, queued)) = &self.work.under_way else {
            return;
        };
        if queued.job != job || queued.index != item || self.jobs.find(device, job).is_none() {
            return;
        }
        let device = device.clone();
        let phase = Phase::Computing { done, of };
        let index = item;
        self.send(&device, &BoxMessage::Progress { job, index, phase });
    }

    pub(super) fn item_done(&mut self, job: JobId, index: u32, outcome: Result<Answer, ItemFault>) {
        let under_way = self.work.under_way.take();
        let (device, item) = match under_way {
            Some(UnderWay::Item(device, item)) if item.job == job && item.index == index => (device, item),
            other => {
                self.work.under_way = other;
                return;
            }
        };
        let Some(client) = self.jobs.find(&device, job).map(|open| open.client) else {
            return;
        };
        match outcome {
            Ok(answer) => self.answer(&device, &item, answer),
            Err(ItemFault::KeysNotLoaded) => self.load_for(&device, item, client),
            Err(ItemFault::UnknownModel) => self.refuse(&device, 0, Reject::of(Refusal::UnknownModel, job)),
            Err(ItemFault::BadCiphertext) => self.refuse(&device, 0, Reject::of(Refusal::BadCiphertext, job)),
            Err(_) => self.try_again(&device, item),
        }
    }

    fn answer(&mut self, device: &PeerName, item: &QueuedItem, answer: Answer) {
        let (job, index) = (item.job, item.index);
        let message = BoxMessage::Answer {
            job,
            index,
            bytes: answer.bytes.clone(),
            receipt: answer.receipt.clone(),
        };
        self.jobs.answered(device, job, index, item.input_hash, answer);
        self.note(Note::ItemAnswered {
            device: device.clone(),
            job,
            item: index,
        });
        self.send(device, &message);
    }

    /// Tells every device whose next item moved how many are still before it.
    pub(super) fn report_queue(&mut self) {
        let busy = usize::from(matches!(self.work.under_way, Some(UnderWay::Item(..))));
        let mut moved = Vec::new();
        for (device, ahead, item) in self.work.items.heads() {
            let ahead = u32::try_from(ahead + busy).unwrap_or(u32::MAX);
            if item.told_ahead != Some(ahead) {
                item.told_ahead = Some(ahead);
                moved.push((device, item.job, item.index, ahead));
            }
        }
        for (device, job, index, ahead) in moved {
            let phase = Phase::Queued { ahead };
            self.send(&device, &BoxMessage::Progress { job, index, phase });
        }
    }
}
