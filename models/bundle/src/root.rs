//! The root document: whose signatures make a bundle, and how many of them.
//!
//! Its fingerprint reaches boxes and devices when a site is made; the document itself may travel any way.

use ed25519_dalek::VerifyingKey;
use obscura_protocol::{
    codec::{self, DecodeError},
    identity::{Digest, PublicKey},
};
use serde::{Deserialize, Serialize};

/// Largest root document, bytes.
pub const MAX_ROOT_BYTES: usize = 1024;
/// Most keys of one root.
pub const MAX_ROOT_KEYS: usize = 16;

const MAGIC: &[u8; 8] = b"OBSCROOT";

/// Why bytes are not a root document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RootError {
    /// The bytes begin differently.
    #[error("not a root document")]
    PeerNotRoot,
    /// The bytes do not decode.
    #[error("root document does not decode")]
    PeerDecode(#[from] DecodeError),
    /// There are no keys, or too many.
    #[error("root document has {got} keys, 1 to {MAX_ROOT_KEYS} are allowed")]
    PeerKeyCount {
        /// Keys found.
        got: usize,
    },
    /// A key is listed twice.
    #[error("root document lists key {key:.16} twice")]
    PeerDuplicateKey {
        /// The key.
        key: PublicKey,
    },
    /// A key is no Ed25519 key, or one under which anybody could sign.
    #[error("root document lists the unusable key {key:.16}")]
    PeerBadKey {
        /// The key.
        key: PublicKey,
    },
    /// The threshold cannot be met, or asks for nothing.
    #[error("root document asks for {threshold} of {keys} signatures")]
    PeerThreshold {
        /// Signatures asked for.
        threshold: u8,
        /// Keys listed.
        keys: usize,
    },
}

/// Whose signatures make a bundle.
///
/// Invariant: 1 to [`MAX_ROOT_KEYS`] different usable keys, and a threshold from 1 to their number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    version: u32,
    threshold: u8,
    #[serde(deserialize_with = "obscura_protocol::codec::bounded::<_, _, MAX_ROOT_KEYS>")]
    keys: Vec<PublicKey>,
}

impl Root {
    /// A root of `keys`, of which `threshold` must sign; `version` counts up when keys change.
    ///
    /// # Errors
    /// [`RootError`].
    pub fn new(version: u32, threshold: u8, keys: Vec<PublicKey>) -> Result<Self, RootError> {
        let root = Self {
            version,
            threshold,
            keys,
        };
        root.check()?;
        Ok(root)
    }

    /// Reads a root document.
    ///
    /// # Errors
    /// [`RootError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RootError> {
        let body = bytes.strip_prefix(MAGIC).ok_or(RootError::PeerNotRoot)?;
        let root: Self = codec::decode(body, MAX_ROOT_BYTES - MAGIC.len())?;
        root.check()?;
        Ok(root)
    }

    /// The document: magic, then postcard.
    pub fn to_bytes(&self) -> Vec<u8> {
        [MAGIC.as_slice(), &codec::encode(self)].concat()
    }

    /// SHA-256 of the document, by which people compare roots.
    pub fn fingerprint(&self) -> Digest {
        Digest::of(&self.to_bytes())
    }

    /// Counts up when keys change, from 1.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Signatures of different keys that a bundle needs.
    pub fn threshold(&self) -> u8 {
        self.threshold
    }

    /// The keys.
    pub fn keys(&self) -> &[PublicKey] {
        &self.keys
    }

    fn check(&self) -> Result<(), RootError> {
        if !(1..=MAX_ROOT_KEYS).contains(&self.keys.len()) {
            return Err(RootError::PeerKeyCount { got: self.keys.len() });
        }
        for (at, &key) in self.keys.iter().enumerate() {
            if self.keys[..at].contains(&key) {
                return Err(RootError::PeerDuplicateKey { key });
            }
            if VerifyingKey::from_bytes(&key.0).map_or(true, |point| point.is_weak()) {
                return Err(RootError::PeerBadKey { key });
            }
        }
        if self.threshold == 0 || usize::from(self.threshold) > self.keys.len() {
            return Err(RootError::PeerThreshold {
                threshold: self.threshold,
                keys: self.keys.len(),
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use obscura_protocol::identity::Identity;
    use zeroize::Zeroizing;

    fn key(seed: u8) -> PublicKey {
        Identity::from_seed(&Zeroizing::new([seed; 32])).public()
    }

    #[test]
    fn reads_what_it_wrote() {
        let root = Root::new(1, 2, vec![key(1), key(2), key(3)]).unwrap();
        let bytes = root.to_bytes();
        assert_eq!(Root::from_bytes(&bytes).unwrap(), root);
        assert_eq!(root.fingerprint(), Digest::of(&bytes));
    }

    #[test]
    fn refuses_roots_nobody_or_anybody_could_sign_for() {
        let threshold = |threshold| RootError::PeerThreshold { threshold, keys: 1 };
        assert_eq!(Root::new(1, 0, vec![key(1)]), Err(threshold(0)));
        assert_eq!(Root::new(1, 2, vec![key(1)]), Err(threshold(2)));
        assert_eq!(Root::new(1, 1, vec![]), Err(RootError::PeerKeyCount { got: 0 }));
        let twice = Root::new(1, 2, vec![key(1), key(1)]);
        assert_eq!(twice, Err(RootError::PeerDuplicateKey { key: key(1) }));
        // The neutral point: every message has a valid signature under it without strict checks.
        let mut neutral = [0; 32];
        neutral[0] = 1;
        let weak = PublicKey(neutral);
        assert_eq!(
            Root::new(1, 1, vec![weak]),
            Err(RootError::PeerBadKey { key: weak })
        );
    }

    #[test]
    fn refuses_truncated_extended_and_foreign_bytes() {
        let bytes = Root::new(1, 1, vec![key(1)]).unwrap().to_bytes();
        for len in 0..bytes.len() {
            assert!(Root::from_bytes(&bytes[..len]).is_err(), "{len} bytes");
        }
        assert!(Root::from_bytes(&[&bytes[..], &[0]].concat()).is_err());
        assert_eq!(Root::from_bytes(b"OBSCURAB"), Err(RootError::PeerNotRoot));
        let many: Vec<PublicKey> = (1..=17).map(key).collect();
        assert_eq!(Root::new(1, 1, many), Err(RootError::PeerKeyCount { got: 17 }));
    }
}
