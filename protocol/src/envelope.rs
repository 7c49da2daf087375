//! The signed envelope around every message between a device and a box.
//!
//! An envelope is bound to its sender, its recipient, a session and a place in it, so that it can neither
//! be replayed nor moved. The carrier (broker or cable) is not trusted.

use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::{
    codec::{self, DecodeError},
    identity::{Identity, PeerBadSignature, PeerName, PublicKey, Purpose, SessionId, Signature},
    message::MAX_PAYLOAD_BYTES,
};

/// Largest encoded envelope: payload, header and signature.
pub const MAX_ENVELOPE_BYTES: usize = MAX_PAYLOAD_BYTES + 256;

/// What is signed together with the payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Protocol version of the payload.
    pub version: u16,
    /// Who signed.
    pub sender: PeerName,
    /// Whom it is for.
    pub recipient: PeerName,
    /// Session it belongs to; [`SessionId::NONE`] before the handshake.
    pub session: SessionId,
    /// Place in the session, strictly increasing per direction, from 1.
    pub sequence: u64,
}

#[derive(Serialize, Deserialize)]
struct Signed {
    header: Header,
    #[serde(with = "codec::bytes")]
    payload: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    #[serde(with = "codec::bytes")]
    signed: Vec<u8>,
    signature: Signature,
}

/// Why an envelope was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// Not an envelope, or too large.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The signature does not belong to the claimed sender.
    #[error(transparent)]
    Signature(#[from] PeerBadSignature),
}

/// An envelope whose shape is right and whose signature has not been checked.
#[derive(Clone, Debug)]
pub struct Unverified {
    signed: Vec<u8>,
    signature: Signature,
    header: Header,
    payload: Vec<u8>,
}

/// An envelope whose signature belongs to the sender it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The signed header.
    pub header: Header,
    /// The encoded message.
    pub payload: Vec<u8>,
}

/// Signs `payload` under `header`.
pub fn seal(header: &Header, payload: &[u8], identity: &Identity) -> Vec<u8> {
    let signed = codec::encode(&Signed {
        header: header.clone(),
        payload: payload.to_vec(),
    });
    let signature = identity.sign(Purpose::Envelope, &signed);
    codec::encode(&Wire { signed, signature })
}

/// Takes an envelope apart without trusting it.
///
/// # Errors
/// [`DecodeError`] when it is too large, malformed or has trailing bytes, inside or outside.
pub fn open(bytes: &[u8]) -> Result<Unverified, DecodeError> {
    let wire: Wire = codec::decode(bytes, MAX_ENVELOPE_BYTES)?;
    let inner: Signed = codec::decode(&wire.signed, MAX_ENVELOPE_BYTES)?;
    codec::at_most(&inner.payload, MAX_PAYLOAD_BYTES)?;
    Ok(Unverified {
        signed: wire.signed,
        signature: wire.signature,
        header: inner.header,
        payload: inner.payload,
    })
}

impl Unverified {
    /// The sender it claims, to look up the key that must have signed.
    pub fn claimed_sender(&self) -> &PeerName {
        &self.header.sender
    }

    /// The protocol version it claims.
    pub fn claimed_version(&self) -> u16 {
        self.header.version
    }

    /// Checks the signature with the key the roster holds for the claimed sender.
    ///
    /// # Errors
    /// [`PeerBadSignature`].
    pub fn verify(self, key: &PublicKey) -> Result<Verified, PeerBadSignature> {
        key.verify(Purpose::Envelope, &self.signed, &self.signature)?;
        Ok(Verified {
            header: self.header,
            payload: self.payload,
        })
    }
}

#[cfg(test)]
mod tests;
