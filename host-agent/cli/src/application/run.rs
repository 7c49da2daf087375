//! Sending records and showing what comes back.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use obscura_local::agent::{
    LinkCommand, LinkEvent, Record, VaultFault, VaultReply, VaultRequest, VaultStatus, Wanted,
};
use obscura_protocol::{identity::JobId, transfer::ObjectHeader};

use super::{VaultExt, make_keys, words::Places};
use crate::{
    domain::report::{Fate, RecordReport, RunReport},
    error::CliError,
    ports::{Activity, Face, Link, Vault},
};

/// The face is told at least this often.
const TICK: Duration = Duration::from_secs(1);
const KEPT: &str = "The records are kept: `obscura-agent resume` sends them again";
const UNEXPECTED: CliError = CliError::Unexpected { name: "vault" };

/// A record and what the user calls it.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) record: Record,
}

/// A record under way.
struct Open {
    /// Its place in the report.
    place: usize,
    sent: Option<Instant>,
    /// When the box expects to have answered it.
    ends: Option<Instant>,
}

impl Open {
    fn new(place: usize) -> Self {
        Self {
            place,
            sent: None,
            ends: None,
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
    pub(crate) report: RunReport,
    /// Shows a result as soon as it is there.
    pub(crate) show: &'a mut dyn FnMut(&RecordReport) -> Result<(), CliError>,
}

/// What the run waits for, and since when nothing has moved.
struct Waiting {
    open: HashMap<JobId, Open>,
    keys_known: bool,
    upload_began: Option<Instant>,
    /// Bytes of the keys at the box or on the way, and in all.
    upload: (u64, u64),
    last_answer: Option<Instant>,
    moved: Instant,
    /// What is in the way, if anything.
    trouble: Option<String>,
    detail: String,
}

impl Waiting {
    fn new() -> Self {
        Self {
            open: HashMap::new(),
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
        let object = self.keys(status)?;
        self.link.tell(LinkCommand::UseKeys { object })?;
        let mut waiting = Waiting::new();
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
            self.face
                .note("there are no keys on this device, so there is nothing to resume");
            return Ok(());
        };
        self.report.keys.fingerprint = Some(object.digest);
        self.report.keys.len_bytes = object.len_bytes;
        self.link.tell(LinkCommand::UseKeys { object })?;
        self.link.tell(LinkCommand::Resume)?;
        let mut waiting = Waiting::new();
        let journal = loop {
            match self.link.next(TICK)? {
                Some(LinkEvent::Resumed { jobs }) => break jobs,
                Some(event) => self.event(event, &mut waiting)?,
                None => {}
            }
        };
        for job in &journal {
            let known = status.open_jobs.iter().any(|open| open.job == *job);
            if known {
                let place = self.report.records.len();
                self.report
                    .records
                    .push(RecordReport::new(format!("job {job:.8}")));
                waiting.open.insert(*job, Open::new(place));
            } else {
                self.link.tell(LinkCommand::Settle { job: *job })?;
            }
        }
        let lost: Vec<_> = status
            .open_jobs
            .iter()
            .filter(|open| !journal.contains(&open.job))
            .collect();
        for open in &lost {
            self.vault.done(VaultRequest::Settle { job: open.job })?;
        }
        if !lost.is_empty() {
            let text = format!("{} records were never sent and must be entered again", lost.len());
            self.face.note(&text);
        }
        if waiting.open.is_empty() {
            self.face
                .note("every record has its result; there is nothing to resume");
            return Ok(());
        }
        self.wait(&mut waiting)
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

    fn submit(&mut self, named: Named, waiting: &mut Waiting) -> Result<(), CliError> {
        let Named { name, record } = named;
        let mut report = RecordReport::new(name.clone());
        if self.with_reference {
            let record = record.clone();
            let VaultReply::Reference(reading) = self.vault.request(VaultRequest::Reference { record })?
            else {
                return Err(UNEXPECTED);
            };
            report.reference = Some(reading);
        }
        let began = Instant::now();
        let reply = self
            .vault
            .request(VaultRequest::Encrypt { label: name, record })?;
        let VaultReply::Encrypted { ticket, item } = reply else {
            return Err(UNEXPECTED);
        };
        report.encrypt_time = began.elapsed();
        report.request_bytes = item.len() as u64;
        let place = self.report.records.len();
        self.report.records.push(report);
        waiting.open.insert(ticket.job, Open::new(place));
        self.link.tell(LinkCommand::Submit {
            ticket,
            items: vec![item],
            wanted: self.wanted,
        })
    }

    fn wait(&mut self, waiting: &mut Waiting) -> Result<(), CliError> {
        while !waiting.open.is_empty() {
            if let Some(event) = self.link.next(TICK)? {
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
                    kept: KEPT,
                });
            }
        }
        self.face.finished();
        Ok(())
    }

    fn show_progress(&mut self, waiting: &Waiting) {
        let (of, open) = (self.report.records.len() as u64, waiting.open.len() as u64);
        if open == 0 {
            // The last answer is there: the upload before it would be all that is left to name.
            return;
        }
        if waiting.keys_known {
            let ends = waiting.open.values().filter_map(|open| open.ends).max();
            let left = ends.map(|ends| Places::left(ends.saturating_duration_since(Instant::now())));
            let detail = match (&waiting.trouble, left) {
                (Some(trouble), _) => trouble.clone(),
                (None, Some(left)) => format!("{}, {left}", waiting.detail),
                (None, None) => waiting.detail.clone(),
            };
            self.face.progress(Activity::Answers, of - open, of, &detail);
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

    fn event(&mut self, event: LinkEvent, waiting: &mut Waiting) -> Result<(), CliError> {
        if let Some(text) = self.places.note(&event) {
            self.face.note(&text);
        }
        let (moved, trouble) = (Instant::now(), waiting.trouble.take());
        let before = std::mem::replace(&mut waiting.moved, moved);
        match event {
            LinkEvent::NeedChunk { object, index } => {
                let reply = self.vault.request(VaultRequest::KeyChunk { index })?;
                let VaultReply::KeyChunk(bytes) = reply else {
                    return Err(UNEXPECTED);
                };
                self.link.tell(LinkCommand::Chunk { object, index, bytes })?;
            }
            LinkEvent::Uploading { done_bytes, of_bytes } => {
                waiting.upload_began.get_or_insert(moved);
                waiting.keys_known = false;
                waiting.upload = (done_bytes, of_bytes);
            }
            LinkEvent::KeysStored { sent_bytes } => {
                self.face.finished();
                self.report.keys.upload_bytes = sent_bytes;
                self.report.keys.upload_time =
                    waiting.upload_began.map_or(Duration::ZERO, |began| moved - began);
                waiting.keys_known = true;
            }
            LinkEvent::KeysFound => {
                if waiting.upload_began.is_none() && !self.report.keys.reused {
                    self.report.keys.reused = true;
                    let text = format!("{} has this device's keys from before", self.places.box_name);
                    self.face.note(&text);
                }
                waiting.keys_known = true;
            }
            LinkEvent::Sent { job, sent_bytes } => {
                if let Some(open) = waiting.open.get_mut(&job) {
                    open.sent.get_or_insert(moved);
                    self.report.records[open.place].request_bytes = sent_bytes;
                }
            }
            LinkEvent::Progress { phase, .. } => waiting.detail = self.places.phase(phase),
            LinkEvent::Outlook { job, left_s, .. } => {
                if let Some(open) = waiting.open.get_mut(&job) {
                    open.ends = left_s.map(|seconds| moved + Duration::from_secs(seconds.into()));
                }
            }
            LinkEvent::ItemDead { job, code, .. } => {
                self.settle(job)?;
                let error = CliError::Refused { code };
                self.failed(job, &error, waiting)?;
            }
            LinkEvent::Answer {
                job,
                index,
                bytes,
                receipt,
            } => {
                return self.answer(job, index, bytes, receipt, waiting);
            }
            LinkEvent::JobRefused { job, code } => {
                self.vault.done(VaultRequest::Settle { job })?;
                let error = CliError::Refused { code };
                self.failed(job, &error, waiting)?;
            }
            LinkEvent::Refused { code } => {
                self.face.finished();
                return Err(CliError::Refused { code });
            }
            LinkEvent::Online | LinkEvent::Session | LinkEvent::Resumed { .. } => waiting.moved = before,
            event => {
                // Nothing moves while the box is silent, full, or out of reach.
                waiting.moved = before;
                waiting.trouble = match event {
                    LinkEvent::Offline { cause, .. } => Some(self.places.offline(cause)),
                    LinkEvent::Delayed { code, .. } => Some(code.to_string()),
                    _ => trouble,
                };
            }
        }
        Ok(())
    }

    fn answer(
        &mut self,
        job: JobId,
        item: u32,
        answer: Vec<u8>,
        receipt: Vec<u8>,
        waiting: &mut Waiting,
    ) -> Result<(), CliError> {
        let arrived = Instant::now();
        let Some(open) = waiting.open.get(&job) else {
            return Ok(());
        };
        let began = [open.sent, waiting.last_answer].into_iter().flatten().max();
        waiting.last_answer = Some(arrived);
        let report = &mut self.report.records[open.place];
        report.wait_time = began.map_or(Duration::ZERO, |began| arrived - began);
        report.answer_bytes = answer.len() as u64;
        let request = VaultRequest::Accept {
            job,
            item,
            answer,
            receipt,
        };
        match self.vault.request(request) {
            Ok(VaultReply::Outcome(outcome)) => {
                report.accept_time = arrived.elapsed();
                report.name.clone_from(&outcome.label);
                report.fate = Fate::Shown(outcome);
                self.face.finished();
                (self.show)(report)?;
                waiting.open.remove(&job);
                // Shown first, forgotten after: a crash between the two shows it twice, never not at all.
                self.settle(job)
            }
            Ok(_) => Err(UNEXPECTED),
            Err(
                error @ CliError::Vault {
                    fault: VaultFault::Trust,
                    ..
                },
            ) => {
                self.settle(job)?;
                self.failed(job, &error, waiting)
            }
            Err(error) => Err(error),
        }
    }

    fn settle(&mut self, job: JobId) -> Result<(), CliError> {
        self.vault.done(VaultRequest::Settle { job })?;
        self.link.tell(LinkCommand::Settle { job })
    }

    fn failed(&mut self, job: JobId, error: &CliError, waiting: &mut Waiting) -> Result<(), CliError> {
        let Some(open) = waiting.open.remove(&job) else {
            return Ok(());
        };
        let report = &mut self.report.records[open.place];
        report.fate = Fate::Failed {
            reason: error.chain(),
            exit_code: error.exit_code(),
        };
        self.face.finished();
        (self.show)(report)
    }
}
