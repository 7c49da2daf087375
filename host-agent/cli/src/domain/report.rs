//! The report of a run: results, bytes and times.

use std::time::Duration;

use obscura_local::agent::{Outcome, Reading};
use obscura_protocol::identity::Digest;

/// What happened to the keys.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeysReport {
    pub(crate) fingerprint: Option<Digest>,
    pub(crate) len_bytes: u64,
    /// Time of making them, when they were made in this run.
    pub(crate) made_in: Option<Duration>,
    /// Whether the box had them from before.
    pub(crate) reused: bool,
    pub(crate) upload_bytes: u64,
    pub(crate) upload_time: Duration,
}

/// What became of one record.
#[derive(Clone, Debug)]
pub(crate) enum Fate {
    /// No answer yet.
    Open,
    /// Answered.
    Shown(Box<Outcome>),
    /// Without a result: why, and the exit code that belongs to it.
    Failed { reason: String, exit_code: u8 },
}

/// One record's way.
#[derive(Clone, Debug)]
pub(crate) struct RecordReport {
    pub(crate) name: String,
    pub(crate) encrypt_time: Duration,
    pub(crate) request_bytes: u64,
    /// From sending, or from the answer before this one, to the answer.
    pub(crate) wait_time: Duration,
    pub(crate) answer_bytes: u64,
    pub(crate) accept_time: Duration,
    pub(crate) reference: Option<Reading>,
    pub(crate) fate: Fate,
}

impl RecordReport {
    /// A record of which nothing happened yet.
    pub(crate) fn new(name: String) -> Self {
        Self {
            name,
            encrypt_time: Duration::ZERO,
            request_bytes: 0,
            wait_time: Duration::ZERO,
            answer_bytes: 0,
            accept_time: Duration::ZERO,
            reference: None,
            fate: Fate::Open,
        }
    }
}

/// The whole run.
#[derive(Clone, Debug, Default)]
pub(crate) struct RunReport {
    pub(crate) device: String,
    pub(crate) box_name: String,
    pub(crate) model_id: String,
    pub(crate) model_version: String,
    pub(crate) keys: KeysReport,
    pub(crate) records: Vec<RecordReport>,
    pub(crate) total_time: Duration,
}

impl RunReport {
    /// Records that failed, and the exit code of the first.
    pub(crate) fn failures(&self) -> (usize, u8) {
        let mut codes = self.records.iter().filter_map(|record| match record.fate {
            Fate::Failed { exit_code, .. } => Some(exit_code),
            Fate::Open | Fate::Shown(_) => None,
        });
        let first = codes.next();
        (usize::from(first.is_some()) + codes.count(), first.unwrap_or(0))
    }

    /// Sum of one figure over the records.
    pub(crate) fn sum_bytes(&self, figure: impl Fn(&RecordReport) -> u64) -> u64 {
        self.records.iter().map(figure).sum()
    }

    /// Sum of one time over the records.
    pub(crate) fn sum_time(&self, time: impl Fn(&RecordReport) -> Duration) -> Duration {
        self.records.iter().map(time).sum()
    }
}
