//! Evaluation keys on their way in, piece by piece.

use obscura_local::appliance::KeyFault;
use obscura_protocol::identity::Digest;

/// An object that is being sent.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) fingerprint: Digest,
    pub(super) parameter_hash: Digest,
    len_bytes: usize,
    bytes: Vec<u8>,
    fault: Option<KeyFault>,
}

impl Incoming {
    /// Expects exactly `len_bytes`; with a `fault` the pieces are dropped and the fault is reported.
    pub(super) fn new(
        fingerprint: Digest,
        parameter_hash: Digest,
        len_bytes: usize,
        fault: Option<KeyFault>,
    ) -> Self {
        let reserve = if fault.is_none() { len_bytes } else { 0 };
        Self {
            fingerprint,
            parameter_hash,
            len_bytes,
            bytes: Vec::with_capacity(reserve),
            fault,
        }
    }

    /// Appends a piece; more than announced is a fault, not memory.
    pub(super) fn piece(&mut self, piece: &[u8]) {
        if self.fault.is_some() {
            return;
        }
        if self.bytes.len() + piece.len() > self.len_bytes {
            self.fault = Some(KeyFault::HashMismatch);
            self.bytes = Vec::new();
            return;
        }
        self.bytes.extend_from_slice(piece);
    }

    /// The whole object, once its length and hash are the ones announced.
    pub(super) fn finish(&self) -> Result<&[u8], KeyFault> {
        match self.fault {
            Some(fault) => Err(fault),
            None if self.bytes.len() != self.len_bytes || Digest::of(&self.bytes) != self.fingerprint => {
                Err(KeyFault::HashMismatch)
            }
            None => Ok(&self.bytes),
        }
    }
}
