//! Jobs under way: what was sent of each, and until when an answer is awaited.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use obscura_local::agent::Wanted;
use obscura_protocol::{
    identity::JobId,
    job::{Signed, Ticket},
};

use crate::domain::pace::Pace;

/// How often a job the box lost or failed on is sent again before it is given up.
const MAX_RETRIES: u32 = 5;

/// What a job consists of on the wire; all of it is ciphertext or public.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The signed ticket.
    pub ticket: Signed<Ticket>,
    /// The encrypted items that are here, by their number: of an image's job those that were encrypted and have no
    /// accepted answer.
    pub items: BTreeMap<u32, Vec<u8>>,
    /// How soon it is wanted.
    pub wanted: Wanted,
}

impl Entry {
    /// The job's name.
    pub fn job(&self) -> JobId {
        self.ticket.statement().job
    }

    /// Bytes of all items.
    pub fn item_bytes(&self) -> u64 {
        self.items.values().map(|item| item.len() as u64).sum()
    }
}

/// Where a job stands in the present session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// To be submitted, not before this time.
    Waiting {
        /// Earliest time.
        from: Duration,
    },
    /// The ticket was sent.
    Submitted {
        /// When the wait for the box's acceptance ends.
        until: Duration,
    },
    /// The box accepted the ticket: items are sent as they come.
    Sent {
        /// When the wait for a sign of life ends.
        until: Duration,
    },
    /// Every item is answered.
    Answered,
}

/// One job under way.
#[derive(Debug)]
pub struct Job {
    /// What it consists of.
    pub entry: Entry,
    /// Where it stands.
    pub stage: Stage,
    /// Items the box was sent in the present session and has not answered.
    sent: BTreeSet<u32>,
    /// Items with an answer, and those the box gave up.
    answered: BTreeSet<u32>,
    pace: Pace,
}

impl Job {
    fn new(entry: Entry) -> Self {
        Self {
            entry,
            stage: Stage::Waiting { from: Duration::ZERO },
            sent: BTreeSet::new(),
            answered: BTreeSet::new(),
            pace: Pace::default(),
        }
    }

    /// Adds an item; `false` when its number is outside the job, or it is there or answered already.
    pub fn add(&mut self, index: u32, bytes: Vec<u8>) -> bool {
        let fresh = index < self.entry.ticket.statement().items
            && !self.entry.items.contains_key(&index)
            && !self.answered.contains(&index);
        if fresh {
            self.entry.items.insert(index, bytes);
        }
        fresh
    }

    /// Items the box has to be sent, once it accepted the job; they count as sent from now on.
    pub fn take_unsent(&mut self) -> Vec<(u32, Vec<u8>)> {
        if !matches!(self.stage, Stage::Sent { .. }) {
            return Vec::new();
        }
        let (sent, answered) = (&mut self.sent, &self.answered);
        let items = self.entry.items.iter();
        let unsent = items.filter(|(index, _)| !answered.contains(index) && sent.insert(**index));
        unsent.map(|(index, bytes)| (*index, bytes.clone())).collect()
    }

    /// The box accepted the job: nothing of it was sent yet.
    pub fn accepted(&mut self, until: Duration) {
        self.sent.clear();
        self.stage = Stage::Sent { until };
    }

    /// Records an answer; `false` when there is no such item or it has an answer already.
    pub fn answer(&mut self, index: u32) -> bool {
        self.pace.reset();
        let fresh = self.entry.items.contains_key(&index) && self.answered.insert(index);
        if fresh {
            self.sent.remove(&index);
            if self.answered.len() == self.entry.ticket.statement().items as usize {
                self.stage = Stage::Answered;
            }
        }
        fresh
    }

    /// Lets go of an item whose answer was accepted.
    pub fn settle(&mut self, index: u32) {
        self.entry.items.remove(&index);
        self.sent.remove(&index);
        self.answered.insert(index);
    }

    /// The box lives and has the job: waits on, until `until`.
    pub fn refresh(&mut self, now_until: Duration) {
        if let Stage::Sent { until } = &mut self.stage {
            *until = now_until;
        }
    }

    /// Puts the job back for a while, and says how long; however often the box is full.
    pub fn delay(&mut self, now: Duration) -> Duration {
        let pause = self.pace.next_pause();
        self.stage = Stage::Waiting { from: now + pause };
        pause
    }

    /// Like [`Self::delay`], but `None` when it was tried often enough.
    pub fn retry(&mut self, now: Duration) -> Option<Duration> {
        (self.pace.attempts() < MAX_RETRIES).then(|| self.delay(now))
    }

    /// When something must happen about this job.
    pub fn deadline(&self) -> Option<Duration> {
        match self.stage {
            Stage::Waiting { from } => Some(from),
            Stage::Submitted { until } => Some(until),
            // While the box has nothing of it, nothing of it is awaited.
            Stage::Sent { until } => (!self.sent.is_empty()).then_some(until),
            Stage::Answered => None,
        }
    }

    fn is_overdue(&self, now: Duration) -> bool {
        match self.stage {
            Stage::Waiting { .. } | Stage::Answered => false,
            Stage::Submitted { .. } | Stage::Sent { .. } => self.deadline().is_some_and(|until| until <= now),
        }
    }
}

/// All jobs under way, in the order they came.
#[derive(Debug, Default)]
pub struct Jobs {
    jobs: BTreeMap<u64, Job>,
    next: u64,
}

impl Jobs {
    /// Adds a job; one that is there already stays as it is.
    pub fn add(&mut self, entry: Entry) {
        if self.find(entry.job()).is_none() {
            self.jobs.insert(self.next, Job::new(entry));
            self.next += 1;
        }
    }

    /// How many there are, answered ones included until they are removed.
    pub fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Bytes of all their items.
    pub fn item_bytes(&self) -> u64 {
        self.jobs.values().map(|job| job.entry.item_bytes()).sum()
    }

    /// The job of this name.
    pub fn find(&mut self, job: JobId) -> Option<&mut Job> {
        self.jobs.values_mut().find(|known| known.entry.job() == job)
    }

    /// Removes and returns the job of this name.
    pub fn remove(&mut self, job: JobId) -> Option<Job> {
        let key = *self.jobs.iter().find(|(_, known)| known.entry.job() == job)?.0;
        self.jobs.remove(&key)
    }

    /// The session is gone: everything unanswered is to be submitted again.
    pub fn restart(&mut self) {
        for job in self.jobs.values_mut() {
            if job.stage != Stage::Answered {
                job.stage = Stage::Waiting { from: Duration::ZERO };
            }
        }
    }

    /// The next job to submit when fewer than `most` are under way.
    pub fn next_to_submit(&mut self, now: Duration, most: u32) -> Option<&mut Job> {
        if self.is_full(most) {
            return None;
        }
        self.jobs
            .values_mut()
            .find(|job| matches!(job.stage, Stage::Waiting { from } if from <= now))
    }

    /// Whether no further job may be submitted when at most `most` are under way.
    fn is_full(&self, most: u32) -> bool {
        let under_way = |job: &&Job| matches!(job.stage, Stage::Submitted { .. } | Stage::Sent { .. });
        self.jobs.values().filter(under_way).count() >= most.max(1) as usize
    }

    /// Whether an awaited reply did not come in time.
    pub fn is_overdue(&self, now: Duration) -> bool {
        self.jobs.values().any(|job| job.is_overdue(now))
    }

    /// When something must happen next, when at most `most` are under way: a job that waits for one of them to
    /// end is not due by time.
    pub fn deadline(&self, most: u32) -> Option<Duration> {
        let full = self.is_full(most);
        let blocked = |job: &&Job| full && matches!(job.stage, Stage::Waiting { .. });
        let due = self.jobs.values().filter(|job| !blocked(job));
        due.filter_map(Job::deadline).min()
    }
}
