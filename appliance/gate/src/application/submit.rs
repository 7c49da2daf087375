//! Tickets, items and cancelling.

use std::time::Duration;

use obscura_protocol::{
    identity::{Digest, JobId, PeerName},
    job::{MAX_ITEMS, Signed, StatementError, Ticket},
    message::{BoxMessage, Lane, MAX_ITEM_BYTES, Refusal},
};

use super::{Gate, gate::Reject, jobs::Job, work::QueuedItem};
use crate::ports::{Effect, Note, Stop, StoreChange};

impl Gate {
    pub(super) fn submit(
        &mut self,
        device: &PeerName,
        bytes: &[u8],
        lane: Lane,
        within: Option<Duration>,
    ) -> Result<(), Reject> {
        let key = self.settings.roster.0.get(device).ok_or(Refusal::UnknownDevice)?;
        let ticket = Signed::<Ticket>::verify(bytes, key).map_err(|error| match error {
            StatementError::Signature(_) => Refusal::BadSignature,
            _ => Refusal::Malformed,
        })?;
        let ticket = ticket.statement();
        let (id, hash) = (ticket.job, Digest::of(bytes));
        let reject = |code| Reject::of(code, id);
        if let Some(open) = self.jobs.find(device, id) {
            if open.ticket != hash {
                return Err(reject(Refusal::BadTicket));
            }
            self.send(device, &BoxMessage::Accepted { job: id });
            return Ok(());
        }
        if ticket.site != self.settings.site
            || ticket.device != *device
            || !(1..=MAX_ITEMS).contains(&ticket.items)
        {
            return Err(reject(Refusal::BadTicket));
        }
        let mut models = self.models().iter();
        let model = models.find(|model| model.model_hash == ticket.model_hash);
        let model = model.ok_or_else(|| reject(Refusal::UnknownModel))?;
        let keys = self.keys.stored(device, &ticket.client, &ticket.key_fingerprint);
        let keys = keys.ok_or_else(|| reject(Refusal::UnknownKey))?;
        if keys.header().parameter_hash != model.parameter_hash {
            return Err(reject(Refusal::BadTicket));
        }
        let mut job = Job::new(hash, ticket, model.request_bytes);
        job.lane = lane;
        // A time beyond what the clock can say is no deadline.
        job.until = within.and_then(|within| self.now.checked_add(within));
        self.admit_job(device).map_err(reject)?;
        self.jobs.insert(device, id, job);
        let client = ticket.client;
        self.keys.touch(&client, self.now);
        self.effects.push(Effect::Store(StoreChange::Touch { client }));
        self.note(Note::JobAccepted {
            device: device.clone(),
            job: id,
            items: ticket.items,
        });
        self.send(device, &BoxMessage::Accepted { job: id });
        Ok(())
    }

    /// Makes room for one more job of `device`: an idle one gives way, one with waiting items does not.
    fn admit_job(&mut self, device: &PeerName) -> Result<(), Refusal> {
        let open = self.jobs.of(device);
        if open.len() < self.settings.max_jobs_per_device as usize {
            return Ok(());
        }
        let idle = open.into_iter().find(|job| !self.work.has_job(device, *job));
        self.jobs.remove(device, idle.ok_or(Refusal::Busy)?);
        Ok(())
    }

    pub(super) fn item(
        &mut self,
        device: &PeerName,
        job: JobId,
        index: u32,
        bytes: Vec<u8>,
    ) -> Result<(), Reject> {
        let reject = |code| Reject::of(code, job);
        let input_hash = Digest::of(&bytes);
        let kept = self.jobs.answer(device, job, index);
        if let Some((of, answer)) = kept
            && of == input_hash
        {
            let answer = BoxMessage::Answer {
                job,
                index,
                bytes: answer.bytes.clone(),
                receipt: answer.receipt.clone(),
            };
            self.send(device, &answer);
            return Ok(());
        }
        if let Some(code) = self.jobs.dead(device, (job, index, input_hash)) {
            self.tell_dead(device, job, index, code);
            return Ok(());
        }
        let open = self.jobs.find(device, job).filter(|open| index < open.items);
        let open = open.ok_or_else(|| reject(Refusal::UnknownJob))?;
        if bytes.len() > MAX_ITEM_BYTES {
            return Err(reject(Refusal::TooLarge));
        }
        if bytes.len() != open.request_bytes as usize {
            return Err(reject(Refusal::BadCiphertext));
        }
        if kept.is_some() {
            // One item has one input: a second one is no re-send.
            return Err(reject(Refusal::BadTicket));
        }
        let item = QueuedItem::new(job, index, open.lane, input_hash, bytes);
        match self.work.input_of(device, job, index) {
            Some(queued) if queued != input_hash => return Err(reject(Refusal::BadTicket)),
            Some(_) => self.work.claim(device, job, index),
            None => self
                .work
                .push(device, item)
                .map_err(|_full| reject(Refusal::Busy))?,
        }
        if let Some(phase) = self.work.phase(device, job, index) {
            self.send(device, &BoxMessage::Progress { job, index, phase });
        }
        Ok(())
    }

    pub(super) fn cancel(&mut self, device: &PeerName, job: JobId) -> Result<(), Reject> {
        let removed = self.jobs.remove(device, job);
        removed.ok_or_else(|| Reject::of(Refusal::UnknownJob, job))?;
        self.withdraw(device, job, Stop::Withdrawn);
        Ok(())
    }
}
