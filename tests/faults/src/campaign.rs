//! Many rounds, several sites side by side, one sum.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

use obscura_system_tests::HarnessError;
use serde_json::{Map, Value, json};

use crate::{
    bench::{Bench, seconds},
    error::FaultsError,
    plan::{Carrier, Plan, Subject},
    round::{self, Outcome, PATIENCE, carrier_name},
};

/// A site serves so many rounds before another takes its place.
const ROUNDS_PER_SITE: usize = 25;

/// What to run.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// What the agent is given.
    pub subject: Subject,
    /// The first seed.
    pub first: u64,
    /// How many.
    pub rounds: u64,
    /// Sites side by side.
    pub lanes: usize,
    /// The program that can observe.
    pub program: PathBuf,
}

/// The sum of all rounds.
#[derive(Debug, Default)]
pub struct Summary {
    /// Rounds that were finished, by carrier's name.
    carriers: BTreeMap<&'static str, u64>,
    counts: BTreeMap<&'static str, u64>,
    faults: BTreeMap<&'static str, u64>,
    /// Seeds of rounds that do not hold, and where everything about them is.
    pub failed: Vec<(u64, PathBuf)>,
    longest_s: f64,
    sum_s: f64,
}

impl Summary {
    fn count(&mut self, name: &'static str, more: usize) {
        *self.counts.entry(name).or_default() += more as u64;
    }

    fn add(&mut self, plan: &Plan, outcome: &Outcome) {
        *self.carriers.entry(carrier_name(plan.carrier)).or_default() += 1;
        let verdict = &outcome.verdict;
        for (name, more) in [
            ("rounds", 1),
            ("records", outcome.records),
            ("answered", verdict.answered),
            ("refused", verdict.refused),
            ("lost", verdict.lost),
            ("wrong", verdict.wrong),
            ("accepted_twice", verdict.accepted_twice),
            ("shown_again", verdict.shown_again),
            ("entered_again", outcome.entered_again),
            ("jobs_seen", verdict.jobs_seen),
            ("items_seen", verdict.items_seen),
            ("answers_seen", verdict.answers_seen),
            ("late", usize::from(!outcome.in_time)),
            ("faults", outcome.faults.len()),
            ("restarts", outcome.restarts),
            ("box_ended_by_itself", outcome.box_ended),
            ("resumes", outcome.resumes),
        ] {
            self.count(name, more);
        }
        for planned in &outcome.faults {
            *self.faults.entry(planned.fault.name()).or_default() += 1;
        }
        self.longest_s = self.longest_s.max(outcome.seconds);
        self.sum_s += outcome.seconds;
    }

    /// One flat object of numbers.
    pub fn report(&self, campaign: &Campaign, seconds: f64) -> Value {
        let mut report: Map<String, Value> = Map::new();
        let rounds = self.counts.get("rounds").copied().unwrap_or_default();
        for (name, count) in &self.counts {
            report.insert((*name).to_owned(), (*count).into());
        }
        for (name, count) in &self.faults {
            report.insert(format!("fault_{name}"), (*count).into());
        }
        for carrier in [Carrier::Mqtt, Carrier::Cable].map(carrier_name) {
            let count = self.carriers.get(carrier).copied().unwrap_or_default();
            report.insert(format!("rounds_{carrier}"), count.into());
        }
        #[expect(clippy::cast_precision_loss, reason = "rounded for the report")]
        let mean_s = (self.sum_s / rounds.max(1) as f64 * 10.0).round() / 10.0;
        let figures = json!({
            "first_seed": campaign.first,
            "failed_seeds": self.failed.iter().map(|(seed, _)| seed).collect::<Vec<_>>(),
            "lanes": campaign.lanes,
            "mean_round_s": mean_s,
            "longest_round_s": self.longest_s,
            "patience_s": PATIENCE.as_secs(),
            "seconds": seconds,
        });
        if let Value::Object(figures) = figures {
            report.extend(figures);
        }
        Value::Object(report)
    }
}

impl Campaign {
    /// Runs all rounds; `tell` gets a line for each.
    ///
    /// # Errors
    /// [`FaultsError`] when a site cannot be made or used; the rounds that were done are lost with it.
    pub fn run(&self, tell: &(dyn Fn(&str) + Sync)) -> Result<(Summary, f64), FaultsError> {
        let began = Instant::now();
        let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
        let summary = Mutex::new(Summary::default());
        let lane = || {
            let done = self.lane(&next, &stop, &summary, tell);
            if done.is_err() {
                stop.store(true, Ordering::Release);
            }
            done
        };
        thread::scope(|scope| {
            let lanes: Vec<_> = (0..self.lanes).map(|_| scope.spawn(lane)).collect();
            let joined = lanes.into_iter().map(|lane| {
                lane.join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            });
            joined
                .collect::<Vec<_>>()
                .into_iter()
                .collect::<Result<(), FaultsError>>()
        })?;
        let summary = summary.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok((summary, seconds(began)))
    }

    fn lane(
        &self,
        next: &AtomicU64,
        stop: &AtomicBool,
        summary: &Mutex<Summary>,
        tell: &(dyn Fn(&str) + Sync),
    ) -> Result<(), FaultsError> {
        let mut bench: Option<(Bench, usize)> = None;
        while !stop.load(Ordering::Acquire) {
            let number = next.fetch_add(1, Ordering::AcqRel);
            if number >= self.rounds {
                break;
            }
            let plan = Plan::draw_of(self.subject, self.first.wrapping_add(number));
            let (mut site, served) = match bench.take() {
                Some((site, served)) if served < ROUNDS_PER_SITE => (site, served),
                _ => (Bench::start(&self.program, self.subject)?, 0),
            };
            let outcome = match round::run(&mut site, &plan) {
                Ok(outcome) => outcome,
                // Nothing is to be learnt from what the user stopped.
                Err(error @ FaultsError::Harness(HarnessError::Interrupted)) => return Err(error),
                Err(error) => {
                    let folder = site.keep();
                    tell(&format!(
                        "seed {}: the site broke, see {}",
                        plan.seed,
                        folder.display()
                    ));
                    return Err(error);
                }
            };
            tell(&line(&plan, &outcome));
            let mut sum = summary.lock().unwrap_or_else(PoisonError::into_inner);
            sum.add(&plan, &outcome);
            if outcome.holds() {
                bench = Some((site, served + 1));
            } else {
                let folder = site.keep();
                explain(&outcome, &folder, tell);
                sum.failed.push((plan.seed, folder));
            }
        }
        Ok(())
    }
}

/// A round in one line.
fn line(plan: &Plan, outcome: &Outcome) -> String {
    let faults: Vec<String> = outcome.faults.iter().map(ToString::to_string).collect();
    let verdict = &outcome.verdict;
    let word = if outcome.holds() { "ok" } else { "FAILED" };
    format!(
        "seed {}, {} {:?}, {} {} [{}]: {word}, {} answered, {} again, {} resumes, {:.1} s",
        plan.seed,
        carrier_name(plan.carrier),
        plan.before,
        outcome.records,
        match plan.subject {
            Subject::Records => "records",
            Subject::Image => "image",
        },
        faults.join("; "),
        verdict.answered,
        verdict.shown_again,
        outcome.resumes,
        outcome.seconds,
    )
}

fn explain(outcome: &Outcome, folder: &Path, tell: &(dyn Fn(&str) + Sync)) {
    if !outcome.in_time {
        tell(&format!(
            "  not finished {} s after the last fault, or the box is not whole",
            PATIENCE.as_secs()
        ));
    }
    for finding in &outcome.verdict.findings {
        tell(&format!("  {finding}"));
    }
    tell(&format!("  everything about it is kept in {}", folder.display()));
}
