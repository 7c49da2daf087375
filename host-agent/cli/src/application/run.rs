//! Sending records and images and showing what comes back.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use obscura_local::agent::{
    LinkCommand, LinkEvent, Reading, Record, ResumedJob, VaultReply, VaultRequest, VaultStatus, Wanted,
};
use obscura_protocol::{identity::JobId, transfer::ObjectHeader};

use super::{VaultExt, feed::Pending, make_keys, words::Places};
use crate::{
    domain::report::{JobReport, RunReport, Subject},
    error::CliError,
    ports::{Activity, Face, Link, Pictures, Vault},
};

/// The face is told at least this often.
const TICK: Duration = Duration::from_secs(1);
pub(super) const UNEXPECTED: CliError = CliError::Unexpected { name: "vault" };

/// A record and what the user calls it.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) record: Record,
}

/// A record or an image under way.
pub(super) struct Open {
    /// Its place in the report.
    pub(super) place: usize,
    pub(super) sent: Option<Instant>,
    /// When the box expects to have answered it.
    pub(super) ends: Option<Instant>,
    /// Items with an accepted answer.
    pub(super) done: u32,
    /// Items that are to be encrypted, the next one first.
    pub(super) unsent: VecDeque<u32>,
    /// Items the link has, without an accepted answer.
    pub(super) under_way: usize,
    pub(super) reference: Option<Reading>,
}

impl Open {
    /// One whose items are all at the link, `done` of them answered before.
    pub(super) fn new(place: usize, under_way: usize, done: u32) -> Self {
        Self {
            place,
            sent: None,
            ends: None,
            done,
            unsent: VecDeque::new(),
            under_way,
            reference: None,
        }
    }
}

/// One run.
pub(crate) struct Run<'a> {
    pub(crate) vault: &'a mut dyn Vault,
    pub(crate) link: &'a mut dyn Link,
    pub(crate) face: &'a mut dyn Face,
    pub(crate) places: Places,
    pub(crate) patience: Duration,
    pub(crate) wanted: Wanted,
    pub(crate) with_reference: bool,
    /// Where pictures of the results go, if they are wanted.
    pub(crate) pictures: Option<&'a mut dyn Pictures>,
    pub(crate) report: RunReport,
    /// Shows a result as soon as it is there.
    pub(crate) show: &'a mut dyn FnMut(&JobReport) -> Result<(), CliError>,
}

/// What the run waits for, and since when nothing has moved.
pub(super) struct Waiting<'a> {
    pub(super) open: HashMap<JobId, Open>,
    /// Images that were not opened yet.
    pub(super) pending: Pending<'a>,
    pub(super) keys_known: bool,
    pub(super) upload_began: Option<Instant>,
    /// Bytes of the keys at the box or on the way, and in all.
    pub(super) upload: (u64, u64),
    pub(super) last_answer: Option<Instant>,
    pub(super) moved: Instant,
    /// What is in the way, if anything.
    pub(super) trouble: Option<String>,
    pub(super) detail: String,
}

impl<'a> Waiting<'a> {
    pub(super) fn new(pending: Pending<'a>) -> Self {
        Self {
            open: HashMap::new(),
            pending,
            keys_known: false,
            upload_began: None,
            upload: (0, 0),
            last_answer: None,
            moved: Instant::now(),
            trouble: None,
            detail: String::new(),
        }
    }
}

/// Checks every record before the first is encrypted; needs no password.
///
/// # Errors
/// [`CliError::DeviceBadRecords`] with everything that is wrong with any of them.
pub(crate) fn check_records(vault: &mut dyn Vault, records: &[Named]) -> Result<(), CliError> {
    let mut bad = Vec::new();
    for named in records {
        let problems = vault.problems(named.record.clone())?;
        if !problems.is_empty() {
            bad.push((named.name.clone(), problems));
        }
    }
    if bad.is_empty() {
        Ok(())
    } else {
        Err(CliError::DeviceBadRecords(bad))
    }
}

impl Run<'_> {
    /// Encrypts and sends records, which were checked, and waits for all answers.
    ///
    /// # Errors
    /// [`CliError`]; what was shown until then is in the report.
    pub(crate) fn records(&mut self, status: &VaultStatus, records: Vec<Named>) -> Result<(), CliError> {
        self.use_keys(status)?;
        let mut waiting = Waiting::new(Pending::none());
        for named in records {
            self.submit(named, &mut waiting)?;
            // Answers to the first records are shown while the last ones are being encrypted.
            while let Some(event) = self.link.next(Duration::ZERO)? {
                self.event(event, &mut waiting)?;
            }
        }
        waiting.moved = Instant::now();
        self.wait(&mut waiting)
    }

    /// Takes up the records of earlier runs that have no result yet.
    ///
    /// # Errors
    /// [`CliError`]; what was shown until then is in the report.
    pub(crate) fn resume(&mut self, status: &VaultStatus) -> Result<(), CliError> {
        let Some(object) = status.keys else {
            let text = match status.open_jobs.len() {
                0 => "there are no keys on this device, so there is nothing to resume".to_owned(),
                open => format!(
                    "{open} without a result were meant for another model than this device has now: \
                     they are kept, and sent again when it has that model"
                ),
            };
            self.face.note(&text);
            return Ok(());
        };
        self.report.keys.fingerprint = Some(object.digest);
        self.report.keys.len_bytes = object.len_bytes;
        self.link.tell(LinkCommand::UseKeys { object })?;
        self.link.tell(LinkCommand::Resume)?;
        let mut waiting = Waiting::new(Pending::none());
        let journal = loop {
            match self.link.next(TICK)? {
                Some(LinkEvent::Resumed { jobs }) => break jobs,
                Some(event) => self.event(event, &mut waiting)?,
                None => {}
            }
        };
        for ResumedJob { job, .. } in &journal {
            if !status.open_jobs.iter().any(|open| open.job == *job) {
                self.link.tell(LinkCommand::Settle { job: *job })?;
            }
        }
        let mut lost = 0;
        for open in &status.open_jobs {
            let there = journal.iter().find(|resumed| resumed.job == open.job);
            let there = there.map(|resumed| resumed.items.as_slice());
            match (self.report.subject, there) {
                (Subject::Record, Some(_)) => {
                    let place = self.report_open(format!("job {:.8}", open.job), 1);
                    waiting.open.insert(open.job, Open::new(place, 1, 0));
                }
                (Subject::Record, None) => {
                    self.vault.done(VaultRequest::Settle { job: open.job })?;
                    lost += 1;
                }
                (Subject::Image, there) => self.resume_scan(open, there, &mut waiting)?,
            }
        }
        if lost > 0 {
            let text = format!("{lost} records were never sent and must be entered again");
            self.face.note(&text);
        }
        if self.report.jobs.is_empty() {
            let one = self.report.subject.one();
            let text = format!("every {one} has its result; there is nothing to resume");
            self.face.note(&text);
            return Ok(());
        }
        self.wait(&mut waiting)
    }

    /// Makes sure that there are keys and that the box gets them.
    pub(super) fn use_keys(&mut self, status: &VaultStatus) -> Result<(), CliError> {
        let object = self.keys(status)?;
        self.link.tell(LinkCommand::UseKeys { object })
    }

    /// Adds a job to the report; its place there.
    pub(super) fn report_open(&mut self, name: String, items: u32) -> usize {
        self.report.jobs.push(JobReport::new(name, items));
        self.report.jobs.len() - 1
    }

    fn keys(&mut self, status: &VaultStatus) -> Result<ObjectHeader, CliError> {
        let object = if let Some(object) = status.keys {
            object
        } else {
            self.face
                .note("this device has no keys for the model yet: making them");
            let (object, time) = make_keys(self.vault, self.face, false)?;
            self.report.keys.made_in = Some(time);
            object
        };
        self.report.keys.fingerprint = Some(object.digest);
        self.report.keys.len_bytes = object.len_bytes;
        Ok(object)
    }

    fn submit(&mut self, named: Named, waiting: &mut Waiting<'_>) -> Result<(), CliError> {
        let Named { name, record } = named;
        let mut reference = None;
        if self.with_reference {
            let record = record.clone();
            let VaultReply::Reference(reading) = self.vault.request(VaultRequest::Reference { record })?
            else {
                return Err(UNEXPECTED);
            };
            reference = Some(reading);
        }
        let began = Instant::now();
        let label = name.clone();
        let reply = self.vault.request(VaultRequest::Encrypt { label, record })?;
        let VaultReply::Encrypted { ticket, item } = reply else {
            return Err(UNEXPECTED);
        };
        let place = self.report_open(name, 1);
        self.report.jobs[place].encrypt_time = began.elapsed();
        self.report.jobs[place].request_bytes = item.len() as u64;
        let open = Open::new(place, 1, 0);
        waiting.open.insert(ticket.job, Open { reference, ..open });
        self.link.tell(LinkCommand::Submit {
            ticket,
            items: vec![item],
            wanted: self.wanted,
        })
    }

    pub(super) fn wait(&mut self, waiting: &mut Waiting<'_>) -> Result<(), CliError> {
        loop {
            self.open_pending(waiting)?;
            if waiting.open.is_empty() {
                break;
            }
            // Answers to the first items are taken while the next ones are being encrypted.
            let patience = if self.feed(waiting)? { Duration::ZERO } else { TICK };
            if let Some(event) = self.link.next(patience)? {
                self.event(event, waiting)?;
            }
            self.show_progress(waiting);
            let still = waiting.moved.elapsed();
            if still >= self.patience {
                self.face.finished();
                let box_name = &self.places.box_name;
                let what = waiting.trouble.take();
                return Err(CliError::Unreachable {
                    what: what.unwrap_or_else(|| format!("{box_name} does not answer")),
                    waited_s: still.as_secs(),
                    kept: self.places.kept(),
                });
            }
        }
        self.face.finished();
        Ok(())
    }

    /// Items with an accepted answer, and items in all.
    fn items(&self, waiting: &Waiting<'_>) -> (u64, u64) {
        let all: u64 = self.report.jobs.iter().map(|job| u64::from(job.items)).sum();
        let left = |open: &Open| u64::from(self.report.jobs[open.place].items.saturating_sub(open.done));
        let left: u64 = waiting.open.values().map(left).sum();
        (all - left, all + waiting.pending.items())
    }

    fn show_progress(&mut self, waiting: &Waiting<'_>) {
        if waiting.open.is_empty() {
            // The last answer is there: the upload before it would be all that is left to name.
            return;
        }
        if waiting.keys_known {
            let (done, of) = self.items(waiting);
            let ends = waiting.open.values().filter_map(|open| open.ends).max();
            let left = ends.map(|ends| Places::left(ends.saturating_duration_since(Instant::now())));
            let detail = match (&waiting.trouble, left) {
                (Some(trouble), _) => trouble.clone(),
                (None, Some(left)) => format!("{}, {left}", waiting.detail),
                (None, None) => waiting.detail.clone(),
            };
            self.face.progress(Activity::Answers, done, of, &detail);
        } else if waiting.upload_began.is_some() {
            let (done, of) = waiting.upload;
            let checks = format!("{} checks them", self.places.box_name);
            let detail = waiting
                .trouble
                .as_deref()
                .unwrap_or(if done == of { &checks } else { "" });
            self.face.progress(Activity::Upload, done, of, detail);
        } else {
            let detail = waiting.trouble.as_deref().unwrap_or_default();
            self.face.progress(Activity::Box, 0, 0, detail);
        }
    }
}
