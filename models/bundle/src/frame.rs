//! The outer frame of a bundle file: magic, version, then postcard of manifest, signatures and files.
//!
//! Trusts nothing: it only says which bytes are which.

use obscura_protocol::identity::{Digest, Signature};
use serde::{Deserialize, Serialize};

use crate::manifest::MAX_FILES;

pub(crate) const MAGIC: &[u8; 8] = b"OBSCURAB";
pub(crate) const VERSION: u8 = 2;
pub(crate) const PREFIX_BYTES: usize = MAGIC.len() + 1;
/// Most signatures of one bundle or root; room for a change of root.
pub(crate) const MAX_SIGNATURES: usize = 32;

/// One detached signature over the bytes of a manifest or of a root document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeySignature {
    /// Fingerprint of the key.
    pub(crate) key: Digest,
    pub(crate) signature: Signature,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Frame<'a> {
    #[serde(borrow)]
    pub(crate) manifest: Bytes<'a>,
    #[serde(deserialize_with = "obscura_protocol::codec::bounded::<_, _, MAX_SIGNATURES>")]
    pub(crate) signatures: Vec<KeySignature>,
    #[serde(
        borrow,
        deserialize_with = "obscura_protocol::codec::bounded::<_, _, MAX_FILES>"
    )]
    pub(crate) files: Vec<Bytes<'a>>,
}

/// A byte string that is not copied.
#[derive(Clone, Copy)]
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Bytes<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&[u8]>::deserialize(deserializer).map(Self)
    }
}
