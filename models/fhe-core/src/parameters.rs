//! The cryptographic parameters of one model.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::security::{MIN_SECURITY_BITS, security_bits};

const FORMAT: u32 = 1;
const MAX_JSON_BYTES: usize = 64 * 1024;

/// Why parameters are not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ParameterError {
    /// The file is too large.
    #[error("parameters are {got_bytes} bytes, at most {max_bytes} are allowed")]
    TooLarge {
        /// Length found.
        got_bytes: usize,
        /// Length allowed.
        max_bytes: usize,
    },
    /// The file is not the JSON form of parameters.
    #[error("parameters do not parse")]
    Json(#[from] serde_json::Error),
    /// The file has a format this build does not know.
    #[error("parameter format {got} is unknown, this build reads format {want}")]
    UnknownFormat {
        /// Format found.
        got: u32,
        /// Format read.
        want: u32,
    },
    /// A parameter lies outside what this build supports.
    #[error("parameter {name} is out of range, {allowed} is allowed")]
    OutOfRange {
        /// Its name in the file.
        name: &'static str,
        /// What is allowed.
        allowed: &'static str,
    },
    /// No recorded estimate shows enough security.
    #[error(
        "the {secret} secret of dimension {dimension} in blocks of {block} has no recorded estimate of at least {want_bits} bits"
    )]
    Insecure {
        /// Which secret.
        secret: &'static str,
        /// Its dimension.
        dimension: usize,
        /// Its key bits per block.
        block: usize,
        /// Bits needed.
        want_bits: f64,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    format: u32,
    name: String,
    polynomial_size: usize,
    glwe_dimension: usize,
    glwe_noise_log2: f64,
    lwe_dimension: usize,
    #[serde(default = "uniform")]
    lwe_block: usize,
    lwe_noise_log2: f64,
    rotation_base_log2: u32,
    rotation_levels: u32,
    key_switch_base_log2: u32,
    key_switch_levels: u32,
    input_body_bits: u32,
    key_body_bits: u32,
    exact_answer_bits: u32,
    table_answer_bits: u32,
    packing: Option<Packing>,
    /// For people; what counts is this build's own record.
    security: serde_json::Value,
}

/// Block size of a uniform binary secret, what files without blocks mean.
fn uniform() -> usize {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde calls")]
fn is_uniform(block: &usize) -> bool {
    *block == uniform()
}

/// Words of the ciphertexts between look-ups, large keys and rotations aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WordSize {
    /// 2^-32 of the torus: the batched path.
    Bits32,
    /// 2^-64 of the torus: one ciphertext at a time.
    Bits64,
}

impl WordSize {
    /// Bits of a word.
    pub fn bits(self) -> u32 {
        match self {
            Self::Bits32 => 32,
            Self::Bits64 => 64,
        }
    }
}

/// How the outputs of an answer are packed into few GLWE ciphertexts, under a uniform binary secret of its
/// own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Packing {
    /// Outputs of one ciphertext; a power of two, 64 to 16384.
    pub polynomial_size: usize,
    /// Mask polynomials of a ciphertext; 1 to 64.
    pub glwe_dimension: usize,
    /// Noise of the packing key.
    pub noise_log2: f64,
    /// Bits of a digit in the decomposition.
    pub base_log2: u32,
    /// Levels of the decomposition.
    pub levels: u32,
}

impl Packing {
    /// Dimension of its secret, `glwe_dimension * polynomial_size`.
    pub fn dimension(&self) -> usize {
        self.glwe_dimension * self.polynomial_size
    }
}

/// Parameters that clear the security bound.
///
/// Noise is a Gaussian whose standard deviation is given as log2 in units of the torus. The small secret is
/// uniform binary or has at most one 1 in each block; the others are uniform binary.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ParameterSet {
    /// Name of the set, for people.
    pub name: String,
    /// N, coefficients of a polynomial; a power of two, 512 to 16384.
    pub polynomial_size: usize,
    /// k, mask polynomials of a GLWE ciphertext; 1 to 8.
    pub glwe_dimension: usize,
    /// Noise of GLWE encryptions and the bootstrapping key.
    pub glwe_noise_log2: f64,
    /// n, dimension of the small LWE secret that the rotation runs over; at most k N.
    pub lwe_dimension: usize,
    /// Key bits of a block of the small secret: at most one is 1, all patterns equally likely; 1 to 8, dividing
    /// n. Blocks of one bit make a uniform binary secret.
    #[serde(skip_serializing_if = "is_uniform")]
    pub lwe_block: usize,
    /// Noise of the key-switching key.
    pub lwe_noise_log2: f64,
    /// Bits of a digit in the rotation's decomposition.
    pub rotation_base_log2: u32,
    /// Levels of the rotation's decomposition.
    pub rotation_levels: u32,
    /// Bits of a digit in the key switch's decomposition.
    pub key_switch_base_log2: u32,
    /// Levels of the key switch's decomposition.
    pub key_switch_levels: u32,
    /// Bits kept of each body in an encrypted input.
    pub input_body_bits: u32,
    /// Bits kept of each body in the evaluation keys.
    pub key_body_bits: u32,
    /// Bits kept of each word of an exact output.
    pub exact_answer_bits: u32,
    /// Bits kept of each word of a looked-up output.
    pub table_answer_bits: u32,
    /// Packing of answers; without it each output is a ciphertext.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packing: Option<Packing>,
}

impl ParameterSet {
    /// Reads and checks parameters (format 1, at most 64 KiB of JSON).
    ///
    /// # Errors
    /// [`ParameterError`]; in particular [`ParameterError::Insecure`] for anything below
    /// [`MIN_SECURITY_BITS`] by this build's own record.
    pub fn from_json(json: &[u8]) -> Result<Self, ParameterError> {
        let got_bytes = json.len();
        if got_bytes > MAX_JSON_BYTES {
            return Err(ParameterError::TooLarge {
                got_bytes,
                max_bytes: MAX_JSON_BYTES,
            });
        }
        let wire: Wire = serde_json::from_slice(json)?;
        if wire.format != FORMAT {
            return Err(ParameterError::UnknownFormat {
                got: wire.format,
                want: FORMAT,
            });
        }
        let _ = wire.security;
        let set = Self {
            name: wire.name,
            polynomial_size: wire.polynomial_size,
            glwe_dimension: wire.glwe_dimension,
            glwe_noise_log2: wire.glwe_noise_log2,
            lwe_dimension: wire.lwe_dimension,
            lwe_block: wire.lwe_block,
            lwe_noise_log2: wire.lwe_noise_log2,
            rotation_base_log2: wire.rotation_base_log2,
            rotation_levels: wire.rotation_levels,
            key_switch_base_log2: wire.key_switch_base_log2,
            key_switch_levels: wire.key_switch_levels,
            input_body_bits: wire.input_body_bits,
            key_body_bits: wire.key_body_bits,
            exact_answer_bits: wire.exact_answer_bits,
            table_answer_bits: wire.table_answer_bits,
            packing: wire.packing,
        };
        set.check_ranges()?;
        set.check_security()?;
        Ok(set)
    }

    /// Dimension of a ciphertext under the large secret, k N.
    pub fn large_dimension(&self) -> usize {
        self.glwe_dimension * self.polynomial_size
    }

    /// Words of a GLWE ciphertext, (k + 1) N.
    pub fn large_glwe_words(&self) -> usize {
        (self.glwe_dimension + 1) * self.polynomial_size
    }

    /// Words of the ciphertexts between look-ups: 32 bits where the small secret has blocks.
    pub fn words(&self) -> WordSize {
        if self.lwe_block > 1 {
            WordSize::Bits32
        } else {
            WordSize::Bits64
        }
    }

    /// Mean of a bit of the small secret.
    pub fn mean_small_bit(&self) -> f64 {
        1.0 / f64::from(u32::try_from(self.lwe_block + 1).unwrap_or(u32::MAX))
    }

    /// Security of the weakest secret by the recorded estimates, in bits.
    pub fn security_bits(&self) -> f64 {
        self.secrets()
            .map(|s| security_bits(s.dimension, s.block, s.noise_log2).unwrap_or(0.0))
            .fold(f64::INFINITY, f64::min)
    }

    /// SHA-256 of the canonical JSON form, by which keys, items and receipts name the set.
    pub fn hash(&self) -> [u8; 32] {
        let json = serde_json::to_vec(self).expect("plain numbers and one string always serialise");
        Sha256::digest(&json).into()
    }

    fn check_ranges(&self) -> Result<(), ParameterError> {
        let words = self.words().bits();
        let n = self.polynomial_size;
        let batched = self.words() == WordSize::Bits32;
        let rules = [
            (self.name.len() <= 64, "name", "up to 64 bytes"),
            (
                is_size(n, 512),
                "polynomial_size",
                "a power of two from 512 to 16384",
            ),
            ((1..=8).contains(&self.glwe_dimension), "glwe_dimension", "1 to 8"),
            (
                !batched || self.glwe_dimension <= 2,
                "glwe_dimension",
                "1 or 2 with blocks",
            ),
            (is_noise(self.glwe_noise_log2), "glwe_noise_log2", "-62 to -2"),
            (is_noise(self.lwe_noise_log2), "lwe_noise_log2", "-62 to -2"),
            (
                (256..=4096).contains(&self.lwe_dimension),
                "lwe_dimension",
                "256 to 4096",
            ),
            (
                (1..=8).contains(&self.lwe_block) && self.lwe_dimension.is_multiple_of(self.lwe_block),
                "lwe_block",
                "1 to 8, dividing lwe_dimension",
            ),
            (
                are_digits(self.rotation_base_log2, self.rotation_levels, 52),
                "rotation_levels",
                "at least 1, with base at most 52 bits in all",
            ),
            (
                !batched || self.rotation_levels <= 3,
                "rotation_levels",
                "1 to 3 with blocks",
            ),
            (
                are_digits(self.key_switch_base_log2, self.key_switch_levels, 52.min(words)),
                "key_switch_levels",
                "at least 1, with base at most 52 bits in all, 32 with blocks",
            ),
            (
                !batched || self.key_switch_base_log2 <= 8,
                "key_switch_base_log2",
                "1 to 8 with blocks",
            ),
            (is_kept(self.input_body_bits), "input_body_bits", "16 to 64"),
            (is_kept(self.key_body_bits), "key_body_bits", "16 to 64"),
            (is_kept(self.exact_answer_bits), "exact_answer_bits", "16 to 64"),
            (is_kept(self.table_answer_bits), "table_answer_bits", "16 to 64"),
        ];
        let packing = self.packing.iter().flat_map(packing_rules);
        match rules.into_iter().chain(packing).find(|(holds, ..)| !holds) {
            Some((_, name, allowed)) => Err(ParameterError::OutOfRange { name, allowed }),
            None => Ok(()),
        }
    }

    fn secrets(&self) -> impl Iterator<Item = Secret> {
        let small = Secret {
            name: "small",
            dimension: self.lwe_dimension,
            block: self.lwe_block,
            noise_log2: self.lwe_noise_log2,
        };
        let large = Secret {
            name: "large",
            dimension: self.large_dimension(),
            block: uniform(),
            noise_log2: self.glwe_noise_log2,
        };
        let packing = self.packing.as_ref().map(|packing| Secret {
            name: "packing",
            dimension: packing.dimension(),
            block: uniform(),
            noise_log2: packing.noise_log2,
        });
        [small, large].into_iter().chain(packing)
    }

    fn check_security(&self) -> Result<(), ParameterError> {
        let weak = self.secrets().find(|secret| {
            security_bits(secret.dimension, secret.block, secret.noise_log2)
                .is_none_or(|bits| bits < MIN_SECURITY_BITS)
        });
        match weak {
            Some(Secret {
                name,
                dimension,
                block,
                ..
            }) => Err(ParameterError::Insecure {
                secret: name,
                dimension,
                block,
                want_bits: MIN_SECURITY_BITS,
            }),
            None => Ok(()),
        }
    }
}

/// What the security of a secret depends on.
struct Secret {
    name: &'static str,
    dimension: usize,
    block: usize,
    noise_log2: f64,
}

/// Whether it holds, the parameter's name in the file, what is allowed.
type Rule = (bool, &'static str, &'static str);

fn packing_rules(packing: &Packing) -> [Rule; 4] {
    [
        (
            is_size(packing.polynomial_size, 64),
            "packing.polynomial_size",
            "a power of two from 64 to 16384",
        ),
        (
            (1..=64).contains(&packing.glwe_dimension),
            "packing.glwe_dimension",
            "1 to 64",
        ),
        (is_noise(packing.noise_log2), "packing.noise_log2", "-62 to -2"),
        (
            are_digits(packing.base_log2, packing.levels, 52),
            "packing.levels",
            "at least 1, with base at most 52 bits in all",
        ),
    ]
}

fn is_size(coefficients: usize, min: usize) -> bool {
    coefficients.is_power_of_two() && (min..=16384).contains(&coefficients)
}

fn are_digits(base_log2: u32, levels: u32, max_bits: u32) -> bool {
    base_log2 >= 1 && levels >= 1 && base_log2.checked_mul(levels).is_some_and(|bits| bits <= max_bits)
}

fn is_kept(bits: u32) -> bool {
    (16..=64).contains(&bits)
}

fn is_noise(log2: f64) -> bool {
    (-62.0..=-2.0).contains(&log2)
}

#[cfg(test)]
mod tests;
