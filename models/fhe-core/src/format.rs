//! The bytes of evaluation keys, encrypted items and answers.
//!
//! All three begin with a magic number, a kind and the hash of their parameters, and have exactly the length
//! the parameters and the circuit imply: a peer's length claim never decides an allocation.

use crate::{OutputPlan, ParameterSet, Plan, packed_len, unpack};

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

/// A key as it travels: the seed its masks are expanded from, and its bodies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeededKey {
    /// Mask seed.
    pub seed: [u8; SEED_BYTES],
    /// Bodies.
    pub bodies: Vec<u64>,
}

/// The evaluation keys of one client: seeded keys of the key switch, the bootstrap and, where the parameters
/// pack answers, the packing key switch.
///
/// Words are bodies in tfhe's container order: the key switch `[k N][levels]`, the bootstrap
/// `[n][levels][k + 1][N]`, the packing `[k N][levels][N_p]` with the packing's own polynomial size.
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
    /// The packing key, exactly where the parameters have a packing.
    pub packing: Option<SeededKey>,
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

    /// Words of the packing key; 0 without packing.
    pub fn packing_len(set: &ParameterSet) -> usize {
        set.packing.as_ref().map_or(0, |packing| {
            set.large_dimension() * packing.levels as usize * packing.polynomial_size
        })
    }

    /// Bytes of the object.
    pub fn byte_len(set: &ParameterSet) -> usize {
        let key = |words| SEED_BYTES + packed_len(words, set.key_body_bits);
        let packing = set.packing.as_ref().map_or(0, |_| key(Self::packing_len(set)));
        HEADER_BYTES + key(Self::key_switch_len(set)) + key(Self::bootstrap_len(set)) + packing
    }

    /// The object's bytes; bodies are rounded to the parameters' bits.
    pub fn to_bytes(&self, set: &ParameterSet) -> Vec<u8> {
        let mut out = Kind::EvaluationKeys.header(set);
        out.reserve_exact(Self::byte_len(set) - out.len());
        let keys = [
            (&self.key_switch_seed, &self.key_switch),
            (&self.bootstrap_seed, &self.bootstrap),
        ];
        let packing = self.packing.as_ref().map(|key| (&key.seed, &key.bodies));
        for (seed, bodies) in keys.into_iter().chain(packing) {
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
        let rest = Kind::EvaluationKeys.content(set, bytes, Self::byte_len(set) - HEADER_BYTES)?;
        let (key_switch, rest) = split_key(set, rest, Self::key_switch_len(set))?;
        let (bootstrap, rest) = split_key(set, rest, Self::bootstrap_len(set))?;
        let packing = match set.packing {
            Some(_) => Some(split_key(set, rest, Self::packing_len(set))?.0),
            None => None,
        };
        Ok(Self {
            key_switch_seed: key_switch.seed,
            key_switch: key_switch.bodies,
            bootstrap_seed: bootstrap.seed,
            bootstrap: bootstrap.bodies,
            packing,
        })
    }
}

/// Splits a key of `words` bodies off `bytes`, whose length the caller has checked.
fn split_key<'a>(
    set: &ParameterSet,
    bytes: &'a [u8],
    words: usize,
) -> Result<(SeededKey, &'a [u8]), FormatError> {
    let (seed, rest) = split_seed(bytes);
    let (packed, rest) = rest.split_at(packed_len(words, set.key_body_bits));
    let bodies = Kind::EvaluationKeys.words(packed, words, set.key_body_bits)?;
    Ok((SeededKey { seed, bodies }, rest))
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

/// An encrypted answer: the elements of all outputs, in the circuit's order, switched to the bits their kind
/// of output needs.
///
/// Without packing each element is one LWE ciphertext under the large secret: k N mask words, then the body.
/// With packing each GLWE ciphertext under the packing secret holds the next N_p elements, element i of them
/// in coefficient i: k_p N_p mask words, then the bodies of used coefficients only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The ciphertexts' words.
    pub ciphertexts: Vec<Vec<u64>>,
}

impl Answer {
    /// Words and bits per word of each ciphertext of an answer of `plan`.
    pub fn lengths(plan: &Plan) -> Vec<(usize, u32)> {
        let Some(packing) = &plan.parameters().packing else {
            let words = plan.parameters().large_dimension() + 1;
            let output = |o: &OutputPlan| std::iter::repeat_n((words, o.answer_bits), o.len);
            return plan.outputs().iter().flat_map(output).collect();
        };
        // Outputs share ciphertexts, so the most demanding one decides for all.
        let bits = plan.outputs().iter().map(|o| o.answer_bits).max().unwrap_or(1);
        let (size, elements) = (packing.polynomial_size, plan.output_len());
        (0..elements)
            .step_by(size)
            .map(|first| (packing.dimension() + size.min(elements - first), bits))
            .collect()
    }

    /// Bytes of an answer of `plan`.
    pub fn byte_len(plan: &Plan) -> usize {
        HEADER_BYTES
            + Self::lengths(plan)
                .into_iter()
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
