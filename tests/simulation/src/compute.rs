//! Compute as the gate knows it: loads keys it has checked, answers with a receipt, is slow, fails, dies.

use std::collections::VecDeque;

use obscura_gate::ports::{Event, Task};
use obscura_local::appliance::{Answer, ComputeModel, ItemFault, KeyFault};
use obscura_protocol::{
    identity::{ClientId, Digest, Identity, JobId},
    job::{FloorKind, Receipt, Signed},
    transfer::ObjectHeader,
};

use crate::{
    counts::Count,
    gate::{BOX, name, of_job, short},
    invariant::Invariant,
    keys::{ITEM_BYTES, PARAMETERS, reference},
    world::{Happening, World},
};

/// The one model.
pub(crate) const MODEL_ID: &str = "model";
/// SHA-256 of its manifest.
pub(crate) const MODEL: Digest = Digest([1; 32]);
/// Its security counter.
pub(crate) const COUNTER: u32 = 1;
/// Whose key signs receipts.
pub(crate) const RECEIPTS: &str = "box-1-receipts";

/// What compute does.
#[derive(Clone, Copy, Debug)]
struct Running {
    /// A count of tasks.
    number: u64,
    /// Which item, unless it loads keys.
    item: Option<(JobId, u32)>,
    /// It never ends by itself.
    hangs: bool,
    /// The gate does not want it any more.
    unwanted: bool,
}

/// Compute's process and its connection to the gate.
#[derive(Debug, Default)]
pub(crate) struct Compute {
    up: bool,
    /// Counts conversations with a gate.
    connection: u64,
    task: Option<Running>,
    tasks: u64,
    /// Keys in memory, the least recently used first; each was whole when it was loaded.
    cache: VecDeque<Digest>,
    /// The object that was loaded last and had the hash it is named by.
    whole: Option<ClientId>,
}

impl Compute {
    /// Whether the object it was asked to load last is this one, and had the hash it is named by.
    pub(crate) fn found_whole(&self, client: &ClientId) -> bool {
        self.whole.as_ref() == Some(client)
    }

    /// Whether nothing is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.task.is_none()
    }
}

/// What the box offers when its keys are this long.
fn model(key_bytes: u64) -> ComputeModel {
    ComputeModel {
        model_id: MODEL_ID.to_owned(),
        model_hash: MODEL,
        security_counter: COUNTER,
        parameter_hash: PARAMETERS,
        request_bytes: u32::try_from(ITEM_BYTES).unwrap_or(u32::MAX),
        key_bytes,
    }
}

impl World {
    /// Compute's process is there.
    pub(crate) fn compute_starts(&mut self) {
        if !self.compute.up {
            self.compute.up = true;
            self.note(0, "starts", "compute", 0);
            self.greet_compute();
        }
    }

    /// Gate and compute, when both are there, find each other.
    pub(crate) fn greet_compute(&mut self) {
        if self.compute.up && self.gate.process.is_some() {
            self.compute.connection += 1;
            let connection = self.compute.connection;
            let at = self.now + self.random.between(1, 800);
            self.at(at, Happening::ComputeUp(connection));
        }
    }

    pub(crate) fn compute_is_up(&mut self, connection: u64) {
        if connection == self.compute.connection && self.compute.up {
            let key_bytes = self.devices[0].keys.header.len_bytes;
            let models = vec![model(key_bytes)];
            self.note(0, "greets", "compute", connection);
            self.gate_takes(Event::ComputeUp { models });
        }
    }

    /// The gate is gone: what it wanted is stopped.
    pub(crate) fn compute_is_left(&mut self) {
        self.compute.connection += 1;
        self.compute.task = None;
    }

    pub(crate) fn compute_dies(&mut self) {
        if !std::mem::replace(&mut self.compute.up, false) {
            return;
        }
        self.note(0, "dies", "compute", 0);
        self.counts.one(Count::ComputeRestarts);
        let unwanted = self.compute.task.is_some_and(|running| running.unwanted);
        self.compute_is_left();
        self.compute.cache.clear();
        let back = self.now + self.random.between(300, 8_000);
        self.at(back, Happening::ComputeStarts);
        let (before, refused) = (self.gate.items(), self.gate.refused);
        self.gate_takes(Event::ComputeDown);
        let forgotten = self.gate.items() < before && self.gate.refused == refused && !unwanted;
        if forgotten && self.gate.process.is_some() {
            self.broke(Invariant::NotForgotten);
        }
    }

    /// The gate gives a task.
    pub(crate) fn compute_does(&mut self, task: Task) {
        if let Task::Cancel { job } = task {
            self.cancelled(job);
            return;
        }
        if let Task::Forget { fingerprint } = task {
            self.compute.cache.retain(|digest| *digest != fingerprint);
            return;
        }
        if self.compute.task.is_some() {
            self.broke(Invariant::OneTask);
        }
        match task {
            Task::Load { object } => self.load(&object),
            Task::Evaluate {
                job,
                item,
                model_hash: _,
                key_fingerprint,
                bytes,
            } => self.evaluate(job, item, key_fingerprint, &bytes),
            Task::Cancel { .. } | Task::Forget { .. } => {}
        }
    }

    fn runs(&mut self, item: Option<(JobId, u32)>) {
        self.compute.tasks += 1;
        self.compute.task = Some(Running {
            number: self.compute.tasks,
            item,
            hangs: false,
            unwanted: false,
        });
    }

    fn load(&mut self, object: &ObjectHeader) {
        self.note(0, "loads", "keys", short(&object.client.0));
        self.runs(None);
        let right = self.keys_named(&object.digest);
        // Comparing the bytes says what comparing their hashes would, and is faster.
        let whole = self.is_whole(&object.client, right.map(|keys| keys.bytes.as_slice()));
        self.compute.whole = whole.then_some(object.client);
        let fingerprint = object.digest;
        let outcome = if whole {
            self.compute.cache.retain(|digest| *digest != fingerprint);
            self.compute.cache.push_back(fingerprint);
            if self.compute.cache.len() > self.plan.cached_keys {
                self.compute.cache.pop_front();
            }
            Ok(())
        } else {
            Err(KeyFault::HashMismatch)
        };
        let after = self.random.between(5, 300);
        self.reply(after, Event::KeysLoaded { fingerprint, outcome });
    }

    fn evaluate(&mut self, job: JobId, item: u32, keys: Digest, bytes: &[u8]) {
        self.note(0, "evaluates", "item", of_job(job) ^ u64::from(item));
        self.counts.one(Count::Evaluated);
        self.runs(Some((job, item)));
        let truth = self.jobs.get(&job);
        let right = truth.and_then(|truth| truth.items.get(item as usize));
        if right.is_none_or(|right| right != bytes) && !self.unkept_items.contains(&job) {
            self.broke(Invariant::RightItem);
        }
        if self.gate.answered.contains(&(job, item)) {
            self.broke(Invariant::EvaluatedOnce);
        }
        if !self.compute.cache.contains(&keys) {
            self.finish(2, job, item, Err(ItemFault::KeysNotLoaded));
            return;
        }
        let after = self.random.between(10, self.plan.item_ms);
        if self.fails(|rates| rates.evaluation) {
            self.counts.one(Count::EvaluationsFailed);
            match self.random.below(4) {
                0 => self.finish(after, job, item, Err(ItemFault::OutOfMemory)),
                1 => self.finish(after, job, item, Err(ItemFault::Internal)),
                2 => self.at(self.now + after, Happening::ComputeDies),
                _ => {
                    if let Some(running) = &mut self.compute.task {
                        running.hangs = true;
                    }
                }
            }
            return;
        }
        let of = 3;
        if self.random.chance(300) {
            let done = 1;
            let moved = Event::ItemMoved { job, item, done, of };
            self.reply(after * u64::from(done) / u64::from(of), moved);
        }
        let answer = answer(&self.receipt_signer, job, item, keys, bytes);
        self.finish(after, job, item, Ok(answer));
    }

    /// The word that stops an item; one time in five the answer is faster.
    fn cancelled(&mut self, job: JobId) {
        let Some(Running {
            item: Some((of, item)),
            hangs,
            ..
        }) = self.compute.task
        else {
            return;
        };
        self.note(0, "cancels", "item", of_job(job));
        if of == job && (hangs || self.random.chance(800)) {
            // What was on its way belongs to a task that is no more.
            self.runs(Some((job, item)));
            let after = self.random.between(1, 500);
            self.finish(after, job, item, Err(ItemFault::Cancelled));
        }
        if let Some(running) = &mut self.compute.task {
            running.unwanted = of == job;
        }
    }

    fn finish(&mut self, after_ms: u64, job: JobId, item: u32, outcome: Result<Answer, ItemFault>) {
        self.reply(after_ms, Event::ItemDone { job, item, outcome });
    }

    fn reply(&mut self, after_ms: u64, event: Event) {
        let (connection, task) = (self.compute.connection, self.compute.tasks);
        let says = Happening::ComputeSays(connection, task, Box::new(event));
        self.at(self.now + after_ms, says);
    }

    /// Compute's word reaches the gate, if both are still those they were.
    pub(crate) fn compute_says(&mut self, connection: u64, task: u64, event: Event) {
        let current = self.compute.task.is_some_and(|running| running.number == task);
        if connection != self.compute.connection || !current {
            return;
        }
        let kind = match &event {
            Event::ItemMoved { .. } => "moved",
            Event::ItemDone { outcome: Ok(_), .. } => "answer",
            Event::ItemDone { .. } => "no answer",
            Event::KeysLoaded { outcome: Ok(()), .. } => "keys",
            _ => "no keys",
        };
        self.note(0, "hears from compute", kind, task);
        if !matches!(event, Event::ItemMoved { .. }) {
            self.compute.task = None;
        }
        self.gate_takes(event);
    }
}

fn answer(signer: &Identity, job: JobId, item: u32, keys: Digest, input: &[u8]) -> Answer {
    let bytes = reference(&keys, input);
    let receipt = Receipt {
        job,
        item,
        input_hash: Digest::of(input),
        answer_hash: Digest::of(&bytes),
        model_id: MODEL_ID.to_owned(),
        model_hash: MODEL,
        security_counter: COUNTER,
        floor: FloorKind::None,
        parameter_hash: PARAMETERS,
        key_fingerprint: keys,
        box_name: name(BOX),
    };
    let receipt = Signed::sign(receipt, signer).as_bytes().to_vec();
    Answer { bytes, receipt }
}
