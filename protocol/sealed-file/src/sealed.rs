//! The sealed format: Argon2id turns the password into a key, AES-256-GCM seals under it.
//!
//! Layout, integers little endian:
//! magic 8, version 1, memory KiB 4, passes 4, lanes 4, salt 16, nonce 12, ciphertext, tag 16.
//! Everything before the ciphertext is associated data, so that no header byte can change unnoticed.
//! Salt and nonce are fresh for every file; a key therefore seals one message only.
//!
//! Sources: RFC 9106 (Argon2), NIST SP 800-38D (GCM).

use aes_gcm::{
    Aes256Gcm, KeyInit,
    aead::{AeadInOut, Nonce, Tag, inout::InOutBuf},
};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use zeroize::{Zeroize, Zeroizing};

/// Length of the text that says what a file is.
pub const MAGIC_BYTES: usize = 8;
/// What sealing adds to the plaintext, bytes.
pub const OVERHEAD_BYTES: usize = HEADER_BYTES + TAG_BYTES;

const VERSION: u8 = 1;
const SALT_BYTES: usize = 16;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
const COST_AT: usize = MAGIC_BYTES + 1;
const SALT_AT: usize = COST_AT + 12;
const NONCE_AT: usize = SALT_AT + SALT_BYTES;
const HEADER_BYTES: usize = NONCE_AT + NONCE_BYTES;

/// Why bytes could not be sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealedError {
    /// The password is wrong, or a byte of the file changed; which of the two cannot be told.
    #[error("the password is wrong or the file was altered")]
    WrongPasswordOrAltered,
    /// The file is not a sealed file of the expected kind.
    #[error("not a sealed file of the expected kind")]
    PeerNotSealed,
    /// The file was written by a later version of this program.
    #[error("sealed file has format version {got}, this program reads version {VERSION}")]
    PeerVersion {
        /// Version found.
        got: u8,
    },
    /// The file is longer than its use allows.
    #[error("sealed file is {got_bytes} bytes, at most {max_bytes} are allowed")]
    PeerTooLarge {
        /// Length found.
        got_bytes: usize,
        /// Length allowed.
        max_bytes: usize,
    },
    /// The cost of the password hash lies outside what this program spends.
    #[error(
        "password cost of {memory_kib} KiB, {passes} passes, {lanes} lanes is outside {} to {} KiB, 1 to {} passes, 1 to {} lanes",
        Cost::MIN_MEMORY_KIB,
        Cost::MAX_MEMORY_KIB,
        Cost::MAX_PASSES,
        Cost::MAX_LANES
    )]
    CostOutOfRange {
        /// Memory, KiB.
        memory_kib: u32,
        /// Passes over the memory.
        passes: u32,
        /// Lanes.
        lanes: u32,
    },
    /// The memory for the password hash is not available.
    #[error("no memory for the password hash: {memory_kib} KiB needed")]
    DeviceMemory {
        /// Memory asked for, KiB.
        memory_kib: u32,
    },
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness")]
    DeviceRandomness(#[source] getrandom::Error),
}

/// What one guess of the password costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Cost {
    /// Least memory accepted: 8 MiB.
    pub const MIN_MEMORY_KIB: u32 = 8 * 1024;
    /// Most memory accepted: 1 GiB.
    pub const MAX_MEMORY_KIB: u32 = 1024 * 1024;
    /// Most passes accepted.
    pub const MAX_PASSES: u32 = 16;
    /// Most lanes accepted.
    pub const MAX_LANES: u32 = 8;
    /// The cheapest cost accepted, for tests.
    pub const CHEAPEST: Self = Self {
        memory_kib: Self::MIN_MEMORY_KIB,
        passes: 1,
        lanes: 1,
    };

    /// A cost within the accepted range.
    ///
    /// # Errors
    /// [`SealedError::CostOutOfRange`].
    pub fn new(memory_kib: u32, passes: u32, lanes: u32) -> Result<Self, SealedError> {
        let accepted = (Self::MIN_MEMORY_KIB..=Self::MAX_MEMORY_KIB).contains(&memory_kib)
            && (1..=Self::MAX_PASSES).contains(&passes)
            && (1..=Self::MAX_LANES).contains(&lanes);
        accepted
            .then_some(Self {
                memory_kib,
                passes,
                lanes,
            })
            .ok_or(SealedError::CostOutOfRange {
                memory_kib,
                passes,
                lanes,
            })
    }

    fn to_bytes(self) -> [u8; 12] {
        let mut out = [0; 12];
        out[..4].copy_from_slice(&self.memory_kib.to_le_bytes());
        out[4..8].copy_from_slice(&self.passes.to_le_bytes());
        out[8..].copy_from_slice(&self.lanes.to_le_bytes());
        out
    }

    fn from_bytes(bytes: [u8; 12]) -> Result<Self, SealedError> {
        let field = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        Self::new(field(0), field(4), field(8))
    }
}

impl Default for Cost {
    /// 64 MiB, 3 passes, 1 lane: the memory and passes of the second recommended option of RFC 9106
    /// section 4 (which uses 4 lanes; one lane costs an attacker more, and nobody waits for it twice).
    fn default() -> Self {
        Self {
            memory_kib: 64 * 1024,
            passes: 3,
            lanes: 1,
        }
    }
}

/// Seals `plaintext` under `password`; `magic` says what the file is.
///
/// # Errors
/// [`SealedError::DeviceRandomness`] or [`SealedError::DeviceMemory`].
pub fn seal(
    password: &[u8],
    plaintext: &[u8],
    magic: &[u8; MAGIC_BYTES],
    cost: Cost,
) -> Result<Vec<u8>, SealedError> {
    let mut fresh = [0; SALT_BYTES + NONCE_BYTES];
    getrandom::fill(&mut fresh).map_err(SealedError::DeviceRandomness)?;
    let mut out = Vec::with_capacity(plaintext.len() + OVERHEAD_BYTES);
    out.extend_from_slice(magic);
    out.push(VERSION);
    out.extend_from_slice(&cost.to_bytes());
    out.extend_from_slice(&fresh);
    let cipher = cipher(password, &fresh[..SALT_BYTES], cost)?;
    out.extend_from_slice(plaintext);
    let (header, body) = out.split_at_mut(HEADER_BYTES);
    let nonce = nonce(&fresh[SALT_BYTES..]);
    let tag = cipher
        .encrypt_inout_detached(&nonce, header, InOutBuf::from(body))
        .map_err(|aes_gcm::Error| SealedError::PeerTooLarge {
            got_bytes: plaintext.len(),
            max_bytes: u32::MAX as usize,
        })?;
    out.extend_from_slice(&tag);
    Ok(out)
}

/// Opens what [`seal`] made with the same `password` and `magic`; `max_bytes` bounds the whole file.
///
/// # Errors
/// [`SealedError`]; limits are checked before anything is computed.
pub fn open(
    password: &[u8],
    bytes: &[u8],
    magic: &[u8; MAGIC_BYTES],
    max_bytes: usize,
) -> Result<Zeroizing<Vec<u8>>, SealedError> {
    let (header, rest) = header(bytes, *magic, max_bytes)?;
    let (body, tag) = rest
        .split_last_chunk::<TAG_BYTES>()
        .ok_or(SealedError::PeerNotSealed)?;
    let cipher = cipher(password, &header[SALT_AT..NONCE_AT], cost(header)?)?;
    let mut plaintext = Zeroizing::new(body.to_vec());
    cipher
        .decrypt_inout_detached(
            &nonce(&header[NONCE_AT..]),
            header,
            InOutBuf::from(plaintext.as_mut_slice()),
            &Tag::<Aes256Gcm>::from(*tag),
        )
        .map_err(|aes_gcm::Error| SealedError::WrongPasswordOrAltered)?;
    Ok(plaintext)
}

/// What one guess of a sealed file's password costs; nothing is opened.
///
/// # Errors
/// [`SealedError`] as for [`open`], as far as the header tells.
pub fn cost_of(bytes: &[u8], magic: &[u8; MAGIC_BYTES], max_bytes: usize) -> Result<Cost, SealedError> {
    let (header, _) = header(bytes, *magic, max_bytes)?;
    cost(header)
}

fn header(
    bytes: &[u8],
    magic: [u8; MAGIC_BYTES],
    max_bytes: usize,
) -> Result<(&[u8; HEADER_BYTES], &[u8]), SealedError> {
    if bytes.len() > max_bytes {
        return Err(SealedError::PeerTooLarge {
            got_bytes: bytes.len(),
            max_bytes,
        });
    }
    let (header, rest) = bytes
        .split_first_chunk::<HEADER_BYTES>()
        .ok_or(SealedError::PeerNotSealed)?;
    if !header.starts_with(&magic) || rest.len() < TAG_BYTES {
        return Err(SealedError::PeerNotSealed);
    }
    match header[MAGIC_BYTES] {
        VERSION => Ok((header, rest)),
        got => Err(SealedError::PeerVersion { got }),
    }
}

fn cost(header: &[u8; HEADER_BYTES]) -> Result<Cost, SealedError> {
    let mut cost = [0; 12];
    cost.copy_from_slice(&header[COST_AT..SALT_AT]);
    Cost::from_bytes(cost)
}

fn nonce(bytes: &[u8]) -> Nonce<Aes256Gcm> {
    let mut nonce = Nonce::<Aes256Gcm>::default();
    nonce.copy_from_slice(bytes);
    nonce
}

fn cipher(password: &[u8], salt: &[u8], cost: Cost) -> Result<Aes256Gcm, SealedError> {
    let no_memory = SealedError::DeviceMemory {
        memory_kib: cost.memory_kib,
    };
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32)).or(Err(no_memory))?;
    let mut memory: Vec<Block> = Vec::new();
    memory
        .try_reserve_exact(params.block_count())
        .or(Err(no_memory))?;
    memory.resize(params.block_count(), Block::default());
    let mut key = Zeroizing::new([0; 32]);
    let hashed = Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into_with_memory(
        password,
        salt,
        key.as_mut_slice(),
        &mut memory,
    );
    for block in &mut memory {
        block.zeroize();
    }
    hashed.or(Err(no_memory))?;
    Ok(Aes256Gcm::new((&*key).into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAGIC: &[u8; 8] = b"OBSCTEST";

    fn sealed() -> Vec<u8> {
        seal(b"correct horse", b"secret", MAGIC, Cost::CHEAPEST).unwrap()
    }

    #[test]
    fn opens_what_was_sealed_and_hides_it() {
        let bytes = sealed();
        assert_eq!(bytes.len(), 6 + OVERHEAD_BYTES);
        assert!(!bytes.windows(6).any(|window| window == b"secret"));
        assert_eq!(*open(b"correct horse", &bytes, MAGIC, 1024).unwrap(), b"secret");
        let empty = seal(b"", b"", MAGIC, Cost::CHEAPEST).unwrap();
        assert!(open(b"", &empty, MAGIC, 1024).unwrap().is_empty());
    }

    #[test]
    fn salt_and_nonce_are_fresh_for_every_file() {
        let (a, b) = (sealed(), sealed());
        assert_ne!(a[SALT_AT..NONCE_AT], b[SALT_AT..NONCE_AT]);
        assert_ne!(a[NONCE_AT..HEADER_BYTES], b[NONCE_AT..HEADER_BYTES]);
        assert_ne!(a[HEADER_BYTES..], b[HEADER_BYTES..]);
    }

    #[test]
    fn wrong_password_and_altered_file_are_the_same_error() {
        let bytes = sealed();
        let wrong = open(b"wrong horse", &bytes, MAGIC, 1024).unwrap_err();
        assert_eq!(wrong, SealedError::WrongPasswordOrAltered);
        for at in SALT_AT..bytes.len() {
            let mut altered = bytes.clone();
            altered[at] ^= 1;
            assert_eq!(
                open(b"correct horse", &altered, MAGIC, 1024).unwrap_err(),
                wrong,
                "byte {at}"
            );
        }
    }

    #[test]
    fn every_header_byte_is_checked() {
        let bytes = sealed();
        for at in 0..SALT_AT {
            let mut altered = bytes.clone();
            // Bit 1 keeps some cost fields inside the accepted range: the tag must catch those.
            altered[at] ^= if at == COST_AT + 4 { 2 } else { 1 };
            assert!(
                open(b"correct horse", &altered, MAGIC, 1024).is_err(),
                "byte {at}"
            );
        }
    }

    #[test]
    fn refuses_a_hostile_cost_before_computing() {
        for (at, value) in [
            (COST_AT, u32::MAX),
            (COST_AT, 0),
            (COST_AT + 4, u32::MAX),
            (COST_AT + 8, 9),
        ] {
            let mut bytes = sealed();
            bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
            let refused = open(b"correct horse", &bytes, MAGIC, 1024).unwrap_err();
            assert!(matches!(refused, SealedError::CostOutOfRange { .. }), "{refused}");
        }
    }

    #[test]
    fn the_cost_of_a_file_is_told_without_its_password() {
        assert_eq!(cost_of(&sealed(), MAGIC, 1024).unwrap(), Cost::CHEAPEST);
        assert_eq!(
            cost_of(&[0; 100], MAGIC, 1024).unwrap_err(),
            SealedError::PeerNotSealed
        );
    }

    #[test]
    fn refuses_other_kinds_versions_and_sizes() {
        let bytes = sealed();
        let not = SealedError::PeerNotSealed;
        assert_eq!(open(b"", &bytes, b"OTHERONE", 1024).unwrap_err(), not);
        for len in 0..OVERHEAD_BYTES {
            assert_eq!(open(b"", &bytes[..len], MAGIC, 1024).unwrap_err(), not);
        }
        let mut later = bytes.clone();
        later[MAGIC_BYTES] = 2;
        assert_eq!(
            open(b"", &later, MAGIC, 1024).unwrap_err(),
            SealedError::PeerVersion { got: 2 }
        );
        assert!(matches!(
            open(b"", &bytes, MAGIC, bytes.len() - 1).unwrap_err(),
            SealedError::PeerTooLarge { .. }
        ));
    }

    #[test]
    fn opens_a_file_of_version_one_for_ever() {
        // Made by this code at version 0.1.0; do not change.
        let bytes: Vec<u8> = FROZEN
            .as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect();
        assert_eq!(*open(b"correct horse", &bytes, MAGIC, 1024).unwrap(), b"secret");
    }

    const FROZEN: &str = concat!(
        "4f4253435445535401002000000100000001000000a85e60c97816447a47ab8bf1b50a63d8325662afd0",
        "883ecb67ed3a3c21f2f3bea9ea3ea3014882646af1c22c02ce08a9df82",
    );
}
