//! Open jobs, and the last answers for devices that ask again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use obscura_local::appliance::Answer;
use obscura_protocol::identity::{ClientId, Digest, JobId, PeerName};

/// Answers kept for a re-send: at most 16 MiB of them.
const MAX_ANSWERS: usize = 256;

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
    pub(super) answered: BTreeSet<u32>,
    /// When it was accepted, as a count of jobs.
    accepted: u64,
}

#[derive(Debug)]
struct Kept {
    device: PeerName,
    job: JobId,
    item: u32,
    input_hash: Digest,
    answer: Answer,
}

/// All open jobs.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    open: BTreeMap<(PeerName, JobId), Job>,
    accepted: u64,
    answers: VecDeque<Kept>,
}

impl Jobs {
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
        if let Some(open) = self.find_mut(device, job) {
            open.answered.insert(item);
            if open.answered.len() == open.items as usize {
                self.remove(device, job);
            }
        }
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
            answered: BTreeSet::new(),
            accepted: 0,
        }
    }
}
