//! The root that is believed, and how another one takes its place.
//!
//! A chain: it begins with a document whose fingerprint was pinned when a site was made, and goes on one version at
//! a time, each document signed by the thresholds of both the former and the new one. There is no other way to a
//! [`TrustedRoot`], and nothing else verifies bundles.
//!
//! Failure model: a change that is refused leaves the former root in place. Whoever holds the threshold of the former
//! root can change it; a threshold of one is therefore as weak as its one key.

use obscura_protocol::{
    codec,
    identity::{Digest, Identity, PeerBadSignature, PublicKey, Purpose, Signature},
};
use serde::{Deserialize, Serialize};

use crate::{
    frame::{KeySignature, MAX_SIGNATURES},
    root::{Root, RootError},
    signatures::{self, WrongSignature},
};

/// Largest change of root, bytes: a document and 32 signatures.
pub const MAX_CHANGE_BYTES: usize = 8192;

const MAGIC: &[u8; 8] = b"OBSCRNXT";
const FORMAT: u8 = 1;

/// Why a change of root was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// The bytes begin differently.
    #[error("not a change of root")]
    PeerNotChange,
    /// The change is of another format.
    #[error("change of root has format {got}, this program reads format {FORMAT}")]
    PeerFormat {
        /// Format found.
        got: u8,
    },
    /// The change does not decode, or has trailing bytes.
    #[error("change of root does not decode")]
    PeerDecode(#[from] codec::DecodeError),
    /// The document in it is refused.
    #[error("the new root document is refused")]
    PeerRoot(#[from] RootError),
    /// The document is not the next one.
    #[error("the new root has version {got}, only version {needed} can follow")]
    PeerVersion {
        /// Version found.
        got: u32,
        /// Version that can follow.
        needed: u64,
    },
    /// A key that the former root revokes is not revoked any more.
    #[error("the new root forgets that key {key:.16} is revoked")]
    PeerForgetsRevoked {
        /// Fingerprint of the key.
        key: Digest,
    },
    /// A key did not make the signature that bears its name.
    #[error("the new root has a wrong signature of key {key:.16}")]
    PeerBadSignature {
        /// Fingerprint of the key.
        key: Digest,
    },
    /// Too few keys of the former root signed.
    #[error("the new root is signed by {got} keys of the former one, {needed} are needed")]
    PeerFormerThreshold {
        /// Keys that signed.
        got: usize,
        /// Keys needed.
        needed: usize,
    },
    /// Too few keys of the new root signed.
    #[error("the new root is signed by {got} of its own keys, {needed} are needed")]
    PeerOwnThreshold {
        /// Keys that signed.
        got: usize,
        /// Keys needed.
        needed: usize,
    },
    /// There is no room for another signature.
    #[error("a change of root holds at most {MAX_SIGNATURES} signatures")]
    MisuseTooMany,
}

/// A root document with detached signatures over its exact bytes, on its way to those who know the former root.
///
/// Proves nothing by itself: [`TrustedRoot::followed_by`] does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootChange {
    document: Vec<u8>,
    signatures: Vec<KeySignature>,
}

#[derive(Serialize, Deserialize)]
struct Body {
    #[serde(with = "codec::bytes")]
    document: Vec<u8>,
    #[serde(deserialize_with = "obscura_protocol::codec::bounded::<_, _, MAX_SIGNATURES>")]
    signatures: Vec<KeySignature>,
}

impl RootChange {
    /// A change to `root` that nobody signed yet.
    pub fn unsigned(root: &Root) -> Self {
        Self {
            document: root.to_bytes(),
            signatures: Vec::new(),
        }
    }

    /// Whether a file that begins so says that it is a change of root.
    pub fn is_named_in(bytes: &[u8]) -> bool {
        bytes.starts_with(MAGIC)
    }

    /// Reads a change of root; says nothing about who signed it.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ChangeError> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(ChangeError::PeerNotChange)?;
        let (&format, body) = rest.split_first().ok_or(ChangeError::PeerNotChange)?;
        if format != FORMAT {
            return Err(ChangeError::PeerFormat { got: format });
        }
        let body: Body = codec::decode(body, MAX_CHANGE_BYTES - MAGIC.len() - 1)?;
        let change = Self {
            document: body.document,
            signatures: body.signatures,
        };
        change.root()?;
        Ok(change)
    }

    /// The file: magic, format, then postcard.
    pub fn to_bytes(&self) -> Vec<u8> {
        let body = Body {
            document: self.document.clone(),
            signatures: self.signatures.clone(),
        };
        [MAGIC.as_slice(), &[FORMAT], &codec::encode(&body)].concat()
    }

    /// The document it carries, believed or not.
    ///
    /// # Errors
    /// [`RootError`]; never on a change that was read or made.
    pub fn root(&self) -> Result<Root, RootError> {
        Root::from_bytes(&self.document)
    }

    /// The exact message a key on another machine signs with Ed25519: the purpose, then the document.
    pub fn message(&self) -> Vec<u8> {
        [Purpose::Root.prefix(), &self.document].concat()
    }

    /// Fingerprints of the keys whose signatures it carries, checked or not.
    pub fn claimed_signers(&self) -> impl Iterator<Item = Digest> + '_ {
        self.signatures.iter().map(|signature| signature.key)
    }

    /// Signs with a key that is here.
    ///
    /// # Errors
    /// [`ChangeError::MisuseTooMany`].
    pub fn sign(&mut self, key: &Identity) -> Result<(), ChangeError> {
        let signature = key.sign(Purpose::Root, &self.document);
        self.put(key.public().fingerprint(), signature)
    }

    /// Adds a signature that was made over [`RootChange::message`] elsewhere, once it holds.
    ///
    /// # Errors
    /// [`ChangeError::PeerBadSignature`], [`ChangeError::MisuseTooMany`].
    pub fn import(&mut self, key: &PublicKey, signature: &[u8; 64]) -> Result<(), ChangeError> {
        let signature = Signature::from_bytes(signature);
        let fingerprint = key.fingerprint();
        key.verify(Purpose::Root, &self.document, &signature)
            .map_err(|PeerBadSignature| ChangeError::PeerBadSignature { key: fingerprint })?;
        self.put(fingerprint, signature)
    }

    /// A key signs once; its former signature gives way.
    fn put(&mut self, key: Digest, signature: Signature) -> Result<(), ChangeError> {
        self.signatures.retain(|other| other.key != key);
        if self.signatures.len() == MAX_SIGNATURES {
            return Err(ChangeError::MisuseTooMany);
        }
        self.signatures.push(KeySignature { key, signature });
        Ok(())
    }

    fn signed_by(&self, root: &Root) -> Result<usize, ChangeError> {
        let signed = signatures::signers(root, Purpose::Root, &self.document, &self.signatures)
            .map_err(|WrongSignature { key }| ChangeError::PeerBadSignature { key })?;
        Ok(signed.len())
    }
}

/// A root that is believed: the only thing that verifies bundles.
///
/// Invariant: made by [`TrustedRoot::pinned`] or [`TrustedRoot::followed_by`] alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedRoot(Root);

impl TrustedRoot {
    /// The document whose fingerprint somebody vouches for; compared before it is parsed.
    ///
    /// # Errors
    /// [`RootError`].
    pub fn pinned(bytes: &[u8], pinned: Digest) -> Result<Self, RootError> {
        let got = Digest::of(bytes);
        if got != pinned {
            return Err(RootError::PeerPinned { got, pinned });
        }
        Root::from_bytes(bytes).map(Self)
    }

    /// The root that takes this one's place, signed by the thresholds of both.
    ///
    /// A key that the new root revokes still counts for the former threshold: the owner of a single stolen key
    /// could not be rid of it otherwise.
    ///
    /// # Errors
    /// [`ChangeError`]; this root stays in force then.
    pub fn followed_by(&self, change: &RootChange) -> Result<Self, ChangeError> {
        let next = change.root()?;
        let needed = u64::from(self.0.version()) + 1;
        if u64::from(next.version()) != needed {
            return Err(ChangeError::PeerVersion {
                got: next.version(),
                needed,
            });
        }
        if let Some(&key) = self.0.revoked().iter().find(|key| !next.revokes(key)) {
            return Err(ChangeError::PeerForgetsRevoked { key });
        }
        let (got, needed) = (change.signed_by(&self.0)?, usize::from(self.0.threshold()));
        if got < needed {
            return Err(ChangeError::PeerFormerThreshold { got, needed });
        }
        let (got, needed) = (change.signed_by(&next)?, usize::from(next.threshold()));
        if got < needed {
            return Err(ChangeError::PeerOwnThreshold { got, needed });
        }
        Ok(Self(next))
    }

    /// The document.
    pub fn document(&self) -> &Root {
        &self.0
    }
}
