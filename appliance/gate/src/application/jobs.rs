//! Open jobs, and the last answers for devices that ask again.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Instant,
};

use obscura_local::appliance::Answer;
use obscura_protocol::{
    identity::{ClientId, Digest, JobId, PeerName},
    message::{Lane, Refusal},
};

/// Answers kept for a re-send: at most 16 MiB of them.
const MAX_ANSWERS: usize = 256;
/// Dead letters kept, so that what was given up is not computed again and again.
const MAX_DEAD: usize = 1024;

/// An accepted ticket.
#[derive(Debug)]
pub(super) struct Job {
    /// SHA-256 of the signed ticket.
    pub(super) ticket: Digest,
    pub(super) client: ClientId,
    pub(super) key_fingerprint: Digest,
    pub(super) model_hash: Digest,
    pub(super) request_bytes: u32,
    pub(super) items: u32,
    pub(super) lane: Lane,
    /// When it is given up.
    pub(super) until: Option<Instant>,
    /// Items with an answer, or given up.
    pub(super) finished: BTreeSet<u32>,
    /// What its device last heard of it, and when.
    pub(super) told: Option<(Instant, Outlook)>,
    /// When it was accepted, as a count of jobs.
    accepted: u64,
}

/// When a job will be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outlook {
    /// Items of anybody before the job's next one.
    pub(super) ahead: u32,
    /// Seconds until its last answer.
    pub(super) left_s: Option<u32>,
}

#[derive(Debug)]
struct Kept {
    device: PeerName,
    job: JobId,
    item: u32,
    input_hash: Digest,
    answer: Answer,
}

#[derive(Debug)]
struct DeadLetter {
    device: PeerName,
    job: JobId,
    item: u32,
    input_hash: Digest,
    code: Refusal,
}

/// All open jobs.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    open: BTreeMap<(PeerName, JobId), Job>,
    accepted: u64,
    answers: VecDeque<Kept>,
    dead: VecDeque<DeadLetter>,
}

impl Jobs {
    pub(super) fn all_mut(&mut self) -> impl Iterator<Item = (&PeerName, JobId, &mut Job)> {
        self.open.iter_mut().map(|((device, id), job)| (device, *id, job))
    }

    /// Jobs whose deadline is over.
    pub(super) fn late(&self, now: Instant) -> Vec<(PeerName, JobId)> {
        let late = |job: &Job| job.until.is_some_and(|until| until <= now);
        let late = self.open.iter().filter(|(_, job)| late(job));
        late.map(|(key, _)| key.clone()).collect()
    }

    pub(super) fn find(&self, device: &PeerName, job: JobId) -> Option<&Job> {
        self.open.get(&(device.clone(), job))
    }

    pub(super) fn find_mut(&mut self, device: &PeerName, job: JobId) -> Option<&mut Job> {
        self.open.get_mut(&(device.clone(), job))
    }

    pub(super) fn insert(&mut self, device: &PeerName, id: JobId, mut job: Job) {
        self.accepted += 1;
        job.accepted = self.accepted;
        self.open.insert((device.clone(), id), job);
    }

    pub(super) fn remove(&mut self, device: &PeerName, job: JobId) -> Option<Job> {
        self.open.remove(&(device.clone(), job))
    }

    /// Open jobs.
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// Kept answers, and their bytes.
    pub(super) fn answers_held(&self) -> (usize, usize) {
        let bytes = |kept: &Kept| kept.answer.bytes.len() + kept.answer.receipt.len();
        (self.answers.len(), self.answers.iter().map(bytes).sum())
    }

    /// Jobs of `device`, the oldest first.
    pub(super) fn of(&self, device: &PeerName) -> Vec<JobId> {
        let own = self.open.iter().filter(|((owner, _), _)| owner == device);
        let mut own: Vec<_> = own.map(|((_, id), job)| (job.accepted, *id)).collect();
        own.sort_unstable();
        own.into_iter().map(|(_, id)| id).collect()
    }

    /// Whether an open job needs these keys.
    pub(super) fn uses(&self, client: &ClientId) -> bool {
        self.open.values().any(|job| job.client == *client)
    }

    /// Jobs that need these keys.
    pub(super) fn using(&self, client: &ClientId) -> Vec<(PeerName, JobId)> {
        let using = self.open.iter().filter(|(_, job)| job.client == *client);
        using.map(|(key, _)| key.clone()).collect()
    }

    /// Keeps an answer and closes the job when it was the last one.
    pub(super) fn answered(
        &mut self,
        device: &PeerName,
        job: JobId,
        item: u32,
        input_hash: Digest,
        answer: Answer,
    ) {
        let same = |kept: &Kept| kept.device == *device && kept.job == job && kept.item == item;
        self.answers.retain(|kept| !same(kept));
        if self.answers.len() == MAX_ANSWERS {
            self.answers.pop_front();
        }
        self.answers.push_back(Kept {
            device: device.clone(),
            job,
            item,
            input_hash,
            answer,
        });
        self.finish(device, job, item);
    }

    /// Closes the job when this was its last item.
    fn finish(&mut self, device: &PeerName, job: JobId, item: u32) {
        if let Some(open) = self.find_mut(device, job) {
            open.finished.insert(item);
            if open.finished.len() == open.items as usize {
                self.remove(device, job);
            }
        }
    }

    /// Gives an item up for good.
    pub(super) fn bury(
        &mut self,
        device: &PeerName,
        (job, item, input_hash): (JobId, u32, Digest),
        code: Refusal,
    ) {
        if self.dead.len() == MAX_DEAD {
            self.dead.pop_front();
        }
        self.dead.push_back(DeadLetter {
            device: device.clone(),
            job,
            item,
            input_hash,
            code,
        });
        self.finish(device, job, item);
    }

    /// Why this input of an item was given up, if it was.
    pub(super) fn dead(
        &self,
        device: &PeerName,
        (job, item, input_hash): (JobId, u32, Digest),
    ) -> Option<Refusal> {
        let mut dead = self.dead.iter();
        let dead = dead.find(|dead| {
            dead.device == *device && dead.job == job && dead.item == item && dead.input_hash == input_hash
        });
        dead.map(|dead| dead.code)
    }

    /// The kept answer to an item, with the hash of the input it answers.
    pub(super) fn answer(&self, device: &PeerName, job: JobId, item: u32) -> Option<(Digest, &Answer)> {
        let mut kept = self.answers.iter();
        let kept = kept.find(|kept| kept.device == *device && kept.job == job && kept.item == item);
        kept.map(|kept| (kept.input_hash, &kept.answer))
    }
}

impl Job {
    pub(super) fn new(ticket: Digest, statement: &obscura_protocol::job::Ticket, request_bytes: u32) -> Self {
        Self {
            ticket,
            client: statement.client,
            key_fingerprint: statement.key_fingerprint,
            model_hash: statement.model_hash,
            request_bytes,
            items: statement.items,
            lane: Lane::Routine,
            until: None,
            finished: BTreeSet::new(),
            told: None,
            accepted: 0,
        }
    }
}
