//! Many seeds on several threads.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{Counts, Outcome, run};

/// How often the caller hears how far it is.
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// Failures kept with their traces; more are only counted.
const MAX_FAILURES: usize = 3;
/// Failures after which nothing more can be learnt.
const ENOUGH: u64 = 10;

/// Which seeds, and on how many threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Campaign {
    /// The first seed.
    pub first: u64,
    /// How many, from the first on.
    pub seeds: u64,
    /// Threads, at least one.
    pub threads: usize,
}

/// A seed in which a rule was broken.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// Its run.
    pub outcome: Outcome,
}

/// What a campaign showed.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Seeds run.
    pub seeds: u64,
    /// Seeds in which a rule was broken.
    pub violations: u64,
    /// Sums over all seeds.
    pub counts: Counts,
    /// Longest virtual time from the end of the faults until everything was finished, milliseconds.
    pub longest_quiet_ms: u64,
    /// Sum of these times, milliseconds.
    pub quiet_ms: u64,
    /// Real time, seconds.
    pub seconds: f64,
    /// The lowest failed seeds that were met, with their traces.
    pub failures: Vec<Failure>,
}

impl Campaign {
    /// Runs every seed, or as many as it takes to break rules in ten of them. `progress` hears about once a second how far it is.
    pub fn run(&self, mut progress: impl FnMut(&Summary)) -> Summary {
        let began = Instant::now();
        let next = AtomicU64::new(0);
        let summary = Mutex::new(Summary::default());
        thread::scope(|scope| {
            let (done, ended) = mpsc::channel::<()>();
            for _ in 0..self.threads.max(1) {
                let (next, summary, done) = (&next, &summary, done.clone());
                scope.spawn(move || {
                    let _done = done;
                    loop {
                        let offset = next.fetch_add(1, Ordering::Relaxed);
                        if offset >= self.seeds {
                            return;
                        }
                        let seed = self.first.wrapping_add(offset);
                        let outcome = run(seed, false);
                        let Ok(mut summary) = summary.lock() else {
                            return;
                        };
                        summary.take(seed, outcome);
                        if summary.violations >= ENOUGH {
                            return;
                        }
                    }
                });
            }
            drop(done);
            while ended.recv_timeout(REPORT_EVERY) == Err(RecvTimeoutError::Timeout) {
                let mut so_far = summary.lock().map(|summary| summary.clone()).unwrap_or_default();
                so_far.seconds = began.elapsed().as_secs_f64();
                progress(&so_far);
            }
        });
        let mut summary = summary.into_inner().unwrap_or_default();
        summary.seconds = began.elapsed().as_secs_f64();
        summary
    }
}

impl Summary {
    fn take(&mut self, seed: u64, outcome: Outcome) {
        self.seeds += 1;
        self.counts.add(&outcome.counts);
        if outcome.broken.is_none() {
            self.longest_quiet_ms = self.longest_quiet_ms.max(outcome.quiet_ms);
            self.quiet_ms += outcome.quiet_ms;
            return;
        }
        self.violations += 1;
        self.failures.push(Failure { seed, outcome });
        self.failures.sort_by_key(|failure| failure.seed);
        self.failures.truncate(MAX_FAILURES);
    }
}
