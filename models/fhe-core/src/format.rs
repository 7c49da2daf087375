//! The bytes of evaluation keys, encrypted items and answers.
//!
//! All three begin with a magic number, a kind and the hash of their parameters, and have exactly the length
//! the parameters and the circuit imply: a peer's length claim never decides an allocation.

use crate::{ParameterSet, Plan, packed_len, unpack};

/// Bytes of a mask seed.
pub const SEED_BYTES: usize = 16;
const MAGIC: [u8; 4] = *b"OBS1";
const HEADER_BYTES: usize = 4 + 1 + 32;

/// Why bytes are not the object they are taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The length is not the one the parameters imply.
    #[error("{object} is {got_bytes} bytes instead of {want_bytes}")]
    PeerLength {
        /// What it should be.
        object: &'static str,
        /// Length found.
        got_bytes: usize,
        /// Length implied.
        want_bytes: usize,
    },
    /// The header is of another kind of object or version.
    #[error("bytes are not {object} of format 1")]
    PeerKind {
        /// What it should be.
        object: &'static str,
    },
    /// The object belongs to other parameters.
    #[error("{object} belongs to other parameters")]
    PeerParameters {
        /// What it should be.
        object: &'static str,
    },
    /// The packed words have bits set behind the last.
    #[error("{object} has stray bits")]
    PeerStrayBits {
        /// What it should be.
        object: &'static str,
    },
}

#[derive(Clone, Copy)]
enum Kind {
    EvaluationKeys = 1,
    Item = 2,
    Answer = 3,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::EvaluationKeys => "an evaluation key object",
            Self::Item => "an encrypted item",
            Self::Answer => "an encrypted answer",
        }
    }

    fn header(self, set: &ParameterSet) -> Vec<u8> {
        [&MAGIC[..], &[self as u8], &set.hash()].concat()
    }

    /// Strips the header from `bytes`, which must have `HEADER_BYTES + content` bytes.
    fn content<'a>(
        self,
        set: &ParameterSet,
        bytes: &'a [u8],
        content: usize,
    ) -> Result<&'a [u8], FormatError> {
        let object = self.name();
        let (got_bytes, want_bytes) = (bytes.len(), HEADER_BYTES + content);
        let Some((header, rest)) = bytes.split_at_checked(HEADER_BYTES) else {
            return Err(FormatError::PeerLength {
                object,
                got_bytes,
                want_bytes,
            });
        };
        if header[..4] != MAGIC || header[4] != self as u8 {
            return Err(FormatError::PeerKind { object });
        }
        if header[5..] != set.hash() {
            return Err(FormatError::PeerParameters { object });
        }
        if got_bytes != want_bytes {
            return Err(FormatError::PeerLength {
                object,
                got_bytes,
                want_bytes,
            });
        }
        Ok(rest)
    }

    fn words(self, bytes: &[u8], count: usize, bits: u32) -> Result<Vec<u64>, FormatError> {
        unpack(bytes, count, bits).ok_or_else(|| FormatError::PeerStrayBits { object: self.name() })
    }
}

/// The evaluation keys of one client: a seeded key-switching key and a seeded bootstrapping key.
///
/// Words are bodies in tfhe's container order: the key switch `[k N][levels]`, the bootstrap
/// `[n][levels][k + 1][N]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvaluationKeyParts {
    /// Mask seed of the key-switching key.
    pub key_switch_seed: [u8; SEED_BYTES],
    /// Bodies of the key-switching key.
    pub key_switch: Vec<u64>,
    /// Mask seed of the bootstrapping key.
    pub bootstrap_seed: [u8; SEED_BYTES],
    /// Bodies of the bootstrapping key.
    pub bootstrap: Vec<u64>,
}

impl EvaluationKeyParts {
    /// Words of the key-switching key.
    pub fn key_switch_len(set: &ParameterSet) -> usize {
        set.large_dimension() * set.key_switch_levels as usize
    }

    /// Words of the bootstrapping key.
    pub fn bootstrap_len(set: &ParameterSet) -> usize {
        set.lwe_dimension * set.rotation_levels as usize * (set.glwe_dimension + 1) * set.polynomial_size
    }

    /// Bytes of the object.
    pub fn byte_len(set: &ParameterSet) -> usize {
        let bits = set.key_body_bits;
        let bodies = packed_len(Self::key_switch_len(set), bits) + packed_len(Self::bootstrap_len(set), bits);
        HEADER_BYTES + 2 * SEED_BYTES + bodies
    }

    /// The object's bytes; bodies are rounded to the parameters' bits.
    pub fn to_bytes(&self, set: &ParameterSet) -> Vec<u8> {
        let mut out = Kind::EvaluationKeys.header(set);
        out.reserve_exact(Self::byte_len(set) - out.len());
        for (seed, bodies) in [
            (&self.key_switch_seed, &self.key_switch),
            (&self.bootstrap_seed, &self.bootstrap),
        ] {
            out.extend_from_slice(seed);
            out.extend(crate::pack(bodies.iter().copied(), set.key_body_bits));
        }
        out
    }

    /// Takes an object apart.
    ///
    /// # Errors
    /// [`FormatError`] unless it is exactly an object of these parameters.
    pub fn from_bytes(set: &ParameterSet, bytes: &[u8]) -> Result<Self, FormatError> {
        let kind = Kind::EvaluationKeys;
        let rest = kind.content(set, bytes, Self::byte_len(set) - HEADER_BYTES)?;
        let (key_switch_seed, rest) = split_seed(rest);
        let (count, bits) = (Self::key_switch_len(set), set.key_body_bits);
        let (packed, rest) = rest.split_at(packed_len(count, bits));
        let key_switch = kind.words(packed, count, bits)?;
        let (bootstrap_seed, packed) = split_seed(rest);
        let bootstrap = kind.words(packed, Self::bootstrap_len(set), bits)?;
        Ok(Self {
            key_switch_seed,
            key_switch,
            bootstrap_seed,
            bootstrap,
        })
    }
}

/// An encrypted item: its inputs as coefficients of seeded GLWE ciphertexts, only used bodies sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// One mask seed per ciphertext of up to N inputs.
    pub seeds: Vec<[u8; SEED_BYTES]>,
    /// One body per input.
    pub bodies: Vec<u64>,
}

impl Item {
    /// Bytes of an item of `plan`.
    pub fn byte_len(plan: &Plan) -> usize {
        let bodies = packed_len(plan.input_len(), plan.parameters().input_body_bits);
        HEADER_BYTES + plan.input_ciphertexts() * SEED_BYTES + bodies
    }

    /// The item's bytes; bodies are rounded to the parameters' bits.
    pub fn to_bytes(&self, plan: &Plan) -> Vec<u8> {
        let set = plan.parameters();
        let mut out = Kind::Item.header(set);
        out.extend(self.seeds.iter().flatten());
        out.extend(crate::pack(self.bodies.iter().copied(), set.input_body_bits));
        out
    }

    /// Takes an item apart.
    ///
    /// # Errors
    /// [`FormatError`] unless it is exactly an item of this plan.
    pub fn from_bytes(plan: &Plan, bytes: &[u8]) -> Result<Self, FormatError> {
        let set = plan.parameters();
        let rest = Kind::Item.content(set, bytes, Self::byte_len(plan) - HEADER_BYTES)?;
        let (seeds, packed) = rest.split_at(plan.input_ciphertexts() * SEED_BYTES);
        let bodies = Kind::Item.words(packed, plan.input_len(), set.input_body_bits)?;
        Ok(Self {
            seeds: seeds.as_chunks::<SEED_BYTES>().0.to_vec(),
            bodies,
        })
    }
}

/// An encrypted answer: per output element one LWE ciphertext under the large secret, mask then body,
/// switched to the bits its kind of output needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// One ciphertext of k N + 1 words per output element, in the circuit's order.
    pub ciphertexts: Vec<Vec<u64>>,
}

impl Answer {
    fn lengths(plan: &Plan) -> impl Iterator<Item = (usize, u32)> + '_ {
        let words = plan.parameters().large_dimension() + 1;
        plan.outputs()
            .iter()
            .flat_map(move |o| std::iter::repeat_n((words, o.answer_bits), o.len))
    }

    /// Bytes of an answer of `plan`.
    pub fn byte_len(plan: &Plan) -> usize {
        HEADER_BYTES
            + Self::lengths(plan)
                .map(|(words, bits)| packed_len(words, bits))
                .sum::<usize>()
    }

    /// The answer's bytes.
    pub fn to_bytes(&self, plan: &Plan) -> Vec<u8> {
        let mut out = Kind::Answer.header(plan.parameters());
        for (ciphertext, (_, bits)) in self.ciphertexts.iter().zip(Self::lengths(plan)) {
            out.extend(crate::pack(ciphertext.iter().copied(), bits));
        }
        out
    }

    /// Takes an answer apart.
    ///
    /// # Errors
    /// [`FormatError`] unless it is exactly an answer of this plan.
    pub fn from_bytes(plan: &Plan, bytes: &[u8]) -> Result<Self, FormatError> {
        let mut rest = Kind::Answer.content(plan.parameters(), bytes, Self::byte_len(plan) - HEADER_BYTES)?;
        let mut ciphertexts = Vec::new();
        for (words, bits) in Self::lengths(plan) {
            let (packed, behind) = rest.split_at(packed_len(words, bits));
            ciphertexts.push(Kind::Answer.words(packed, words, bits)?);
            rest = behind;
        }
        Ok(Self { ciphertexts })
    }
}

/// Splits the seed off `bytes`, whose length the caller has checked.
fn split_seed(bytes: &[u8]) -> ([u8; SEED_BYTES], &[u8]) {
    let (seed, rest) = bytes.split_at(SEED_BYTES);
    let mut out = [0; SEED_BYTES];
    out.copy_from_slice(seed);
    (out, rest)
}
