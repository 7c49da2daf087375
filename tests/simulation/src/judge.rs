//! What is said of answers and refusals, judged by what was encrypted, whatever anybody else believes.

use obscura_protocol::{identity::JobId, message::Refusal};

use crate::{gate::of_job, invariant::Invariant, keys::reference, world::World};

impl World {
    /// Nothing is given up for good but for a reason that faults explain, and after this many attempts.
    pub(crate) fn judge_refusal(&mut self, device: usize, explained: bool, attempts: u32) {
        let process = self.devices[device].process.as_ref();
        if !explained || process.is_some_and(|process| process.delays < attempts) {
            self.broke(Invariant::NoWrongRefusal);
        }
    }

    /// The link tells the right answer of an item, once.
    pub(crate) fn judge_answer(&mut self, device: usize, job: JobId, index: u32, bytes: &[u8]) {
        self.note(
            device + 1,
            "is told an answer",
            "",
            of_job(job) ^ u64::from(index),
        );
        let keys = self.devices[device].keys.header.digest;
        let truth = self.jobs.get(&job).filter(|truth| truth.device == device);
        let item = truth.and_then(|truth| truth.items.get(index as usize));
        let wrong = item.is_none_or(|item| reference(&keys, item) != bytes);
        if wrong && !self.unkept_items.contains(&job) {
            self.broke(Invariant::RightAnswer);
        }
        if let Some(process) = &mut self.devices[device].process
            && !process.told.insert((job, index))
        {
            self.broke(Invariant::ToldOnce);
        }
    }

    /// An item is accepted once, with the right answer.
    pub(crate) fn judge_accepted(&mut self, device: usize, job: JobId, index: u32, answer: &[u8]) {
        let keys = self.devices[device].keys.header.digest;
        let (mut right, mut once) = (false, false);
        if let Some(truth) = self.jobs.get_mut(&job) {
            let item = truth.items.get(index as usize);
            right = truth.device == device && item.is_some_and(|item| reference(&keys, item) == answer);
            truth.accepted[index as usize] += 1;
            once = truth.accepted[index as usize] == 1;
        }
        if !right {
            self.broke(Invariant::RightAnswer);
        }
        if !once {
            self.broke(Invariant::AcceptedOnce);
        }
    }
}

/// Its name in the trace.
pub(crate) fn refusal(code: Refusal) -> &'static str {
    match code {
        Refusal::Malformed => "Malformed",
        Refusal::TooLarge => "TooLarge",
        Refusal::WrongVersion => "WrongVersion",
        Refusal::BadSignature => "BadSignature",
        Refusal::UnknownDevice => "UnknownDevice",
        Refusal::UnknownSession => "UnknownSession",
        Refusal::Replayed => "Replayed",
        Refusal::UnknownModel => "UnknownModel",
        Refusal::UnknownKey => "UnknownKey",
        Refusal::NonConforming => "NonConforming",
        Refusal::UnexpectedChunk => "UnexpectedChunk",
        Refusal::HashMismatch => "HashMismatch",
        Refusal::BadTicket => "BadTicket",
        Refusal::UnknownJob => "UnknownJob",
        Refusal::BadCiphertext => "BadCiphertext",
        Refusal::Busy => "Busy",
        Refusal::Internal => "Internal",
        Refusal::Overdue => "Overdue",
        _ => "?",
    }
}
