//! The evaluation keys, or a model bundle, on their way to the box.

use std::{collections::BTreeSet, time::Duration};

use obscura_protocol::transfer::{MAX_CHUNK_BYTES, ObjectHeader, ObjectKind, chunk_range};

use crate::domain::pace::Pace;

/// How often the box may lose one object before it is given up.
const MAX_LOSSES: u32 = 5;

/// What follows from a report that the box has not got the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// It was reported before.
    Known,
    /// The box will be asked again after this pause.
    AskAgain(Duration),
    /// It happened too often.
    TooOften,
}

/// Where the object stands in the present session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The box is to be asked what it holds, not before this time.
    Unasked {
        /// Earliest time.
        from: Duration,
    },
    /// Asked, offered or being sent; ends at this time without a sign of life.
    Moving {
        /// When the wait ends.
        until: Duration,
    },
    /// The box has it.
    Stored,
    /// The box will not take it.
    Refused,
}

/// One object and what the box has of it.
#[derive(Debug)]
pub struct Upload {
    /// The object.
    pub object: ObjectHeader,
    /// Where it stands.
    pub stage: Stage,
    /// Chunks the box asked for and that were not sent yet.
    wanted: BTreeSet<u32>,
    /// Bytes the box said it has, and bytes sent since.
    there_bytes: u64,
    sent_bytes: u64,
    /// Times the box was found without the object it should have.
    losses: u32,
    pace: Pace,
}

impl Upload {
    /// An object of which nothing is known at the box.
    pub fn new(object: ObjectHeader) -> Self {
        Self {
            object,
            stage: Stage::Unasked { from: Duration::ZERO },
            wanted: BTreeSet::new(),
            there_bytes: 0,
            sent_bytes: 0,
            losses: 0,
            pace: Pace::default(),
        }
    }

    /// Whether it is a model bundle.
    pub fn is_bundle(&self) -> bool {
        self.object.kind == ObjectKind::Bundle
    }

    /// The session is gone: what the box holds must be asked again.
    pub fn restart(&mut self) {
        self.wanted.clear();
        if self.stage != Stage::Refused {
            self.stage = Stage::Unasked { from: Duration::ZERO };
        }
    }

    /// The box has not got the object: asks it anew after a pause, unless that happened too often.
    ///
    /// Several jobs may report the same loss; only the first report counts.
    pub fn lost(&mut self, now: Duration) -> Loss {
        match self.stage {
            Stage::Unasked { .. } | Stage::Refused => Loss::Known,
            Stage::Moving { .. } | Stage::Stored => {
                self.wanted.clear();
                self.losses += 1;
                if self.losses > MAX_LOSSES {
                    self.stage = Stage::Refused;
                    return Loss::TooOften;
                }
                Loss::AskAgain(self.delay(now))
            }
        }
    }

    /// Puts the object back for a while, however often the box is full.
    pub fn delay(&mut self, now: Duration) -> Duration {
        let pause = self.pace.next_pause();
        self.stage = Stage::Unasked { from: now + pause };
        pause
    }

    /// The box has `have` chunks and asked for `indices`: those are to be sent.
    pub fn want(&mut self, have: u32, indices: impl Iterator<Item = u32>) -> Vec<u32> {
        let limit = u64::from(have) * u64::from(MAX_CHUNK_BYTES);
        self.there_bytes = limit.min(self.object.len_bytes);
        let len_bytes = self.object.len_bytes;
        let inside = |index: &u32| chunk_range(len_bytes, *index).is_some();
        indices
            .filter(inside)
            .filter(|index| self.wanted.insert(*index))
            .collect()
    }

    /// Whether chunk `index` is to be sent, `len_bytes` long; counts it as sent.
    pub fn take(&mut self, index: u32, len_bytes: usize) -> bool {
        let fits = chunk_range(self.object.len_bytes, index)
            .is_some_and(|range| range.end - range.start == len_bytes as u64);
        let send = fits && self.wanted.remove(&index);
        if send {
            self.there_bytes = (self.there_bytes + len_bytes as u64).min(self.object.len_bytes);
            self.sent_bytes += len_bytes as u64;
        }
        send
    }

    /// The box has the object.
    pub fn stored(&mut self) {
        self.stage = Stage::Stored;
        self.wanted.clear();
        self.pace.reset();
    }

    /// Chunks the box asked for and that were not sent yet.
    pub fn wanted(&self) -> usize {
        self.wanted.len()
    }

    /// Bytes there or on the way.
    pub fn there_bytes(&self) -> u64 {
        self.there_bytes
    }

    /// Bytes sent in this run.
    pub fn sent_bytes(&self) -> u64 {
        self.sent_bytes
    }

    /// When something must happen about it.
    pub fn deadline(&self) -> Option<Duration> {
        match self.stage {
            Stage::Unasked { from } => Some(from),
            Stage::Moving { until } => Some(until),
            Stage::Stored | Stage::Refused => None,
        }
    }
}
