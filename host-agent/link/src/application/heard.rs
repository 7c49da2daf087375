//! What the box says: judged, and carried out or passed on.

use std::time::Duration;

use obscura_local::agent::LinkEvent;
use obscura_protocol::{
    CURRENT_VERSION, MIN_VERSION, envelope,
    identity::JobId,
    message::{BoxMessage, DeviceMessage, KeyState},
    session::{Session, opening_header},
    transfer::MAX_CHUNKS,
};

use super::{
    event::{DropReason, Effect},
    link::{About, ITEM_PATIENCE, KEYS_PATIENCE, Link, Revocation, Way},
};
use crate::domain::{
    job::{Job, Stage},
    upload::{self, Upload},
};

impl Link {
    pub(super) fn frame(
        &mut self,
        now: Duration,
        bytes: &[u8],
        out: &mut Vec<Effect>,
    ) -> Result<(), DropReason> {
        let envelope = envelope::open(bytes).or(Err(DropReason::NotEnvelope))?;
        if *envelope.claimed_sender() != self.own.box_name {
            return Err(DropReason::NotFromBox);
        }
        let envelope = envelope
            .verify(&self.own.box_key)
            .or(Err(DropReason::NotFromBox))?;
        let opening = opening_header(&self.own.box_name, &self.own.device);
        let is_opening = envelope.header == opening;
        if !is_opening {
            let Way::Open { session, .. } = &mut self.way else {
                return Err(DropReason::OutOfSession);
            };
            session
                .admit(&envelope.header)
                .or(Err(DropReason::OutOfSession))?;
        }
        let message = BoxMessage::decode(&envelope.payload).or(Err(DropReason::NotMessage))?;
        if is_opening {
            self.opening(now, message, out)
        } else {
            self.message(now, message, out)
        }
    }

    /// A message outside any session.
    fn opening(
        &mut self,
        now: Duration,
        message: BoxMessage,
        out: &mut Vec<Effect>,
    ) -> Result<(), DropReason> {
        match (message, &self.way) {
            (
                BoxMessage::Welcome {
                    version,
                    nonce,
                    session,
                    limits,
                    models: _,
                },
                Way::Greeting { nonce: ours, .. },
            ) if nonce == *ours && (MIN_VERSION..=CURRENT_VERSION).contains(&version) => {
                let own = self.own.device.clone();
                let session = Box::new(Session::new(own, self.own.box_name.clone(), session, version));
                self.way = Way::Open { session, limits };
                self.unread = 0;
                if let Some(keys) = &mut self.upload {
                    keys.restart();
                }
                self.jobs.restart();
                if self.revocation != Revocation::None {
                    self.revocation = Revocation::Wanted;
                }
                out.push(Effect::Tell(LinkEvent::Session));
                Ok(())
            }
            (BoxMessage::Refused { sequence, code, .. }, Way::Greeting { .. } | Way::Open { .. }) => {
                self.opening_refused(now, sequence, code, out)
            }
            _ => Err(DropReason::Unasked),
        }
    }

    /// A message of the open session.
    fn message(
        &mut self,
        now: Duration,
        message: BoxMessage,
        out: &mut Vec<Effect>,
    ) -> Result<(), DropReason> {
        match message {
            BoxMessage::KeyState { client, state } => {
                let keys = self.keys(|keys| keys.object.client == client)?;
                let object = keys.object;
                if state
                    == (KeyState::Stored {
                        object: object.digest,
                    })
                {
                    keys.stored();
                    out.push(Effect::Tell(LinkEvent::KeysFound));
                } else {
                    keys.stage = upload::Stage::Moving {
                        until: now + KEYS_PATIENCE,
                    };
                    self.send(&DeviceMessage::Offer { object }, About::Keys, out);
                }
            }
            BoxMessage::Want { object, chunks, have } => {
                let keys = self.keys(|keys| keys.object.digest == object)?;
                let indices = keys.want(have, chunks.indices(MAX_CHUNKS));
                keys.stage = upload::Stage::Moving {
                    until: now + KEYS_PATIENCE,
                };
                let (done_bytes, of_bytes) = (keys.there_bytes(), keys.object.len_bytes);
                out.push(Effect::Tell(LinkEvent::Uploading { done_bytes, of_bytes }));
                let need = |index| Effect::Tell(LinkEvent::NeedChunk { object, index });
                out.extend(indices.into_iter().map(need));
            }
            BoxMessage::Stored { object } => {
                let keys = self.keys(|keys| keys.object.digest == object)?;
                let sent_bytes = keys.sent_bytes();
                keys.stored();
                out.push(Effect::Tell(if keys.is_bundle() {
                    LinkEvent::ModelStored { sent_bytes }
                } else {
                    LinkEvent::KeysStored { sent_bytes }
                }));
            }
            BoxMessage::Revoked { objects } => {
                if self.revocation == Revocation::None {
                    return Err(DropReason::Unasked);
                }
                self.revocation = Revocation::None;
                out.push(Effect::Tell(LinkEvent::KeysRevoked { objects }));
            }
            BoxMessage::Refused { sequence, code, job } => {
                // Not a success: the pauses go on growing.
                self.refused(now, sequence, code, job, out);
                return Ok(());
            }
            message => return self.job_message(now, message, out),
        }
        self.pace.reset();
        Ok(())
    }

    fn keys(&mut self, this: impl Fn(&Upload) -> bool) -> Result<&mut Upload, DropReason> {
        self.upload
            .as_mut()
            .filter(|keys| this(keys))
            .ok_or(DropReason::Unasked)
    }

    /// A job of ours the box speaks of: its patience begins anew.
    fn lives(&mut self, now: Duration, job: JobId) -> Result<&mut Job, DropReason> {
        let known = self.jobs.find(job).ok_or(DropReason::Unasked)?;
        known.refresh(now + ITEM_PATIENCE);
        Ok(known)
    }

    /// An item has its answer, or will have none; once only.
    fn ends(&mut self, now: Duration, job: JobId, index: u32) -> Result<(), DropReason> {
        let first = self.lives(now, job)?.answer(index);
        first.then_some(()).ok_or(DropReason::Unasked)
    }

    fn job_message(
        &mut self,
        now: Duration,
        message: BoxMessage,
        out: &mut Vec<Effect>,
    ) -> Result<(), DropReason> {
        match message {
            BoxMessage::Accepted { job } => {
                let known = self.jobs.find(job).ok_or(DropReason::Unasked)?;
                if !matches!(known.stage, Stage::Submitted { .. }) {
                    return Err(DropReason::Unasked);
                }
                known.accepted(now + ITEM_PATIENCE);
                let sent_bytes = self.send_items(job, out);
                out.push(Effect::Tell(LinkEvent::Sent { job, sent_bytes }));
            }
            BoxMessage::Progress { job, index, phase } => {
                self.lives(now, job)?;
                out.push(Effect::Tell(LinkEvent::Progress { job, index, phase }));
            }
            BoxMessage::Outlook { job, ahead, left_s } => {
                self.lives(now, job)?;
                out.push(Effect::Tell(LinkEvent::Outlook { job, ahead, left_s }));
            }
            BoxMessage::Dead { job, index, code } => {
                self.ends(now, job, index)?;
                out.push(Effect::Tell(LinkEvent::ItemDead { job, index, code }));
            }
            BoxMessage::Answer {
                job,
                index,
                bytes,
                receipt,
            } => {
                self.ends(now, job, index)?;
                out.push(Effect::Tell(LinkEvent::Answer {
                    job,
                    index,
                    bytes,
                    receipt,
                }));
            }
            _ => return Err(DropReason::Unasked),
        }
        self.pace.reset();
        Ok(())
    }
}
