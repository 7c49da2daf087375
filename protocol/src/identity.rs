//! Names, digests and keys that identify who speaks and what is spoken of.
//!
//! Holds no policy: which names are allowed to speak is the roster's business.

use alloc::{borrow::ToOwned, string::String};
use core::{fmt, str::FromStr};

use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// Longest peer name, in bytes.
pub const MAX_NAME_BYTES: usize = 32;

macro_rules! id_bytes {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub [u8; $len]);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl fmt::Display for $name {
            /// Lower-case hexadecimal; `{:.8}` prints the first eight digits.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let digits = f.precision().unwrap_or(2 * $len);
                for byte in self.0.iter().take(digits.div_ceil(2)) {
                    write!(f, "{byte:02x}")?;
                }
                Ok(())
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                let mut out = [0; $len];
                if text.len() != 2 * $len || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
                    return Err(NameError::PeerBadHex { want_digits: 2 * $len });
                }
                for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
                    let pair = core::str::from_utf8(pair).map_err(|_| NameError::PeerBadHex { want_digits: 2 * $len })?;
                    *byte = u8::from_str_radix(pair, 16).map_err(|_| NameError::PeerBadHex { want_digits: 2 * $len })?;
                }
                Ok(Self(out))
            }
        }
    };
}

id_bytes!(
    /// SHA-256 (FIPS 180-4) of some bytes, always full length on the wire.
    Digest, 32
);
id_bytes!(
    /// Random name of one job, chosen by the agent.
    JobId, 16
);
id_bytes!(
    /// Random name of one set of evaluation keys, unlinkable to the device that uploads them.
    ClientId, 16
);
id_bytes!(
    /// Random name of one session, chosen by the box.
    SessionId, 16
);
id_bytes!(
    /// Random name of a site, chosen when the site is made.
    SiteId, 16
);
id_bytes!(
    /// An Ed25519 public key as published; it is checked only when it is used.
    PublicKey, 32
);

impl Digest {
    /// SHA-256 of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl SessionId {
    /// The session of messages that precede the handshake.
    pub const NONE: Self = Self([0; 16]);
}

/// Why a name or an identifier is not acceptable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// The name is empty or too long.
    #[error("name has {got_bytes} bytes, 1 to {MAX_NAME_BYTES} are allowed")]
    PeerNameLength {
        /// Length received.
        got_bytes: usize,
    },
    /// The name has a character that could change the meaning of a topic or a path.
    #[error("names consist of a-z, 0-9 and '-', and start with a letter")]
    PeerNameCharacter,
    /// The text is not the hexadecimal form of the identifier.
    #[error("expected {want_digits} hexadecimal digits")]
    PeerBadHex {
        /// Digits of the identifier.
        want_digits: usize,
    },
}

/// Name of a device or a box: `[a-z][a-z0-9-]{0,31}`, safe in topics, paths and certificates.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PeerName(String);

impl PeerName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PeerName {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.is_empty() || text.len() > MAX_NAME_BYTES {
            return Err(NameError::PeerNameLength {
                got_bytes: text.len(),
            });
        }
        let safe = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if !text.as_bytes()[0].is_ascii_lowercase() || !text.bytes().all(safe) {
            return Err(NameError::PeerNameCharacter);
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for PeerName {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<PeerName> for String {
    fn from(name: PeerName) -> Self {
        name.0
    }
}

impl fmt::Display for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An Ed25519 signature (RFC 8032), 64 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature([u8; 32], [u8; 32]);

impl Signature {
    /// Signature from its 64 bytes, R then s.
    pub fn from_bytes(bytes: &[u8; 64]) -> Self {
        let (mut r, mut s) = ([0; 32], [0; 32]);
        r.copy_from_slice(&bytes[..32]);
        s.copy_from_slice(&bytes[32..]);
        Self(r, s)
    }

    /// The 64 bytes, R then s.
    pub fn to_bytes(self) -> [u8; 64] {
        let mut out = [0; 64];
        out[..32].copy_from_slice(&self.0);
        out[32..].copy_from_slice(&self.1);
        out
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature(..)")
    }
}

/// The signature does not belong to the key and the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("signature does not verify")]
pub struct PeerBadSignature;

/// What a signature speaks about; its text is prefixed to the signed bytes, so that no signature can be
/// moved from one use to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Purpose {
    /// A message between a device and a box.
    Envelope,
    /// A job ticket.
    Ticket,
    /// A receipt.
    Receipt,
    /// A bundle's manifest.
    Manifest,
    /// A root document.
    Root,
}

impl Purpose {
    /// The domain separation prefix, with its terminating zero byte.
    pub const fn prefix(self) -> &'static [u8] {
        match self {
            Self::Envelope => b"obscura envelope v1\0",
            Self::Ticket => b"obscura ticket v1\0",
            Self::Receipt => b"obscura receipt v1\0",
            Self::Manifest => b"obscura manifest v1\0",
            Self::Root => b"obscura root v1\0",
        }
    }

    fn message(self, bytes: &[u8]) -> alloc::vec::Vec<u8> {
        [self.prefix(), bytes].concat()
    }
}

impl PublicKey {
    /// Checks `signature` over `bytes` for `purpose` with `verify_strict`.
    ///
    /// # Errors
    /// [`PeerBadSignature`] also when the key itself is not a point of the curve.
    pub fn verify(
        &self,
        purpose: Purpose,
        bytes: &[u8],
        signature: &Signature,
    ) -> Result<(), PeerBadSignature> {
        let key = VerifyingKey::from_bytes(&self.0).map_err(|_not_a_point| PeerBadSignature)?;
        let signature = ed25519_dalek::Signature::from_bytes(&signature.to_bytes());
        key.verify_strict(&purpose.message(bytes), &signature)
            .map_err(|_wrong| PeerBadSignature)
    }

    /// SHA-256 of the key, by which people compare keys.
    pub fn fingerprint(&self) -> Digest {
        Digest::of(&self.0)
    }
}

/// An Ed25519 secret key; wiped on drop, never printed.
pub struct Identity(SigningKey);

impl Identity {
    /// Key from its 32-byte seed, which must come from a cryptographic generator.
    pub fn from_seed(seed: &Zeroizing<[u8; 32]>) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The seed, for storing the key.
    pub fn to_seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Signs `bytes` for `purpose`.
    pub fn sign(&self, purpose: Purpose, bytes: &[u8]) -> Signature {
        Signature::from_bytes(&self.0.sign(&purpose.message(bytes)).to_bytes())
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity(public {:.16})", self.public())
    }
}

#[cfg(test)]
mod tests;
