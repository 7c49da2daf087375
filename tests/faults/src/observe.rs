//! The observer: a process of its own that sees what a bystander sees.
//!
//! It reads the agent's standard output, looks into the journal's folder, and listens at the broker with a
//! certificate of its own. It asks neither the box nor the agent. Orders come on standard input and verdicts
//! go to standard output, one JSON object a line. When its input ends, so does it.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use obscura_protocol::identity::Digest;
use obscura_system_tests::{HarnessError, fixtures};
use serde::{Deserialize, Serialize};

use crate::{
    error::FaultsError,
    ledger::{Given, Ledger, Life, Verdict},
    shown, tap,
};

/// How often the journal's folder is looked at.
const LOOK: Duration = Duration::from_millis(3);
/// What is still on its way to the listener when a round ends arrives within this time.
const SETTLING: Duration = Duration::from_millis(150);
const SETTLING_LIMIT: Duration = Duration::from_secs(5);
/// Items of an image, as the agent counts its receipts.
const IMAGE_ITEMS: &str = "49";

/// An order to the observer.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    /// A round begins with these records.
    Begin {
        /// Their names, and their places in the file of test records.
        records: Vec<(String, usize)>,
        /// Whether it is an image instead.
        image: bool,
    },
    /// A life of the agent ended.
    Ended {
        /// Its standard output.
        out: PathBuf,
        /// Whether it ended by itself with exit code 0.
        clean: bool,
        /// The records it was started with.
        given: Vec<String>,
    },
    /// The round is over: the verdict is wanted.
    Judge,
}

/// What the threads of the observer share.
#[derive(Debug, Default)]
pub(crate) struct Sight {
    ledger: Ledger,
    /// Jobs of earlier rounds: what comes late of them belongs to none.
    old: BTreeSet<String>,
    heard: Option<Instant>,
}

impl Sight {
    /// A job, with the hash of its encrypted record where it was seen.
    pub(crate) fn job(&mut self, job: String, input: Option<String>) {
        if !self.old.contains(&job) {
            let seen = self.ledger.jobs.entry(job).or_default();
            seen.input = seen.input.take().or(input);
        }
    }

    /// An item of an image in the journal, by job and number, with the hash of its bytes.
    fn item(&mut self, name: String, hash: String) {
        let job = name.split('.').next().unwrap_or_default();
        if !self.old.contains(job) {
            self.ledger.items.entry(name).or_default().insert(hash);
        }
    }

    /// An answer that crossed the broker.
    pub(crate) fn answer(&mut self, job: &str, answer: String) {
        if let Some(seen) = self.ledger.jobs.get_mut(job) {
            seen.answers.insert(answer);
        }
    }

    /// Something crossed the broker just now.
    pub(crate) fn heard(&mut self) {
        self.heard = Some(Instant::now());
    }
}

/// The shared state; a thread that failed while it held it has ended the process anyway.
pub(crate) fn lock(sight: &Mutex<Sight>) -> MutexGuard<'_, Sight> {
    sight.lock().unwrap_or_else(PoisonError::into_inner)
}

/// First digits of a hash, as the agent shows them.
pub(crate) fn short(bytes: &[u8]) -> String {
    format!("{:.8}", Digest::of(bytes).to_string())
}

/// Runs until standard input ends.
///
/// # Errors
/// [`FaultsError`].
pub fn observe(site: &Path, port: u16) -> Result<(), FaultsError> {
    let reference = Reference::read()?;
    let sight = Arc::new(Mutex::new(Sight::default()));
    tap::start(site, port, &sight)?;
    let journals = ["device-1", "device-2"].map(|device| site.join(device).join("journal"));
    let (watched, seen) = (journals.clone(), Arc::clone(&sight));
    thread::spawn(move || watch(&watched, &seen));
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|error| failed("cannot read its orders", Some(error)))?;
        let order =
            serde_json::from_str(&line).map_err(|_malformed| failed("got no order it knows", None))?;
        match order {
            Order::Begin {
                records,
                image: false,
            } => begin(&sight, reference.given(records)),
            Order::Begin { records, image: true } => begin(&sight, images(records)),
            Order::Ended { out, clean, given } => {
                let text = fs::read(&out).map_err(|source| HarnessError::DeviceIo { path: out, source })?;
                let shown = shown::parse(&String::from_utf8_lossy(&text));
                lock(&sight).ledger.lives.push(Life { shown, clean, given });
            }
            Order::Judge => {
                let verdict = judge(&sight, &journals);
                let text = serde_json::to_string(&verdict).unwrap_or_default();
                writeln!(std::io::stdout(), "{text}")
                    .map_err(|error| failed("cannot tell its verdict", Some(error)))?;
            }
        }
    }
    Ok(())
}

/// What must come of images: as many receipts as they have patches.
fn images(images: Vec<(String, usize)>) -> Vec<Given> {
    let given = |(label, _)| Given {
        label,
        per_mille: 0,
        decision: IMAGE_ITEMS.to_owned(),
    };
    images.into_iter().map(given).collect()
}

pub(crate) fn failed(what: &'static str, source: Option<std::io::Error>) -> FaultsError {
    FaultsError::Observer { what, source }
}

fn begin(sight: &Mutex<Sight>, given: Vec<Given>) {
    let mut sight = lock(sight);
    let jobs = std::mem::take(&mut sight.ledger.jobs);
    sight.old.extend(jobs.into_keys());
    sight.ledger = Ledger {
        given,
        ..Ledger::default()
    };
}

fn judge(sight: &Mutex<Sight>, journals: &[PathBuf]) -> Verdict {
    let began = Instant::now();
    let quiet = || lock(sight).heard.is_none_or(|heard| heard.elapsed() >= SETTLING);
    while !quiet() && began.elapsed() < SETTLING_LIMIT {
        thread::sleep(LOOK);
    }
    let left = |folder: &PathBuf| entries(folder, "job").len() + entries(folder, "item").len();
    let left_over = journals.iter().map(left).sum();
    let mut sight = lock(sight);
    sight.ledger.left_over = left_over;
    sight.ledger.judge()
}

/// Files of a journal's folder that end like this; none when there is no folder.
fn entries(folder: &Path, suffix: &str) -> Vec<PathBuf> {
    let listed = fs::read_dir(folder).into_iter().flatten().flatten();
    listed
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == suffix))
        .collect()
}

/// Notes every job and every item that appears in a journal.
fn watch(journals: &[PathBuf], sight: &Mutex<Sight>) {
    let (mut known, mut known_items) = (BTreeSet::new(), BTreeSet::new());
    loop {
        let all = |suffix: &'static str| journals.iter().flat_map(move |folder| entries(folder, suffix));
        let items: BTreeSet<PathBuf> = all("item").collect();
        for path in items.difference(&known_items) {
            let name = path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if let Ok(bytes) = fs::read(path) {
                lock(sight).item(name, short(&bytes));
            }
        }
        known_items = items;
        let now: BTreeSet<PathBuf> = all("job").collect();
        for path in now.difference(&known) {
            let job = path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let input = kept_input(path, &job);
            lock(sight).job(job, input);
        }
        known = now;
        thread::sleep(LOOK);
    }
}

/// The hash of the encrypted record in a journal file, unless the file is gone already; of an image's job, whose items
/// are files of their own, the job's first digits.
fn kept_input(path: &Path, job: &str) -> Option<String> {
    let bytes = fs::read(path).ok()?;
    // Layout, ticket, items; what comes behind them is not looked at.
    let ((_, _, items), _) = postcard::take_from_bytes::<(u8, Vec<u8>, Vec<Vec<u8>>)>(&bytes).ok()?;
    let image = || job.chars().take(8).collect();
    Some(items.first().map_or_else(image, |item| short(item)))
}

/// The plaintext reference: the committed vectors, and the contract's decision.
struct Reference {
    vectors: Vec<fixtures::Vector>,
    threshold: i64,
    labels: [String; 2],
}

#[derive(Deserialize)]
struct Contract {
    decision: Decision,
}

#[derive(Deserialize)]
struct Decision {
    score_threshold: i64,
    positive: Label,
    negative: Label,
}

#[derive(Deserialize)]
struct Label {
    label: String,
}

impl Reference {
    fn read() -> Result<Self, HarnessError> {
        let file = format!("{}/contract.json", fixtures::PAYLOAD);
        let contract: Contract = serde_json::from_slice(&fixtures::read(&file)?)
            .map_err(|source| HarnessError::BadJson { what: file, source })?;
        let Decision {
            score_threshold,
            positive,
            negative,
        } = contract.decision;
        Ok(Self {
            vectors: fixtures::test_records()?,
            threshold: score_threshold,
            labels: [negative.label, positive.label],
        })
    }

    fn given(&self, records: Vec<(String, usize)>) -> Vec<Given> {
        records
            .into_iter()
            .filter_map(|(label, place)| {
                let vector = self.vectors.get(place)?;
                let positive = usize::from(vector.score >= self.threshold);
                // Rounded as the agent rounds what it shows, from 4096ths; probabilities are never negative.
                let per_mille = u32::try_from((2_000 * vector.probability + 4_096) / 8_192).ok()?;
                Some(Given {
                    label,
                    per_mille,
                    decision: self.labels[positive].clone(),
                })
            })
            .collect()
    }
}
