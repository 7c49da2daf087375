//! What was given, what was shown, what was seen on the way, and the judgement of a round.
//!
//! Knows nothing of files, sockets and processes; it believes neither the box nor the agent, it compares them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::shown::{Answered, Shown};

/// A record that was given to the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Given {
    /// Its name, which no other record has.
    pub(crate) label: String,
    /// What the model says of it in the clear, in tenths of a percent.
    pub(crate) per_mille: u32,
    /// The decision in the clear.
    pub(crate) decision: String,
}

/// One life of the agent's command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Life {
    /// What it showed, in order.
    pub(crate) shown: Vec<Shown>,
    /// Whether it ended by itself and said that nothing is left to do.
    pub(crate) clean: bool,
    /// The records it was started with; none for `resume`.
    pub(crate) given: Vec<String>,
}

/// A job that was seen somewhere between device and box.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// First 8 digits of the hash of its encrypted record, once that was seen.
    pub(crate) input: Option<String>,
    /// Hashes of the answers that crossed the broker.
    pub(crate) answers: BTreeSet<String>,
}

/// Everything about one round.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) given: Vec<Given>,
    pub(crate) lives: Vec<Life>,
    /// Jobs by their id, 32 digits.
    pub(crate) jobs: BTreeMap<String, Seen>,
    /// Items of images that were kept, by job and number, with the hashes of what they were.
    pub(crate) items: BTreeMap<String, BTreeSet<String>>,
    /// Jobs and items that are still in the agent's journal at the end.
    pub(crate) left_over: usize,
}

/// What came of a round.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Records that have neither result nor reason, or were taken up and then forgotten.
    pub lost: usize,
    /// Results that are not those of the plaintext reference.
    pub wrong: usize,
    /// Jobs with two answers, records with two jobs, results taken as new once more.
    pub accepted_twice: usize,
    /// Results shown again because the agent was ended between showing and forgetting them.
    pub shown_again: usize,
    /// Records with a result.
    pub answered: usize,
    /// Records that were refused with a reason, whether or not they had a result later.
    pub refused: usize,
    /// Jobs the observer saw in the journal or on the way, with what they hold.
    pub jobs_seen: usize,
    /// Items of images the observer saw in the journal.
    pub items_seen: usize,
    /// Jobs of which it saw an answer pass the broker.
    pub answers_seen: usize,
    /// What is wrong, in words.
    pub findings: Vec<String>,
}

impl Verdict {
    /// Whether nothing was lost, wrong or accepted twice.
    pub fn holds(&self) -> bool {
        self.lost == 0 && self.wrong == 0 && self.accepted_twice == 0
    }
}

impl Ledger {
    /// The judgement; see the package's README for its rules.
    pub(crate) fn judge(&self) -> Verdict {
        let mut verdict = Verdict {
            jobs_seen: self.jobs.values().filter(|job| job.input.is_some()).count(),
            answers_seen: self.jobs.values().filter(|job| !job.answers.is_empty()).count(),
            items_seen: self.items.len(),
            ..Verdict::default()
        };
        // What was kept is sent again as it is: other bytes under its number would be accepted a second time.
        for (item, _) in self.items.iter().filter(|(_, hashes)| hashes.len() > 1) {
            verdict.accepted_twice += 1;
            verdict
                .findings
                .push(format!("item {item}: encrypted again after it was kept"));
        }
        self.judge_results(&mut verdict);
        self.judge_records(&mut verdict);
        self.judge_jobs(&mut verdict);
        verdict
    }

    fn answered(&self) -> impl Iterator<Item = (usize, usize, &Answered)> {
        self.lives.iter().enumerate().flat_map(|(life, of)| {
            of.shown
                .iter()
                .enumerate()
                .filter_map(move |(place, shown)| match shown {
                    Shown::Answered(answered) => Some((life, place, answered)),
                    Shown::Failed { .. } => None,
                })
        })
    }

    fn failed(&self) -> impl Iterator<Item = &str> {
        self.lives
            .iter()
            .flat_map(|life| &life.shown)
            .filter_map(|shown| match shown {
                Shown::Failed { name, .. } => Some(name.as_str()),
                Shown::Answered(_) => None,
            })
    }

    /// Each result against the reference and against what was shown before it.
    fn judge_results(&self, verdict: &mut Verdict) {
        // Per job: where its result was shown last.
        let mut before: BTreeMap<&str, (usize, usize, &Answered)> = BTreeMap::new();
        let mut of_label: BTreeMap<&str, &str> = BTreeMap::new();
        for (life, place, result) in self.answered() {
            let label = result.name.as_str();
            if let Some(reason) = self.differs(result) {
                verdict.wrong += 1;
                verdict.findings.push(format!("{label}: {reason}"));
            }
            let first_job = *of_label.entry(label).or_insert(&result.input);
            if first_job != result.input {
                verdict.accepted_twice += 1;
                let text = format!(
                    "{label}: answered under two jobs, inputs {first_job} and {}",
                    result.input
                );
                verdict.findings.push(text);
            }
            match before.insert(&result.input, (life, place, result)) {
                None => {}
                Some((.., earlier)) if earlier.answer != result.answer => {
                    verdict.accepted_twice += 1;
                    let text = format!("{label}: two answers, {} and {}", earlier.answer, result.answer);
                    verdict.findings.push(text);
                }
                // Shown, ended before it was forgotten: only the last entry of a life that was cut short.
                Some((then, at, _)) if then != life && self.ended_at(then, at) => verdict.shown_again += 1,
                Some((then, ..)) => {
                    verdict.accepted_twice += 1;
                    let text = format!("{label}: taken as new again in run {life}, settled in run {then}");
                    verdict.findings.push(text);
                }
            }
        }
        verdict.answered = of_label.len();
    }

    fn ended_at(&self, life: usize, place: usize) -> bool {
        self.lives
            .get(life)
            .is_some_and(|life| !life.clean && place + 1 == life.shown.len())
    }

    fn differs(&self, result: &Answered) -> Option<String> {
        let Some(given) = self.given.iter().find(|given| given.label == result.name) else {
            return Some("a result of a record that was not given".to_owned());
        };
        let [low, high] = result.bounds_per_mille;
        if result.other_score || !(low..=high).contains(&given.per_mille) {
            return Some(format!(
                "{low} to {high} per mille and {} in the clear",
                given.per_mille
            ));
        }
        (result.decision != given.decision).then(|| format!("decided `{}`", result.decision))
    }

    /// Each record has a result or a reason, and a run that ended well left none out.
    fn judge_records(&self, verdict: &mut Verdict) {
        let answered: BTreeSet<&str> = self.answered().map(|(.., result)| result.name.as_str()).collect();
        let failed: BTreeSet<&str> = self.failed().collect();
        verdict.refused = failed.len();
        for Given { label, .. } in &self.given {
            let told = answered.contains(label.as_str()) || failed.contains(label.as_str());
            if !told {
                verdict.lost += 1;
                verdict
                    .findings
                    .push(format!("{label}: neither result nor reason"));
            }
        }
        for (number, life) in self.lives.iter().enumerate().filter(|(_, life)| life.clean) {
            let named: BTreeSet<&str> = life.shown.iter().map(Shown::name).collect();
            for label in life.given.iter().filter(|label| !named.contains(label.as_str())) {
                verdict.lost += 1;
                let text = format!("{label}: run {number} ended well and does not name it");
                verdict.findings.push(text);
            }
        }
    }

    /// Whatever left the device, or was kept by it, was told to its user in the end.
    fn judge_jobs(&self, verdict: &mut Verdict) {
        let inputs: BTreeSet<&str> = self
            .answered()
            .map(|(.., result)| result.input.as_str())
            .collect();
        let failed: Vec<&str> = self.failed().collect();
        // A refusal that names its record cannot be assigned to a job from outside: each excuses one.
        let mut excuses = failed.iter().filter(|name| !name.starts_with("job ")).count();
        for (job, seen) in &self.jobs {
            let Some(input) = &seen.input else { continue };
            let refused = failed
                .iter()
                .any(|name| name.strip_prefix("job ").is_some_and(|id| job.starts_with(id)));
            if inputs.contains(input.as_str()) || refused {
                continue;
            }
            if excuses > 0 {
                excuses -= 1;
                continue;
            }
            verdict.lost += 1;
            let text =
                format!("job {job:.8}, input {input}: left the device or was kept, and was never told of");
            verdict.findings.push(text);
        }
        if self.left_over > 0 {
            verdict.lost += self.left_over;
            verdict.findings.push(format!(
                "{} jobs or items are still in the journal",
                self.left_over
            ));
        }
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
