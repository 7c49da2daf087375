//! What compute does now and next. Compute gets one task at a time; if it dies, the task comes back.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use obscura_local::appliance::{Answer, ItemFault, KeyFault};
use obscura_protocol::{
    identity::{ClientId, Digest, JobId, PeerName},
    message::{BoxMessage, Lane, Phase, Refusal},
};

use super::{Gate, gate::Reject, keys::State};
use crate::{
    domain::{Lanes, QueueFull, Speed, left},
    ports::{Effect, Note, Stop, StoreChange, Task},
};

/// Items one device may have waiting: at most 16 MiB of them.
const MAX_QUEUED_ITEMS: usize = 256;
/// How often a task is tried before the device hears of the failure.
const MAX_ATTEMPTS: u32 = 3;
/// How often the keys of one item are loaded again; each death of compute costs one.
const MAX_LOADS: u32 = 2 * MAX_ATTEMPTS;
/// How long a device that left or opened a new session may take to ask for its items again; over a slow cable
/// they need most of it.
const ABANDONED_AFTER: Duration = Duration::from_mins(1);

/// An item that waits or is computed.
#[derive(Debug)]
pub(super) struct QueuedItem {
    pub(super) job: JobId,
    pub(super) index: u32,
    pub(super) input_hash: Digest,
    lane: Lane,
    bytes: Vec<u8>,
    attempts: u32,
    loads: u32,
    /// Items before it when its device last heard of it.
    pub(super) told_ahead: Option<u32>,
    /// Since when the device must ask for it again.
    abandoned: Option<Instant>,
}

impl QueuedItem {
    pub(super) fn new(job: JobId, index: u32, lane: Lane, input_hash: Digest, bytes: Vec<u8>) -> Self {
        Self {
            job,
            index,
            input_hash,
            lane,
            bytes,
            attempts: 0,
            loads: 0,
            told_ahead: None,
            abandoned: None,
        }
    }

    pub(super) fn lane(&self) -> Lane {
        self.lane
    }

    /// What a dead letter names.
    fn letter(&self) -> (JobId, u32, Digest) {
        (self.job, self.index, self.input_hash)
    }

    fn is_abandoned(&self, now: Instant) -> bool {
        self.abandoned.is_some_and(|since| now >= since + ABANDONED_AFTER)
    }
}

/// The item compute evaluates.
#[derive(Debug)]
pub(super) struct Computed {
    pub(super) device: PeerName,
    pub(super) item: QueuedItem,
    model_hash: Digest,
    /// When compute was asked.
    since: Instant,
    /// The last word of compute: steps done and in all.
    moved: Option<(u32, u32)>,
    /// Nobody wants the outcome any more; compute was told.
    stopped: bool,
}

#[derive(Debug)]
enum UnderWay {
    Load(ClientId, Digest),
    Item(Computed),
}

/// The queue and the task under way.
#[derive(Debug)]
pub(super) struct Work {
    up: bool,
    under_way: Option<UnderWay>,
    /// Objects to load before the next item: fresh ones to check, forgotten ones an item needs.
    loads: VecDeque<ClientId>,
    pub(super) items: Lanes<PeerName, QueuedItem>,
    /// Time of an item, per model.
    pub(super) speed: Speed<Digest>,
}

impl Default for Work {
    fn default() -> Self {
        Self {
            up: false,
            under_way: None,
            loads: VecDeque::new(),
            items: Lanes::new(MAX_QUEUED_ITEMS),
            speed: Speed::default(),
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

    /// Items that wait or are computed, and their bytes.
    pub(super) fn held(&self) -> (usize, usize) {
        let computed = match &self.under_way {
            Some(UnderWay::Item(computed)) => Some(&computed.item),
            _ => None,
        };
        let items = self.items.iter().chain(computed);
        items.fold((0, 0), |(count, bytes), item| {
            (count + 1, bytes + item.bytes.len())
        })
    }

    pub(super) fn push(&mut self, device: &PeerName, item: QueuedItem) -> Result<(), QueueFull> {
        self.items.push(item.lane, device, item)
    }

    /// What is computed and still wanted.
    pub(super) fn computed(&self) -> Option<&Computed> {
        match &self.under_way {
            Some(UnderWay::Item(computed)) if !computed.stopped => Some(computed),
            _ => None,
        }
    }

    fn computed_mut(&mut self) -> Option<&mut Computed> {
        match &mut self.under_way {
            Some(UnderWay::Item(computed)) if !computed.stopped => Some(computed),
            _ => None,
        }
    }

    /// Everything of `device` that waits or is computed.
    fn of(&self, device: &PeerName) -> impl Iterator<Item = &QueuedItem> {
        let computed = self.computed().filter(|computed| computed.device == *device);
        self.items
            .of(device)
            .chain(computed.map(|computed| &computed.item))
    }

    fn of_mut(&mut self, device: &PeerName) -> impl Iterator<Item = &mut QueuedItem> {
        let computed = match &mut self.under_way {
            Some(UnderWay::Item(computed)) if !computed.stopped && computed.device == *device => {
                Some(&mut computed.item)
            }
            _ => None,
        };
        self.items.of_mut(device).chain(computed)
    }

    /// From now on the device must ask for its items again, or lose them.
    pub(super) fn abandon(&mut self, device: &PeerName, now: Instant) {
        for item in self.of_mut(device) {
            item.abandoned = Some(now);
        }
    }

    /// The device asked for this item again.
    pub(super) fn claim(&mut self, device: &PeerName, job: JobId, index: u32) {
        for item in self.of_mut(device) {
            if item.job == job && item.index == index {
                item.abandoned = None;
            }
        }
    }

    /// Its device heard that `ahead` items are before this one.
    pub(super) fn told(&mut self, device: &PeerName, job: JobId, index: u32, ahead: u32) {
        for item in self.items.of_mut(device) {
            if item.job == job && item.index == index {
                item.told_ahead = Some(ahead);
            }
        }
    }

    /// Hash of the input that waits or is computed for this item.
    pub(super) fn input_of(&self, device: &PeerName, job: JobId, index: u32) -> Option<Digest> {
        let item = self
            .of(device)
            .find(|item| item.job == job && item.index == index);
        item.map(|item| item.input_hash)
    }

    /// Whether an item of this job waits or is computed.
    pub(super) fn has_job(&self, device: &PeerName, job: JobId) -> bool {
        self.of(device).any(|item| item.job == job)
    }

    /// Drops what waits of a job.
    pub(super) fn drop_job(&mut self, device: &PeerName, job: JobId) {
        self.items
            .retain(|owner, item| owner != device || item.job != job);
    }

    /// Where this item is: behind others, the one being computed included, or at compute.
    pub(super) fn phase(&self, device: &PeerName, job: JobId, index: u32) -> Option<Phase> {
        if let Some(computed) = self.computed()
            && (&computed.device, computed.item.job, computed.item.index) == (device, job, index)
        {
            let phase = |(done, of)| Phase::Computing { done, of };
            return Some(computed.moved.map_or(Phase::Queued { ahead: 0 }, phase));
        }
        let before = self
            .items
            .order()
            .position(|(owner, item)| owner == device && item.job == job && item.index == index)?;
        Some(Phase::Queued {
            ahead: self.ahead(before),
        })
    }

    /// Items before the one that `before` others wait before.
    pub(super) fn ahead(&self, before: usize) -> u32 {
        u32::try_from(before + usize::from(self.computed().is_some())).unwrap_or(u32::MAX)
    }
}

impl Computed {
    /// What is left of it, from its own steps or from the speed of its model.
    pub(super) fn left(&self, speed: &Speed<Digest>, now: Instant) -> Option<Duration> {
        let spent = now.saturating_duration_since(self.since);
        left(speed.of(&self.model_hash), spent, self.moved)
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
                let model_hash = job.model_hash;
                self.effects.push(Effect::Compute(Task::Evaluate {
                    job: item.job,
                    item: item.index,
                    model_hash,
                    key_fingerprint: job.key_fingerprint,
                    bytes: item.bytes.clone(),
                }));
                self.work.under_way = Some(UnderWay::Item(Computed {
                    device,
                    item,
                    model_hash,
                    since: self.now,
                    moved: None,
                    stopped: false,
                }));
            }
        }
    }

    /// Stops the item under way; its outcome, whatever it will be, is for nobody.
    fn stop(&mut self, why: Stop) {
        let Some(computed) = self.work.computed_mut() else {
            return;
        };
        computed.stopped = true;
        let (job, item) = (computed.item.job, computed.item.index);
        let device = computed.device.clone();
        self.effects.push(Effect::Compute(Task::Cancel { job }));
        self.note(Note::ItemStopped {
            device,
            job,
            item,
            why,
        });
    }

    /// Drops what waits of a job and stops what is computed of it.
    pub(super) fn withdraw(&mut self, device: &PeerName, job: JobId, why: Stop) {
        self.work.drop_job(device, job);
        let computed = self.work.computed();
        if computed.is_some_and(|computed| computed.device == *device && computed.item.job == job) {
            self.stop(why);
        }
    }

    /// Drops and stops what its device left behind. The job stays open for a device that comes back later.
    pub(super) fn drop_abandoned(&mut self) {
        let now = self.now;
        self.work.items.retain(|_, item| !item.is_abandoned(now));
        let computed = self.work.computed();
        if computed.is_some_and(|computed| computed.item.is_abandoned(now)) {
            self.stop(Stop::Abandoned);
        }
    }

    /// Stops an item that takes longer than any may. Trying again would take as long.
    pub(super) fn stop_overdue(&mut self) {
        let overdue = self
            .work
            .computed()
            .filter(|computed| self.now >= computed.since + self.settings.max_item_time)
            .map(|computed| (computed.device.clone(), computed.item.letter()));
        if let Some((device, letter)) = overdue {
            self.stop(Stop::Overdue);
            self.bury(&device, letter, Refusal::Internal);
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
            Some(UnderWay::Item(computed)) if computed.stopped => {}
            Some(UnderWay::Item(computed)) => self.try_again(&computed.device, computed.item),
            Some(UnderWay::Load(client, _)) => self.load_died(client),
            None => {}
        }
    }

    fn try_again(&mut self, device: &PeerName, mut item: QueuedItem) {
        item.attempts += 1;
        if item.attempts >= MAX_ATTEMPTS {
            self.bury(device, item.letter(), Refusal::Internal);
            return;
        }
        let attempts = item.attempts;
        self.note(Note::WorkRepeated { attempts });
        self.work.items.push_front(item.lane, device, item);
    }

    /// Loads the keys an item needs, then tries the item again.
    fn load_for(&mut self, device: &PeerName, mut item: QueuedItem, client: ClientId) {
        item.loads += 1;
        if item.loads > MAX_LOADS {
            self.bury(device, item.letter(), Refusal::Internal);
            return;
        }
        self.work.loads.push_front(client);
        self.work.items.push_front(item.lane, device, item);
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
        self.remove_object(&client);
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
        let Some(computed) = self.work.computed_mut() else {
            return;
        };
        if (computed.item.job, computed.item.index) != (job, item) {
            return;
        }
        computed.moved = Some((done, of));
        let device = computed.device.clone();
        let phase = Phase::Computing { done, of };
        let index = item;
        self.send(&device, &BoxMessage::Progress { job, index, phase });
    }

    pub(super) fn item_done(&mut self, job: JobId, index: u32, outcome: Result<Answer, ItemFault>) {
        let Computed {
            device,
            item,
            stopped,
            model_hash,
            since,
            ..
        } = match self.work.under_way.take() {
            Some(UnderWay::Item(computed)) if (computed.item.job, computed.item.index) == (job, index) => {
                computed
            }
            other => {
                self.work.under_way = other;
                return;
            }
        };
        if stopped {
            return;
        }
        let Some(client) = self.jobs.find(&device, job).map(|open| open.client) else {
            return;
        };
        match outcome {
            Ok(answer) => {
                self.work
                    .speed
                    .measured(model_hash, self.now.saturating_duration_since(since));
                self.answer(&device, &item, answer);
            }
            Err(ItemFault::KeysNotLoaded) => self.load_for(&device, item, client),
            Err(ItemFault::UnknownModel) => self.refuse(&device, 0, Reject::of(Refusal::UnknownModel, job)),
            Err(ItemFault::BadCiphertext) => self.bury(&device, item.letter(), Refusal::BadCiphertext),
            // Nothing would be different at once; the device tries again after a pause.
            Err(ItemFault::OutOfMemory) => self.refuse(&device, 0, Reject::of(Refusal::Internal, job)),
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
}
