//! One round: state before, records in, faults at their moments, the agent started again until nothing is open.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use obscura_system_tests::{HarnessError, fixtures, interrupt};
use serde_json::json;

use crate::{
    agent::{Agent, End, Task},
    bench::{Bench, device, seconds},
    error::FaultsError,
    ledger::Verdict,
    observe::Order,
    plan::{Carrier, Moment, Plan, Planned, Subject},
    shown::Shown,
};

/// Once the last fault is over, everything must be finished within this time.
pub const PATIENCE: Duration = Duration::from_mins(3);
/// How often moments and ends are looked for.
const LOOK: Duration = Duration::from_millis(5);
/// Pause of a user before the agent is started once more after it failed by itself.
const AGAIN: Duration = Duration::from_millis(300);
/// The agent's exit code when there is no vault on the device.
const NO_VAULT: i32 = 4;

/// What came of a round.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The observer's judgement.
    pub verdict: Verdict,
    /// Records that were given.
    pub records: usize,
    /// Faults that happened; one whose moment never came is not here.
    pub faults: Vec<Planned>,
    /// Starts of the agent with `resume`.
    pub resumes: usize,
    /// Records that were entered again, because the agent had not taken them up when it was killed.
    pub entered_again: usize,
    /// Starts of broker and box.
    pub restarts: usize,
    /// Ends of the box that no fault explains.
    pub box_ended: usize,
    /// Whether it ended within the patience, with a whole box.
    pub in_time: bool,
    /// How long it took from the first start of the agent.
    pub seconds: f64,
}

impl Outcome {
    /// Whether the round is one of the campaign's successes.
    pub fn holds(&self) -> bool {
        self.verdict.holds() && self.in_time
    }
}

/// A fault that waits, lasts or is over.
struct Running {
    planned: Planned,
    /// When it begins, once that is known.
    due: Option<Instant>,
    /// When it ends, once it has begun.
    until: Option<Instant>,
    over: bool,
}

struct Round<'a> {
    bench: &'a mut Bench,
    plan: &'a Plan,
    began: Instant,
    faults: Vec<Running>,
    lives: usize,
    entered_again: usize,
    resumes: usize,
    answered: Vec<String>,
}

/// Runs a round on a bench.
///
/// # Errors
/// [`FaultsError`] when the site cannot be used any more; what the product does wrong is in the outcome.
pub(crate) fn run(bench: &mut Bench, plan: &Plan) -> Result<Outcome, FaultsError> {
    bench.wait_until_whole()?;
    let (restarts, box_ended) = (bench.restarts, bench.box_ended);
    bench.prepare(plan.before, plan.carrier)?;
    let label = |(number, place): (usize, &usize)| match plan.subject {
        Subject::Records => (format!("s{}-r{number}-v{place}", plan.seed), *place),
        Subject::Image => (format!("s{}.jpg", plan.seed), *place),
    };
    let records: Vec<(String, usize)> = plan.records.iter().enumerate().map(label).collect();
    bench.observer.order(&Order::Begin {
        records: records.clone(),
        image: plan.subject == Subject::Image,
    })?;
    let running = |planned: &Planned| Running {
        planned: *planned,
        due: None,
        until: None,
        over: false,
    };
    let mut round = Round {
        faults: plan.faults.iter().map(running).collect(),
        bench,
        plan,
        began: Instant::now(),
        lives: 0,
        entered_again: 0,
        resumes: 0,
        answered: Vec::new(),
    };
    let finished = round.drive(&records)?;
    let seconds = seconds(round.began);
    let (resumes, entered_again) = (round.resumes, round.entered_again);
    let happened = round.faults.iter().filter(|fault| fault.until.is_some());
    let faults = happened.map(|fault| fault.planned).collect();
    bench.heal()?;
    let whole = match bench.wait_until_whole() {
        Ok(()) => true,
        Err(HarnessError::TimedOut { .. } | HarnessError::ProgramFailed { .. }) => false,
        Err(error) => return Err(error.into()),
    };
    Ok(Outcome {
        verdict: bench.observer.judge()?,
        records: plan.records.len(),
        faults,
        resumes,
        entered_again,
        restarts: bench.restarts - restarts,
        box_ended: bench.box_ended - box_ended,
        in_time: finished && whole,
        seconds,
    })
}

impl Round<'_> {
    /// Starts the agent again and again until every record has its result or reason, and faults meanwhile.
    fn drive(&mut self, records: &[(String, usize)]) -> Result<bool, FaultsError> {
        let mut task = self.task(records.to_owned());
        loop {
            let mut agent = self.start(task)?;
            let Some(end) = self.live(&mut agent)? else {
                // Out of patience: what it showed until now still counts.
                agent.kill(crate::plan::Victim::Agent);
                self.tell(&agent, false)?;
                return Ok(false);
            };
            self.tell(&agent, end.is_clean())?;
            let named = agent.shown().into_iter().filter_map(|shown| match shown {
                Shown::Answered(answered) => Some(answered.name),
                Shown::Failed { .. } => None,
            });
            self.answered.extend(named);
            let missing: Vec<(String, usize)> = records
                .iter()
                .filter(|(label, _)| !self.answered.contains(label))
                .cloned()
                .collect();
            match self.next(&agent, end, missing) {
                Some(next) => task = next,
                None => return Ok(true),
            }
            if self.is_late() {
                return Ok(false);
            }
        }
    }

    /// What a user does next; nothing when everything is done.
    fn next(&mut self, agent: &Agent, end: End, missing: Vec<(String, usize)>) -> Option<Task> {
        let nothing_open = end.is_clean() || end.code == Some(NO_VAULT);
        if !nothing_open {
            if !end.killed {
                thread::sleep(AGAIN);
            }
            self.resumes += 1;
            return Some(Task::Resume);
        }
        if missing.is_empty() || (end.is_clean() && agent.task != Task::Resume) {
            // A run that sent records and ended well has named them all, or the observer finds the loss.
            return None;
        }
        self.entered_again += missing.len();
        Some(self.task(missing))
    }

    /// What a user starts to have these answered.
    fn task(&self, mut records: Vec<(String, usize)>) -> Task {
        match self.plan.subject {
            Subject::Records => Task::Record(records),
            Subject::Image => Task::Scan(records.remove(0).0),
        }
    }

    fn start(&mut self, task: Task) -> Result<Agent, FaultsError> {
        let name = format!("s{}-run{}", self.plan.seed, self.lives);
        self.lives += 1;
        if let Task::Record(records) = &task {
            let path = self.bench.site.path(&format!("logs/{name}.records.json"));
            let text = input(records)?;
            fs::write(&path, text).map_err(|source| HarnessError::DeviceIo { path, source })?;
        }
        if let Task::Scan(image) = &task {
            let path = self.bench.site.path(&format!("logs/{image}"));
            let image = fixtures::read(fixtures::IMAGE)?;
            fs::write(&path, image).map_err(|source| HarnessError::DeviceIo { path, source })?;
        }
        Ok(Agent::start(
            &self.bench.site,
            device(self.plan.carrier),
            &name,
            task,
        )?)
    }

    fn tell(&mut self, agent: &Agent, clean: bool) -> Result<(), FaultsError> {
        self.bench.observer.order(&Order::Ended {
            out: agent.out.clone(),
            clean,
            given: agent.given(),
        })
    }

    /// Watches one life until it ends or the patience does, and lets faults happen.
    fn live(&mut self, agent: &mut Agent) -> Result<Option<End>, FaultsError> {
        loop {
            self.faults(agent)?;
            if let Some(end) = agent.ended()? {
                return Ok(Some(end));
            }
            if self.is_late() {
                return Ok(None);
            }
            interrupt::check()?;
            self.bench.tend()?;
            thread::sleep(LOOK);
        }
    }

    fn is_late(&self) -> bool {
        let last = self.faults.iter().filter_map(|fault| fault.until).max();
        let quiet = self.faults.iter().all(|fault| fault.over || fault.due.is_none());
        quiet && last.unwrap_or(self.began).elapsed() > PATIENCE
    }

    fn faults(&mut self, agent: &mut Agent) -> Result<(), FaultsError> {
        let now = Instant::now();
        for place in 0..self.faults.len() {
            let Running {
                planned,
                due,
                until,
                over,
                ..
            } = self.faults[place];
            match (due, until) {
                (None, _) => self.faults[place].due = self.due(planned.moment, agent),
                (Some(due), None) if due <= now => {
                    self.bench.begin(planned.fault, agent);
                    self.faults[place].until = Some(now + Duration::from_millis(planned.lasts_ms));
                }
                (_, Some(until)) if until <= now && !over => {
                    self.bench.end(planned.fault)?;
                    self.faults[place].over = true;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// When a fault begins, if that is known by now.
    fn due(&self, moment: Moment, agent: &Agent) -> Option<Instant> {
        let soon = |then_ms: u64| Some(Instant::now() + Duration::from_millis(then_ms));
        match moment {
            Moment::At { ms } => Some(self.began + Duration::from_millis(ms)),
            Moment::Upload { then_ms } if agent.said().contains("uploading evaluation keys") => soon(then_ms),
            Moment::Ticket { then_ms } if self.bench.has_ticket(self.plan.carrier) => soon(then_ms),
            Moment::Results { count, then_ms } if self.answered.len() + agent.shown().len() >= count => {
                soon(then_ms)
            }
            _ => None,
        }
    }
}

/// The records as the agent's input file.
fn input(records: &[(String, usize)]) -> Result<String, FaultsError> {
    let vectors = fixtures::test_records()?;
    let list: Vec<_> = records
        .iter()
        .filter_map(|(label, place)| Some(json!({"name": label, "record": vectors.get(*place)?.record})))
        .collect();
    Ok(json!(list).to_string())
}

/// The carrier's name, for progress.
pub(crate) fn carrier_name(carrier: Carrier) -> &'static str {
    match carrier {
        Carrier::Mqtt => "mqtt",
        Carrier::Cable => "cable",
    }
}
