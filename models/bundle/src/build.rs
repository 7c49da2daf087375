//! Making bundles, for the model owner.

use std::collections::BTreeMap;

use obscura_protocol::{
    codec,
    identity::{Digest, Identity, Purpose},
};

use crate::{
    bundle::{Bundle, BundleError, MAX_BUNDLE_BYTES, Unverified},
    frame::{Bytes, Frame, KeySignature, MAGIC, VERSION},
    manifest::{FileEntry, MAX_MANIFEST_BYTES, Manifest, Meta, Target},
};

/// A payload with its manifest, not yet signed.
#[derive(Clone, Debug)]
pub struct Unsigned {
    manifest: Vec<u8>,
    files: BTreeMap<String, Vec<u8>>,
}

impl Bundle<Unverified> {
    /// Lists `files` in a manifest of a model for every box. The same input gives the same bytes.
    ///
    /// # Errors
    /// [`BundleError`] when a name, a text or a size is not allowed.
    pub fn build(meta: &Meta, files: BTreeMap<String, Vec<u8>>) -> Result<Unsigned, BundleError> {
        Self::build_for(&Target::default(), meta, files)
    }

    /// As [`Bundle::build`], for the boxes of `target`.
    ///
    /// # Errors
    /// [`BundleError`] when a name, a text or a size is not allowed.
    pub fn build_for(
        target: &Target,
        meta: &Meta,
        files: BTreeMap<String, Vec<u8>>,
    ) -> Result<Unsigned, BundleError> {
        let total: usize = files.values().map(Vec::len).sum();
        if total > MAX_BUNDLE_BYTES - 2 * MAX_MANIFEST_BYTES {
            return Err(BundleError::PeerTooLarge {
                got_bytes: total,
                max_bytes: MAX_BUNDLE_BYTES - 2 * MAX_MANIFEST_BYTES,
            });
        }
        let entries = files.iter().map(|(name, bytes)| FileEntry {
            name: name.clone(),
            len_bytes: bytes.len() as u64,
            digest: Digest::of(bytes),
        });
        let manifest = Manifest::new(meta, target, entries.collect())?;
        Ok(Unsigned {
            manifest: codec::encode(&manifest),
            files,
        })
    }
}

impl Unsigned {
    /// The bytes to sign.
    pub fn manifest_bytes(&self) -> &[u8] {
        &self.manifest
    }

    /// SHA-256 of those bytes.
    pub fn model_hash(&self) -> Digest {
        Digest::of(&self.manifest)
    }

    /// Signs with every key and gives the bundle file.
    pub fn sign(&self, keys: &[Identity]) -> Vec<u8> {
        let signatures = keys.iter().map(|identity| KeySignature {
            key: identity.public().fingerprint(),
            signature: identity.sign(Purpose::Manifest, &self.manifest),
        });
        self.encode(signatures.collect())
    }

    fn encode(&self, signatures: Vec<KeySignature>) -> Vec<u8> {
        let body = codec::encode(&Frame {
            manifest: Bytes(&self.manifest),
            signatures,
            files: self.files.values().map(|bytes| Bytes(bytes)).collect(),
        });
        [MAGIC.as_slice(), &[VERSION], &body].concat()
    }
}
