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
        "the {secret} secret of dimension {dimension} has no recorded estimate of at least {want_bits} bits"
    )]
    Insecure {
        /// Which secret.
        secret: &'static str,
        /// Its dimension.
        dimension: usize,
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
    lwe_noise_log2: f64,
    rotation_base_log2: u32,
    rotation_levels: u32,
    key_switch_base_log2: u32,
    key_switch_levels: u32,
    input_body_bits: u32,
    key_body_bits: u32,
    exact_answer_bits: u32,
    table_answer_bits: u32,
    /// For people; what counts is this build's own record.
    security: serde_json::Value,
}

/// Parameters that clear the security bound.
///
/// Torus words have 64 bits; noise is a Gaussian whose standard deviation is given as log2 in units of the
/// torus; secrets are uniform binary.
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
            lwe_noise_log2: wire.lwe_noise_log2,
            rotation_base_log2: wire.rotation_base_log2,
            rotation_levels: wire.rotation_levels,
            key_switch_base_log2: wire.key_switch_base_log2,
            key_switch_levels: wire.key_switch_levels,
            input_body_bits: wire.input_body_bits,
            key_body_bits: wire.key_body_bits,
            exact_answer_bits: wire.exact_answer_bits,
            table_answer_bits: wire.table_answer_bits,
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

    /// Security of the weaker of the two secrets by the recorded estimates, in bits.
    pub fn security_bits(&self) -> f64 {
        let small = security_bits(self.lwe_dimension, self.lwe_noise_log2);
        let large = security_bits(self.large_dimension(), self.glwe_noise_log2);
        small.zip(large).map_or(0.0, |(a, b)| a.min(b))
    }

    /// SHA-256 of the canonical JSON form, by which keys, items and receipts name the set.
    pub fn hash(&self) -> [u8; 32] {
        let json = serde_json::to_vec(self).expect("plain numbers and one string always serialise");
        Sha256::digest(&json).into()
    }

    fn check_ranges(&self) -> Result<(), ParameterError> {
        let digits = |base: u32, levels: u32, max: u32| {
            base >= 1 && levels >= 1 && base.checked_mul(levels).is_some_and(|bits| bits <= max)
        };
        let kept = |bits: u32| (16..=64).contains(&bits);
        let noise = |log2: f64| (-62.0..=-2.0).contains(&log2);
        let n = self.polynomial_size;
        let rules = [
            (self.name.len() <= 64, "name", "up to 64 bytes"),
            (
                n.is_power_of_two() && (512..=16384).contains(&n),
                "polynomial_size",
                "a power of two from 512 to 16384",
            ),
            ((1..=8).contains(&self.glwe_dimension), "glwe_dimension", "1 to 8"),
            (noise(self.glwe_noise_log2), "glwe_noise_log2", "-62 to -2"),
            (noise(self.lwe_noise_log2), "lwe_noise_log2", "-62 to -2"),
            (
                (256..=4096).contains(&self.lwe_dimension),
                "lwe_dimension",
                "256 to 4096",
            ),
            (
                digits(self.rotation_base_log2, self.rotation_levels, 52),
                "rotation_levels",
                "at least 1, with base at most 52 bits in all",
            ),
            (
                digits(self.key_switch_base_log2, self.key_switch_levels, 52),
                "key_switch_levels",
                "at least 1, with base at most 52 bits in all",
            ),
            (kept(self.input_body_bits), "input_body_bits", "16 to 64"),
            (kept(self.key_body_bits), "key_body_bits", "16 to 64"),
            (kept(self.exact_answer_bits), "exact_answer_bits", "16 to 64"),
            (kept(self.table_answer_bits), "table_answer_bits", "16 to 64"),
        ];
        match rules.into_iter().find(|(holds, ..)| !holds) {
            Some((_, name, allowed)) => Err(ParameterError::OutOfRange { name, allowed }),
            None => Ok(()),
        }
    }

    fn check_security(&self) -> Result<(), ParameterError> {
        let secrets = [
            ("small", self.lwe_dimension, self.lwe_noise_log2),
            ("large", self.large_dimension(), self.glwe_noise_log2),
        ];
        for (secret, dimension, noise_log2) in secrets {
            let enough = security_bits(dimension, noise_log2).is_some_and(|bits| bits >= MIN_SECURITY_BITS);
            if !enough {
                return Err(ParameterError::Insecure {
                    secret,
                    dimension,
                    want_bits: MIN_SECURITY_BITS,
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPPED: &str = include_str!("../parameters/record-2048.json");

    #[test]
    fn the_shipped_set_has_at_least_130_bits() {
        let set = ParameterSet::from_json(SHIPPED.as_bytes()).unwrap();
        assert!(set.security_bits() >= 132.0, "{}", set.security_bits());
        let stated: serde_json::Value = serde_json::from_str(SHIPPED).unwrap();
        assert!(stated["security"]["bits"].as_f64().unwrap() <= set.security_bits());
    }

    #[test]
    fn refuses_less_noise_than_recorded_whatever_the_file_claims() {
        let weak = SHIPPED.replace("-19.744", "-24.0").replace("132.4", "300.0");
        let error = ParameterSet::from_json(weak.as_bytes()).unwrap_err();
        assert!(
            matches!(
                error,
                ParameterError::Insecure {
                    secret: "small",
                    dimension: 900,
                    ..
                }
            ),
            "{error}"
        );
    }

    #[test]
    fn names_the_parameter_out_of_range() {
        let odd = SHIPPED.replace("\"polynomial_size\": 2048", "\"polynomial_size\": 2047");
        let error = ParameterSet::from_json(odd.as_bytes()).unwrap_err();
        assert!(matches!(
            error,
            ParameterError::OutOfRange {
                name: "polynomial_size",
                ..
            }
        ));
    }

    #[test]
    fn the_hash_changes_with_every_parameter() {
        let set = ParameterSet::from_json(SHIPPED.as_bytes()).unwrap();
        let mut other = set.clone();
        other.table_answer_bits += 1;
        assert_ne!(set.hash(), other.hash());
    }
}
