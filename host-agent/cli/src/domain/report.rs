//! The report of a run: results, bytes and times of its jobs, each of which is a record or an image.

use std::{path::PathBuf, time::Duration};

use obscura_local::agent::{Comparison, Outcome, Reading, ScanOutcome};
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

/// What is read: the model decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Subject {
    #[default]
    Record,
    Image,
}

impl Subject {
    /// What one of them is called.
    pub(crate) fn one(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Image => "image",
        }
    }

    /// What several of them are called.
    pub(crate) fn many(self) -> &'static str {
        match self {
            Self::Record => "records",
            Self::Image => "images",
        }
    }
}

/// A result.
#[derive(Clone, Debug)]
pub(crate) enum Shown {
    /// Of a record, with what the model says in the clear, when that was asked for.
    Record(Box<Outcome>, Option<Reading>),
    /// Of an image, with how it compares with the clear, when that was asked for.
    Scan(Box<ScanOutcome>, Option<Box<Comparison>>),
}

/// What became of one job.
#[derive(Clone, Debug)]
pub(crate) enum Fate {
    /// No result yet.
    Open,
    /// Answered.
    Shown(Shown),
    /// Without a result: why, and the exit code that belongs to it.
    Failed { reason: String, exit_code: u8 },
}

/// The way of one record or image.
#[derive(Clone, Debug)]
pub(crate) struct JobReport {
    pub(crate) name: String,
    /// Items of it: one, or the patches of an image.
    pub(crate) items: u32,
    pub(crate) encrypt_time: Duration,
    pub(crate) request_bytes: u64,
    /// From sending, or from the answer before, to each answer.
    pub(crate) wait_time: Duration,
    pub(crate) answer_bytes: u64,
    pub(crate) accept_time: Duration,
    /// Where the picture of an image's result is kept.
    pub(crate) picture: Option<PathBuf>,
    pub(crate) fate: Fate,
}

impl JobReport {
    /// One of which nothing happened yet.
    pub(crate) fn new(name: String, items: u32) -> Self {
        Self {
            name,
            items,
            encrypt_time: Duration::ZERO,
            request_bytes: 0,
            wait_time: Duration::ZERO,
            answer_bytes: 0,
            accept_time: Duration::ZERO,
            picture: None,
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
    pub(crate) subject: Subject,
    pub(crate) keys: KeysReport,
    pub(crate) jobs: Vec<JobReport>,
    pub(crate) total_time: Duration,
}

impl RunReport {
    /// Jobs that failed, and the exit code of the first.
    pub(crate) fn failures(&self) -> (usize, u8) {
        let mut codes = self.jobs.iter().filter_map(|job| match job.fate {
            Fate::Failed { exit_code, .. } => Some(exit_code),
            Fate::Open | Fate::Shown(_) => None,
        });
        let first = codes.next();
        (usize::from(first.is_some()) + codes.count(), first.unwrap_or(0))
    }

    /// Sum of one figure over the jobs.
    pub(crate) fn sum_bytes(&self, figure: impl Fn(&JobReport) -> u64) -> u64 {
        self.jobs.iter().map(figure).sum()
    }

    /// Sum of one time over the jobs.
    pub(crate) fn sum_time(&self, time: impl Fn(&JobReport) -> Duration) -> Duration {
        self.jobs.iter().map(time).sum()
    }
}
