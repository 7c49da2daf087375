//! What is known of one device: its current session, those that were welcomed and not yet used, and how much
//! it was refused.

use std::{collections::VecDeque, time::Duration};

use obscura_protocol::{
    envelope::Header,
    identity::{PeerName, SessionId},
    message::Refusal,
    session::Session,
};

use crate::domain::Budget;

/// Welcomed sessions kept until one of them is used; a replayed hello only ever displaces others of its kind.
const MAX_PENDING: usize = 4;

/// Refusals in a row that a device may cause: as many as items of it may be under way when
/// a job or a session ends.
const MAX_REFUSALS: u32 = 256;
/// Time after which it may cause one more.
const REFUSAL_EVERY: Duration = Duration::from_millis(20);

/// A device's sessions.
#[derive(Debug)]
pub(super) struct Peer {
    /// While it is spent, nothing of the device is looked at: checking costs the box more than sending costs
    /// the device.
    pub(super) refusals: Budget,
    current: Option<Session>,
    pending: VecDeque<Session>,
}

impl Default for Peer {
    fn default() -> Self {
        Self {
            refusals: Budget::new(MAX_REFUSALS, REFUSAL_EVERY),
            current: None,
            pending: VecDeque::new(),
        }
    }
}

/// A message was admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admitted {
    /// In the session that was current before.
    Current,
    /// It is the first one of its session, which becomes the current one.
    First,
}

impl Peer {
    /// Adds a session that was just welcomed.
    pub(super) fn welcome(&mut self, own: &PeerName, device: &PeerName, id: SessionId, version: u16) {
        if self.pending.len() == MAX_PENDING {
            self.pending.pop_front();
        }
        let session = Session::new(own.clone(), device.clone(), id, version);
        self.pending.push_back(session);
    }

    /// Judges the place of a verified message.
    pub(super) fn admit(&mut self, header: &Header) -> Result<Admitted, Refusal> {
        if let Some(current) = &mut self.current
            && current.id() == header.session
        {
            return current.admit(header).map(|()| Admitted::Current);
        }
        let at = self
            .pending
            .iter()
            .position(|session| session.id() == header.session);
        let at = at.ok_or(Refusal::UnknownSession)?;
        self.pending[at].admit(header)?;
        self.current = self.pending.remove(at);
        self.pending.clear();
        Ok(Admitted::First)
    }

    /// Version of the current session, 0 without one.
    pub(super) fn version(&self) -> u16 {
        self.current.as_ref().map_or(0, Session::version)
    }

    /// Header of the next message to the device, `None` without a session.
    pub(super) fn next_header(&mut self) -> Option<Header> {
        self.current.as_mut().map(Session::next_header)
    }

    /// Sessions remembered.
    pub(super) fn sessions(&self) -> usize {
        self.pending.len() + usize::from(self.current.is_some())
    }

    /// Ends the current session.
    pub(super) fn close(&mut self) {
        self.current = None;
    }
}
