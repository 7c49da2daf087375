//! Sessions: the handshake and the order of messages in both directions, without I/O.

use crate::{
    CURRENT_VERSION, MIN_VERSION,
    envelope::Header,
    identity::{PeerName, SessionId},
    message::Refusal,
};

/// One direction pair of an open session, at either end.
#[derive(Clone, Debug)]
pub struct Session {
    own: PeerName,
    peer: PeerName,
    id: SessionId,
    version: u16,
    sent: u64,
    received: u64,
}

impl Session {
    /// A session both ends agreed on.
    pub fn new(own: PeerName, peer: PeerName, id: SessionId, version: u16) -> Self {
        Self {
            own,
            peer,
            id,
            version,
            sent: 0,
            received: 0,
        }
    }

    /// The session's id.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// The version both ends agreed on.
    pub fn version(&self) -> u16 {
        self.version
    }

    /// Header of the next message to send.
    pub fn next_header(&mut self) -> Header {
        self.sent += 1;
        Header {
            version: self.version,
            sender: self.own.clone(),
            recipient: self.peer.clone(),
            session: self.id,
            sequence: self.sent,
        }
    }

    /// Admits the header of a verified envelope, or says why not.
    ///
    /// # Errors
    /// [`Refusal::UnknownDevice`], [`Refusal::WrongVersion`], [`Refusal::UnknownSession`] or
    /// [`Refusal::Replayed`]; the session is unchanged then.
    pub fn admit(&mut self, header: &Header) -> Result<(), Refusal> {
        if header.sender != self.peer || header.recipient != self.own {
            return Err(Refusal::UnknownDevice);
        }
        if header.session != self.id {
            return Err(Refusal::UnknownSession);
        }
        if header.version != self.version {
            return Err(Refusal::WrongVersion);
        }
        if header.sequence <= self.received {
            return Err(Refusal::Replayed);
        }
        self.received = header.sequence;
        Ok(())
    }
}

/// The highest version both ends speak.
///
/// # Errors
/// [`Refusal::WrongVersion`] when the ranges do not meet.
pub fn negotiate(peer_min: u16, peer_max: u16) -> Result<u16, Refusal> {
    let version = CURRENT_VERSION.min(peer_max);
    if peer_min > peer_max || version < MIN_VERSION.max(peer_min) {
        return Err(Refusal::WrongVersion);
    }
    Ok(version)
}

/// Header of a message outside any session.
pub fn opening_header(own: &PeerName, peer: &PeerName) -> Header {
    Header {
        version: MIN_VERSION,
        sender: own.clone(),
        recipient: peer.clone(),
        session: SessionId::NONE,
        sequence: 1,
    }
}

#[cfg(test)]
mod tests;
