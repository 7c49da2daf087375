//! The root document: whose signatures make a bundle, how many of them, and how far each may count.
//!
//! Anybody can make or read one. What verifies bundles is a [`crate::TrustedRoot`]: a document that was pinned
//! by its fingerprint when a site was made, or that follows such a one.

use ed25519_dalek::VerifyingKey;
use obscura_protocol::{
    codec::{self, DecodeError},
    identity::{Digest, PublicKey},
};
use serde::{Deserialize, Serialize};

/// Largest root document, bytes.
pub const MAX_ROOT_BYTES: usize = 4096;
/// Most keys of one root.
pub const MAX_ROOT_KEYS: usize = 16;
/// Most revoked keys of one root. They are never forgotten, so after that many a site needs a new first root.
pub const MAX_REVOKED_KEYS: usize = 64;
/// Highest security counter a key may sign unless somebody decides otherwise: far above what models of today
/// need, far below the end of the counter, so that a stolen key cannot use it up.
pub const DEFAULT_MAX_COUNTER: u32 = 1000;

const MAGIC: &[u8; 8] = b"OBSCROOT";
const FORMAT: u8 = 2;

/// Why bytes are not a root document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RootError {
    /// The bytes begin differently.
    #[error("not a root document")]
    PeerNotRoot,
    /// The document is of another format.
    #[error("root document has format {got}, this program reads format {FORMAT}")]
    PeerFormat {
        /// Format found.
        got: u8,
    },
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
    /// A key is listed although it is revoked.
    #[error("root document lists the revoked key {key:.16}")]
    PeerRevokedKey {
        /// The key.
        key: PublicKey,
    },
    /// Too many keys are revoked, or one twice.
    #[error(
        "root document revokes {got} keys, at most {MAX_REVOKED_KEYS} different ones in ascending order are allowed"
    )]
    PeerRevoked {
        /// Keys found.
        got: usize,
    },
    /// The document is not the pinned one.
    #[error("root document has fingerprint {got}, pinned is {pinned}")]
    PeerPinned {
        /// Its fingerprint.
        got: Digest,
        /// The fingerprint pinned.
        pinned: Digest,
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

/// A key of a root and how far its signature counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootKey {
    /// The key.
    pub key: PublicKey,
    /// Highest security counter of a manifest under which its signature counts. A stolen key cannot push the
    /// rollback floor of a box beyond it.
    pub max_counter: u32,
}

impl From<PublicKey> for RootKey {
    fn from(key: PublicKey) -> Self {
        Self {
            key,
            max_counter: DEFAULT_MAX_COUNTER,
        }
    }
}

/// Whose signatures make a bundle.
///
/// Invariant: 1 to [`MAX_ROOT_KEYS`] different usable keys, none of them revoked, a threshold from 1 to their
/// number, and at most [`MAX_REVOKED_KEYS`] different revoked fingerprints in ascending order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    version: u32,
    threshold: u8,
    #[serde(deserialize_with = "obscura_protocol::codec::bounded::<_, _, MAX_ROOT_KEYS>")]
    keys: Vec<RootKey>,
    #[serde(deserialize_with = "obscura_protocol::codec::bounded::<_, _, MAX_REVOKED_KEYS>")]
    revoked: Vec<Digest>,
}

impl Root {
    /// A root of `keys`, of which `threshold` must sign, each up to [`DEFAULT_MAX_COUNTER`] where nothing else is
    /// said; `version` counts up by one whenever a root follows another.
    ///
    /// # Errors
    /// [`RootError`].
    pub fn new<K: Into<RootKey>>(version: u32, threshold: u8, keys: Vec<K>) -> Result<Self, RootError> {
        Self::with_revoked(version, threshold, keys, Vec::new())
    }

    /// As [`Root::new`], with the fingerprints of `revoked` keys.
    ///
    /// # Errors
    /// [`RootError`].
    pub fn with_revoked<K: Into<RootKey>>(
        version: u32,
        threshold: u8,
        keys: Vec<K>,
        mut revoked: Vec<Digest>,
    ) -> Result<Self, RootError> {
        revoked.sort_unstable();
        revoked.dedup();
        let root = Self {
            version,
            threshold,
            keys: keys.into_iter().map(Into::into).collect(),
            revoked,
        };
        root.check()?;
        Ok(root)
    }

    /// Reads a root document; says nothing about whether to believe it.
    ///
    /// # Errors
    /// [`RootError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RootError> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(RootError::PeerNotRoot)?;
        let (&format, body) = rest.split_first().ok_or(RootError::PeerNotRoot)?;
        if format != FORMAT {
            return Err(RootError::PeerFormat { got: format });
        }
        let root: Self = codec::decode(body, MAX_ROOT_BYTES - MAGIC.len() - 1)?;
        root.check()?;
        Ok(root)
    }

    /// The document: magic, format, then postcard.
    pub fn to_bytes(&self) -> Vec<u8> {
        [MAGIC.as_slice(), &[FORMAT], &codec::encode(self)].concat()
    }

    /// SHA-256 of the document, by which people compare roots.
    pub fn fingerprint(&self) -> Digest {
        Digest::of(&self.to_bytes())
    }

    /// Counts up when keys change, from 1.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Signatures of different keys that a bundle, or the next root, needs.
    pub fn threshold(&self) -> u8 {
        self.threshold
    }

    /// The keys and how far each counts.
    pub fn keys(&self) -> &[RootKey] {
        &self.keys
    }

    /// Fingerprints of keys that no later root may list.
    pub fn revoked(&self) -> &[Digest] {
        &self.revoked
    }

    /// Whether a key of this fingerprint is revoked.
    pub fn revokes(&self, fingerprint: &Digest) -> bool {
        self.revoked.contains(fingerprint)
    }

    /// The key of this fingerprint.
    pub fn find(&self, fingerprint: &Digest) -> Option<&RootKey> {
        self.keys
            .iter()
            .find(|listed| listed.key.fingerprint() == *fingerprint)
    }

    fn check(&self) -> Result<(), RootError> {
        if !(1..=MAX_ROOT_KEYS).contains(&self.keys.len()) {
            return Err(RootError::PeerKeyCount { got: self.keys.len() });
        }
        for (at, &RootKey { key, .. }) in self.keys.iter().enumerate() {
            if self.keys[..at].iter().any(|other| other.key == key) {
                return Err(RootError::PeerDuplicateKey { key });
            }
            if self.revokes(&key.fingerprint()) {
                return Err(RootError::PeerRevokedKey { key });
            }
            if VerifyingKey::from_bytes(&key.0).map_or(true, |point| point.is_weak()) {
                return Err(RootError::PeerBadKey { key });
            }
        }
        if self.revoked.len() > MAX_REVOKED_KEYS || !self.revoked.is_sorted_by(|a, b| a < b) {
            return Err(RootError::PeerRevoked {
                got: self.revoked.len(),
            });
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
        assert_eq!(
            Root::new(1, 1, Vec::<RootKey>::new()),
            Err(RootError::PeerKeyCount { got: 0 })
        );
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
    fn keeps_limits_and_revoked_keys_and_lists_no_revoked_one() {
        let limited = RootKey {
            key: key(1),
            max_counter: 7,
        };
        let gone = vec![key(3).fingerprint(), key(2).fingerprint(), key(3).fingerprint()];
        let root = Root::with_revoked(4, 1, vec![limited], gone).unwrap();
        let read = Root::from_bytes(&root.to_bytes()).unwrap();
        assert_eq!(read.keys(), [limited]);
        assert_eq!(read.revoked().len(), 2);
        assert!(read.revokes(&key(2).fingerprint()) && !read.revokes(&key(1).fingerprint()));
        assert_eq!(
            Root::with_revoked(1, 1, vec![key(1)], vec![key(1).fingerprint()]),
            Err(RootError::PeerRevokedKey { key: key(1) })
        );
        let mut many: Vec<Digest> = (0..65).map(|n| Digest([n; 32])).collect();
        assert_eq!(
            Root::with_revoked(1, 1, vec![key(1)], many.clone()),
            Err(RootError::PeerRevoked { got: 65 })
        );
        many.truncate(MAX_REVOKED_KEYS);
        let keys: Vec<RootKey> = (1..=16)
            .map(|seed| RootKey {
                key: key(seed),
                max_counter: u32::MAX,
            })
            .collect();
        let largest = Root::with_revoked(u32::MAX, 16, keys, many).unwrap();
        assert!(largest.to_bytes().len() <= MAX_ROOT_BYTES);
        assert_eq!(Root::from_bytes(&largest.to_bytes()), Ok(largest));
    }

    #[test]
    fn refuses_truncated_extended_and_foreign_bytes() {
        let bytes = Root::new(1, 1, vec![key(1)]).unwrap().to_bytes();
        for len in 0..bytes.len() {
            assert!(Root::from_bytes(&bytes[..len]).is_err(), "{len} bytes");
        }
        assert!(Root::from_bytes(&[&bytes[..], &[0]].concat()).is_err());
        assert_eq!(Root::from_bytes(b"OBSCURAB"), Err(RootError::PeerNotRoot));
        assert_eq!(
            Root::from_bytes(b"OBSCROOT\x01\x01\x01"),
            Err(RootError::PeerFormat { got: 1 })
        );
        let many: Vec<PublicKey> = (1..=17).map(key).collect();
        assert_eq!(Root::new(1, 1, many), Err(RootError::PeerKeyCount { got: 17 }));
    }
}
