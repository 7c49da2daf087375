//! Every parameter set the search may choose, as data.
//!
//! Secrets come from the recorded estimates only: a set that no estimate supports is never made. What varies
//! besides is the shape of the rotation and the decompositions.

use obscura_fhe_core::{ParameterError, ParameterSet, RECORDED, RecordedEstimate};
use serde_json::{Value, json};

/// Name of the estimator and its settings, as written into a payload.
pub const ESTIMATOR: &str = "lattice-estimator 27a581bb8e9d49f5e9e2db315bd48ac769d5f5f5 (2026-06-06), SageMath 9.5, \
    reduction cost MATZOV, shape GSA, unlimited samples; secrets in blocks by their covariance and guesses of whole blocks";

/// Dimension and noise of the large secret and of the packing secret: the one recorded row there is.
const LARGE_DIMENSION: usize = 2048;

/// k and N of the rotation, k N = 2048.
const ROTATIONS: [(usize, usize); 2] = [(2, 1024), (1, 2048)];
/// Base and levels of the rotation's decomposition, from coarse to fine.
const ROTATION_DIGITS: [(u32, u32); 6] = [(23, 1), (24, 1), (15, 2), (16, 2), (14, 2), (11, 3)];
/// Base and levels of the key switch's decomposition.
const KEY_SWITCH_DIGITS: [(u32, u32); 11] = [
    (4, 3),
    (4, 4),
    (3, 4),
    (3, 5),
    (3, 6),
    (2, 6),
    (2, 7),
    (2, 8),
    (2, 9),
    (1, 14),
    (1, 16),
];

/// A parameter set before it has been checked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// The recorded estimate its small secret has.
    pub small: RecordedEstimate,
    /// k.
    pub glwe_dimension: usize,
    /// N.
    pub polynomial_size: usize,
    /// Bits of a digit and levels of the rotation.
    pub rotation: (u32, u32),
    /// Bits of a digit and levels of the key switch.
    pub key_switch: (u32, u32),
    /// Whether answers are packed.
    pub packed: bool,
}

impl Candidate {
    /// Every candidate with a block-binary secret, in no order.
    ///
    /// `packed` asks for a packing key; a model with one output element does not use one.
    pub fn all(packed: bool) -> impl Iterator<Item = Self> {
        let secrets = RECORDED.iter().filter(|row| row.block > 1);
        secrets.flat_map(move |&small| {
            ROTATIONS
                .into_iter()
                .flat_map(move |(glwe_dimension, polynomial_size)| {
                    ROTATION_DIGITS.into_iter().flat_map(move |rotation| {
                        KEY_SWITCH_DIGITS.into_iter().map(move |key_switch| Self {
                            small,
                            glwe_dimension,
                            polynomial_size,
                            rotation,
                            key_switch,
                            packed,
                        })
                    })
                })
        })
    }

    /// The payload's `parameters.json`.
    pub fn to_json(&self, name: &str) -> Value {
        let large = large_secret();
        let mut json = json!({
            "format": 1,
            "name": name,
            "polynomial_size": self.polynomial_size,
            "glwe_dimension": self.glwe_dimension,
            "glwe_noise_log2": large.noise_log2,
            "lwe_dimension": self.small.dimension,
            "lwe_block": self.small.block,
            "lwe_noise_log2": self.small.noise_log2,
            "rotation_base_log2": self.rotation.0,
            "rotation_levels": self.rotation.1,
            "key_switch_base_log2": self.key_switch.0,
            "key_switch_levels": self.key_switch.1,
            "input_body_bits": 24,
            "key_body_bits": 52,
            "exact_answer_bits": 38,
            "table_answer_bits": 20,
            "security": {
                "bits": floor_tenth(self.small.bits().min(large.bits())),
                "estimator": ESTIMATOR,
                "lwe": estimate(&self.small),
                "glwe": estimate(&large),
            },
        });
        if self.packed {
            json["packing"] = json!({
                "polynomial_size": 256,
                "glwe_dimension": LARGE_DIMENSION / 256,
                "noise_log2": large.noise_log2,
                "base_log2": 15,
                "levels": 2,
            });
        }
        json
    }

    /// The checked set.
    ///
    /// # Errors
    /// [`ParameterError`] when this build would not run it.
    pub fn to_set(&self, name: &str) -> Result<ParameterSet, ParameterError> {
        ParameterSet::from_json(self.to_json(name).to_string().as_bytes())
    }
}

/// The recorded row of the large secret.
fn large_secret() -> RecordedEstimate {
    let uniform = RECORDED
        .iter()
        .find(|row| row.block == 1 && row.dimension == LARGE_DIMENSION);
    *uniform.expect("a test of this crate looks for the row")
}

fn estimate(row: &RecordedEstimate) -> Value {
    let secret = if row.block > 1 {
        format!(
            "{} blocks of {}, at most one bit set in each",
            row.dimension / row.block,
            row.block
        )
    } else {
        "uniform binary".to_owned()
    };
    json!({
        "secret": secret,
        "usvp": floor_tenth(row.usvp),
        "bdd": floor_tenth(row.bdd),
        "dual_hybrid": floor_tenth(row.dual_hybrid),
        "primal_hybrid": floor_tenth(row.primal_hybrid),
    })
}

/// A figure nobody should read as more than it is.
fn floor_tenth(bits: f64) -> f64 {
    (bits * 10.0).floor() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_candidate_is_a_set_this_build_accepts() {
        assert_eq!(large_secret().dimension, LARGE_DIMENSION);
        let mut count = 0;
        for packed in [false, true] {
            for candidate in Candidate::all(packed) {
                let set = candidate.to_set("candidate").unwrap();
                assert!(set.security_bits() >= 130.0);
                assert_eq!(set.packing.is_some(), packed);
                count += 1;
            }
        }
        assert!(count > 200, "{count}");
    }
}
