//! What the link says, and what follows from it.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use obscura_local::agent::{LinkCommand, LinkEvent, ScanOutcome, VaultFault, VaultReply, VaultRequest};
use obscura_protocol::identity::JobId;

use super::{
    VaultExt,
    run::{Run, UNEXPECTED, Waiting},
};
use crate::{
    domain::report::{Fate, Shown},
    error::CliError,
};

impl Run<'_> {
    pub(super) fn event(&mut self, event: LinkEvent, waiting: &mut Waiting<'_>) -> Result<(), CliError> {
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
                    let report = &mut self.report.jobs[open.place];
                    report.request_bytes = report.request_bytes.max(sent_bytes);
                }
            }
            LinkEvent::Progress { phase, .. } => waiting.detail = self.places.phase(phase),
            LinkEvent::Outlook { job, left_s, .. } => {
                if let Some(open) = waiting.open.get_mut(&job) {
                    open.ends = left_s.map(|seconds| moved + Duration::from_secs(seconds.into()));
                }
            }
            LinkEvent::ItemDead { job, code, .. } | LinkEvent::JobRefused { job, code } => {
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
        waiting: &mut Waiting<'_>,
    ) -> Result<(), CliError> {
        let arrived = Instant::now();
        let Some(open) = waiting.open.get_mut(&job) else {
            return Ok(());
        };
        let began = [open.sent, waiting.last_answer].into_iter().flatten().max();
        waiting.last_answer = Some(arrived);
        let report = &mut self.report.jobs[open.place];
        report.wait_time += began.map_or(Duration::ZERO, |began| arrived - began);
        report.answer_bytes += answer.len() as u64;
        let request = VaultRequest::Accept {
            job,
            item,
            answer,
            receipt,
        };
        let reply = self.vault.request(request);
        report.accept_time += arrived.elapsed();
        match reply {
            Ok(VaultReply::Outcome(outcome)) => {
                let reference = open.reference;
                report.name.clone_from(&outcome.label);
                self.shown(job, Shown::Record(outcome, reference), waiting)
            }
            Ok(VaultReply::ScanOutcome(outcome)) => self.scan_shown(job, outcome, waiting),
            Ok(VaultReply::ItemAccepted { done, .. }) => {
                open.done = done;
                open.under_way = open.under_way.saturating_sub(1);
                self.link.tell(LinkCommand::SettleItem { job, index: item })
            }
            Ok(_) => Err(UNEXPECTED),
            Err(error) => self.job_failed(job, error, waiting),
        }
    }

    /// Shows the result of an image.
    pub(super) fn scan_shown(
        &mut self,
        job: JobId,
        outcome: Box<ScanOutcome>,
        waiting: &mut Waiting<'_>,
    ) -> Result<(), CliError> {
        let mut comparison = None;
        if self.with_reference {
            match self.vault.request(VaultRequest::Compare { job }) {
                Ok(VaultReply::Comparison(compared)) => comparison = Some(Box::new(compared)),
                Ok(_) => return Err(UNEXPECTED),
                Err(error) if error.is_lost_job() => self.face.note(&format!(
                    "the result of job {job:.8} cannot be compared: {}",
                    error.chain()
                )),
                Err(error) => return Err(error),
            }
        }
        let picture = self.picture(job, &outcome)?;
        if let Some(open) = waiting.open.get(&job) {
            let report = &mut self.report.jobs[open.place];
            report.name.clone_from(&outcome.label);
            report.picture = picture;
        }
        self.shown(job, Shown::Scan(outcome, comparison), waiting)
    }

    /// Keeps the picture of a result, where that is wanted. The result counts, also when its picture cannot be kept.
    fn picture(&mut self, job: JobId, outcome: &ScanOutcome) -> Result<Option<PathBuf>, CliError> {
        if self.pictures.is_none() {
            return Ok(None);
        }
        let kept = match self.vault.request(VaultRequest::Pixels { job }) {
            Ok(VaultReply::Pixels(pixels)) => self.pictures.as_mut().map(|kept| kept.keep(pixels, outcome)),
            Ok(_) => return Err(UNEXPECTED),
            Err(error) if error.is_lost_job() => Some(Err(error)),
            Err(error) => return Err(error),
        };
        Ok(kept.and_then(|kept| {
            let failed = |error: &CliError| {
                let text = format!("no picture of {}: {}", outcome.label, error.chain());
                self.face.note(&text);
            };
            kept.inspect_err(failed).ok()
        }))
    }

    fn shown(&mut self, job: JobId, shown: Shown, waiting: &mut Waiting<'_>) -> Result<(), CliError> {
        let Some(open) = waiting.open.remove(&job) else {
            return Ok(());
        };
        let report = &mut self.report.jobs[open.place];
        report.fate = Fate::Shown(shown);
        self.face.finished();
        (self.show)(report)?;
        // Shown first, forgotten after: a crash between the two shows it twice, never not at all.
        self.settle(job)
    }

    /// Gives up the job the vault will not go on with; another failure ends the run.
    pub(super) fn job_failed(
        &mut self,
        job: JobId,
        error: CliError,
        waiting: &mut Waiting<'_>,
    ) -> Result<(), CliError> {
        let CliError::Vault { fault, .. } = &error else {
            return Err(error);
        };
        if !matches!(fault, VaultFault::Trust | VaultFault::JobLost) {
            return Err(error);
        }
        self.settle(job)?;
        self.failed(job, &error, waiting)
    }

    fn settle(&mut self, job: JobId) -> Result<(), CliError> {
        self.vault.done(VaultRequest::Settle { job })?;
        self.link.tell(LinkCommand::Settle { job })
    }

    fn failed(&mut self, job: JobId, error: &CliError, waiting: &mut Waiting<'_>) -> Result<(), CliError> {
        let Some(open) = waiting.open.remove(&job) else {
            return Ok(());
        };
        let report = &mut self.report.jobs[open.place];
        report.fate = Fate::Failed {
            reason: error.chain(),
            exit_code: error.exit_code(),
        };
        self.face.finished();
        (self.show)(report)
    }
}
