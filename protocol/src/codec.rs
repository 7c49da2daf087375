//! Size-limited postcard encoding that rejects trailing bytes.
//!
//! Knows nothing of the messages it carries.

use alloc::vec::Vec;
use core::{fmt, marker::PhantomData};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, DeserializeOwned},
};

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
/// The buffer is allocated once at its full length: a growing one would leave copies of secrets behind.
///
/// # Panics
/// Never for the types of this workspace: they contain no unsized sequences and allocation is infallible.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    let known = "wire types have known lengths, so postcard cannot refuse them";
    let size = postcard::experimental::serialized_size(value).expect(known);
    postcard::to_extend(value, Vec::with_capacity(size)).expect(known)
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

/// Checks the length of a part of a message.
pub(crate) fn at_most(bytes: &[u8], max_bytes: usize) -> Result<(), DecodeError> {
    let got_bytes = bytes.len();
    if got_bytes <= max_bytes {
        Ok(())
    } else {
        Err(DecodeError::PeerTooLarge { got_bytes, max_bytes })
    }
}

/// Decodes a sequence of at most `MAX` elements, for `#[serde(deserialize_with)]`.
///
/// Memory grows with the elements that are there, never with a promised count.
///
/// # Errors
/// The decoder's, and one more for the element after the last allowed.
pub fn bounded<'de, D, T, const MAX: usize>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct Visitor<T, const MAX: usize>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>, const MAX: usize> de::Visitor<'de> for Visitor<T, MAX> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "at most {MAX} elements")
        }

        fn visit_seq<A: de::SeqAccess<'de>>(self, mut elements: A) -> Result<Vec<T>, A::Error> {
            let mut out = Vec::new();
            while let Some(element) = elements.next_element()? {
                if out.len() == MAX {
                    return Err(de::Error::invalid_length(MAX + 1, &self));
                }
                out.push(element);
            }
            Ok(out)
        }
    }
    deserializer.deserialize_seq(Visitor::<T, MAX>(PhantomData))
}

/// Encodes byte strings as one run instead of one element at a time; the bytes are the same.
pub mod bytes {
    use alloc::vec::Vec;
    use core::fmt;
    use serde::{Deserializer, Serializer, de};

    /// For `#[serde(with)]`.
    ///
    /// # Errors
    /// The encoder's.
    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    /// For `#[serde(with)]`.
    ///
    /// # Errors
    /// The decoder's.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Vec<u8>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a byte string")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }

            fn visit_borrowed_bytes<E: de::Error>(self, bytes: &'de [u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }
        }
        deserializer.deserialize_bytes(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Few(#[serde(deserialize_with = "bounded::<_, _, 3>")] Vec<u32>);

    #[test]
    fn bounded_sequences_take_their_limit_and_no_more() {
        assert_eq!(
            decode::<Few>(&encode(&Few(alloc::vec![1, 2, 3])), 64),
            Ok(Few(alloc::vec![1, 2, 3]))
        );
        let over = encode(&Few(alloc::vec![1, 2, 3, 4]));
        assert_eq!(decode::<Few>(&over, 64), Err(DecodeError::PeerMalformed));
        let promised = [0xff, 0xff, 0xff, 0xff, 0x0f, 1];
        assert_eq!(decode::<Few>(&promised, 64), Err(DecodeError::PeerMalformed));
    }

    #[test]
    fn limits_and_trailing_bytes_are_named() {
        let too_large = DecodeError::PeerTooLarge {
            got_bytes: 3,
            max_bytes: 2,
        };
        assert_eq!(decode::<u8>(&[1, 2, 3], 2), Err(too_large));
        assert_eq!(
            decode::<u8>(&[1, 2, 3], 3),
            Err(DecodeError::PeerTrailing { extra_bytes: 2 })
        );
        assert_eq!(decode::<u8>(&[], 3), Err(DecodeError::PeerMalformed));
    }

    #[test]
    fn byte_runs_have_the_bytes_of_sequences() {
        #[derive(Serialize)]
        struct Run(#[serde(with = "bytes")] Vec<u8>);
        let data: Vec<u8> = (0..=255).collect();
        assert_eq!(encode(&Run(data.clone())), encode(&data));
    }
}
