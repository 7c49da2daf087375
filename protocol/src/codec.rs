//! Size-limited postcard encoding that rejects trailing bytes.
//!
//! Knows nothing of the messages it carries.

use alloc::vec::Vec;
use serde::{Serialize, de::DeserializeOwned};

/// Why bytes from a peer were not a value of the expected type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The input is longer than the type may be.
    #[error("message is {got_bytes} bytes, at most {max_bytes} are allowed")]
    PeerTooLarge {
        /// Length received.
        got_bytes: usize,
        /// Length allowed.
        max_bytes: usize,
    },
    /// The bytes do not encode the type.
    #[error("message is malformed")]
    PeerMalformed,
    /// A valid value is followed by more bytes.
    #[error("message has {extra_bytes} trailing bytes")]
    PeerTrailing {
        /// Bytes after the value.
        extra_bytes: usize,
    },
}

/// Encodes `value` with postcard 1.x (<https://postcard.jamesmunns.com/wire-format>).
///
/// # Panics
/// Never for the types of this workspace: they contain no unsized sequences and allocation is infallible.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_allocvec(value).expect("wire types have known lengths, so postcard cannot refuse them")
}

/// Decodes exactly one value from `bytes`, at most `max_bytes` long.
///
/// # Errors
/// [`DecodeError`] when the input is too long, malformed or has trailing bytes.
pub fn decode<T: DeserializeOwned>(bytes: &[u8], max_bytes: usize) -> Result<T, DecodeError> {
    if bytes.len() > max_bytes {
        return Err(DecodeError::PeerTooLarge {
            got_bytes: bytes.len(),
            max_bytes,
        });
    }
    match postcard::take_from_bytes::<T>(bytes) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(DecodeError::PeerTrailing {
            extra_bytes: rest.len(),
        }),
        Err(_) => Err(DecodeError::PeerMalformed),
    }
}
