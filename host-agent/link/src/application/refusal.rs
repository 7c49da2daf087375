//! What the link does about each refusal.

use std::time::Duration;

use obscura_local::agent::LinkEvent;
use obscura_protocol::{identity::JobId, message::Refusal};

use super::{
    event::{DropReason, Effect},
    link::{About, Link, Way, millis},
};
use crate::domain::upload::{self, Loss};

/// Hellos in a row that the box may say it could not read before that is believed.
const MAX_UNREAD: u32 = 2;

impl Link {
    /// A refusal outside any session.
    pub(super) fn opening_refused(
        &mut self,
        now: Duration,
        sequence: u64,
        code: Refusal,
        out: &mut Vec<Effect>,
    ) -> Result<(), DropReason> {
        match (code, &self.way) {
            (Refusal::UnknownSession, Way::Open { .. }) => self.reopen(now, code, out),
            (Refusal::Busy | Refusal::Internal, Way::Greeting { .. }) => {
                let pause = self.pace.next_pause();
                self.way = Way::Pausing { until: now + pause };
                delayed(code, pause, out);
            }
            (
                Refusal::WrongVersion | Refusal::UnknownDevice | Refusal::BadSignature,
                Way::Greeting { .. },
            ) if sequence == 0 && self.unread < MAX_UNREAD => {
                // The box cannot tell who sent what it could not read: the carrier may have damaged it, and it
                // need not have been this hello.
                self.unread += 1;
                let pause = self.pace.next_pause();
                self.way = Way::Pausing { until: now + pause };
                delayed(code, pause, out);
            }
            (
                Refusal::WrongVersion | Refusal::UnknownDevice | Refusal::BadSignature,
                Way::Greeting { .. },
            ) => {
                self.way = Way::Over;
                out.push(Effect::Tell(LinkEvent::Refused { code }));
            }
            // A late word about a session that is over.
            _ => return Err(DropReason::Unasked),
        }
        Ok(())
    }

    /// A refusal in the open session.
    pub(super) fn refused(
        &mut self,
        now: Duration,
        sequence: u64,
        code: Refusal,
        job: Option<JobId>,
        out: &mut Vec<Effect>,
    ) {
        let sent = self.sent.iter().find(|(known, _)| *known == sequence);
        let about = job.map(About::Job).or_else(|| sent.map(|(_, about)| *about));
        match (code, about) {
            // The box has what was sent twice; a chunk it no longer wants costs nothing.
            (Refusal::Replayed | Refusal::UnexpectedChunk, _) => {}
            (Refusal::UnknownSession, _) => self.reopen(now, code, out),
            // The box says on its own account, to no message, that its disk failed or damaged the keys.
            (Refusal::UnknownKey, _)
            | (Refusal::HashMismatch | Refusal::Internal, Some(About::Keys) | None) => {
                self.offer_again(now, code, out);
            }
            (Refusal::Busy, Some(About::Job(job))) => {
                if let Some(known) = self.jobs.find(job) {
                    delayed(code, known.delay(now), out);
                }
            }
            (Refusal::Busy, _) => {
                if let Some(keys) = &mut self.upload {
                    delayed(code, keys.delay(now), out);
                }
            }
            (Refusal::UnknownJob | Refusal::Internal, Some(About::Job(job))) => {
                let retry = self.jobs.find(job).map(|known| known.retry(now));
                match retry {
                    Some(Some(pause)) => delayed(code, pause, out),
                    Some(None) => self.give_up(job, code, out),
                    // Settled in the meantime.
                    None => {}
                }
            }
            (_, Some(About::Job(job))) => {
                if self.jobs.find(job).is_some() {
                    self.give_up(job, code, out);
                }
            }
            (_, Some(About::Keys) | None) => {
                if let Some(keys) = &mut self.upload {
                    keys.stage = upload::Stage::Refused;
                }
                out.push(Effect::Tell(LinkEvent::Refused { code }));
            }
        }
    }

    /// Opens another session: at once the first time, with growing pauses when it happens again.
    fn reopen(&mut self, now: Duration, code: Refusal, out: &mut Vec<Effect>) {
        if self.pace.attempts() <= 1 {
            self.greet(now, out);
        } else {
            let pause = self.pace.next_pause();
            self.way = Way::Pausing { until: now + pause };
            delayed(code, pause, out);
        }
    }

    /// The box has not got the keys it should have: they are offered again, and every job waits for them.
    fn offer_again(&mut self, now: Duration, code: Refusal, out: &mut Vec<Effect>) {
        self.jobs.restart();
        let Some(keys) = &mut self.upload else { return };
        match keys.lost(now) {
            Loss::Known => {}
            Loss::AskAgain(pause) => delayed(code, pause, out),
            Loss::TooOften => out.push(Effect::Tell(LinkEvent::Refused { code })),
        }
    }
}

fn delayed(code: Refusal, pause: Duration, out: &mut Vec<Effect>) {
    let retry_in_ms = millis(pause);
    out.push(Effect::Tell(LinkEvent::Delayed { code, retry_in_ms }));
}
