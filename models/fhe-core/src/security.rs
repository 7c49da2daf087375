//! The recorded security estimates and the bound below which no parameters are accepted.
//!
//! Estimates are of the lattice estimator (<https://github.com/malb/lattice-estimator>), commit
//! `27a581bb8e9d49f5e9e2db315bd48ac769d5f5f5` of 2026-06-06 under SageMath 9.5, with its default cost model
//! (MATZOV, GSA), q = 2^64, unlimited samples: the cheapest of uSVP, BDD, dual hybrid and primal hybrid.
//! Secrets in blocks are estimated for an attacker who uses the blocks: their covariance, and guesses of whole
//! blocks. `parameters/estimates.json` holds inputs and outputs of every run, `parameters/estimate.py` makes
//! them. All assume circular security, as all TFHE bootstrapping does.

/// Least accepted security, in bits: 128 and a margin of two.
pub const MIN_SECURITY_BITS: f64 = 130.0;

/// One run of the estimator.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RecordedEstimate {
    /// LWE dimension.
    pub dimension: usize,
    /// Key bits of a block, at most one of them 1; 1 for a uniform binary secret.
    pub block: usize,
    /// log2 of the noise's standard deviation, in units of the torus.
    pub noise_log2: f64,
    /// log2 of the cost of primal uSVP.
    pub usvp: f64,
    /// log2 of the cost of primal BDD.
    pub bdd: f64,
    /// log2 of the cost of the dual hybrid attack.
    pub dual_hybrid: f64,
    /// log2 of the cost of the primal hybrid attack (meet in the middle, Babai).
    pub primal_hybrid: f64,
}

impl RecordedEstimate {
    /// The cheapest attack.
    pub fn bits(&self) -> f64 {
        self.usvp
            .min(self.bdd)
            .min(self.dual_hybrid)
            .min(self.primal_hybrid)
    }
}

/// Every recorded estimate: dimension, block, noise, then uSVP, BDD, dual hybrid, primal hybrid.
pub const RECORDED: &[RecordedEstimate] = &[
    row(768, 1, -16.46, [139.513, 136.854, 132.470, 166.603]),
    row(880, 1, -19.2462, [138.727, 136.489, 132.469, 165.926]),
    row(900, 1, -19.744, [138.736, 136.394, 132.489, 165.775]),
    row(920, 1, -20.2418, [138.531, 136.363, 132.009, 165.783]),
    row(2048, 1, -48.32, [136.054, 134.917, 133.089, 162.943]),
    row(780, 3, -16.36, [139.268, 136.683, 130.638, 145.430]),
    row(780, 4, -16.24, [139.197, 136.465, 130.159, 137.714]),
    row(800, 4, -16.74, [138.999, 136.425, 130.180, 138.049]),
    row(828, 4, -17.44, [138.804, 136.294, 130.208, 138.514]),
    row(735, 5, -14.86, [140.416, 137.469, 130.950, 130.895]),
    row(755, 5, -15.46, [139.405, 136.630, 130.362, 130.797]),
    row(785, 5, -16.24, [138.969, 136.384, 130.161, 131.378]),
    row(805, 5, -16.74, [138.988, 136.331, 130.182, 131.827]),
    row(830, 5, -17.36, [138.806, 136.358, 130.208, 132.385]),
    row(905, 5, -19.25, [138.411, 136.037, 130.163, 133.703]),
];

const fn row(dimension: usize, block: usize, noise_log2: f64, bits: [f64; 4]) -> RecordedEstimate {
    let [usvp, bdd, dual_hybrid, primal_hybrid] = bits;
    RecordedEstimate {
        dimension,
        block,
        noise_log2,
        usvp,
        bdd,
        dual_hybrid,
        primal_hybrid,
    }
}

/// Security of LWE with a secret of blocks of `block` bits (1: uniform binary), in bits, by the best recorded
/// row it is at least as hard as: the same block, dimension and noise both no smaller. `None` when no row
/// supports it.
///
/// More dimensions or more noise never help an attacker, so a row is a lower bound for all that dominate it.
pub fn security_bits(dimension: usize, block: usize, noise_log2: f64) -> Option<f64> {
    let dominated =
        |r: &&RecordedEstimate| block == r.block && dimension >= r.dimension && noise_log2 >= r.noise_log2;
    RECORDED
        .iter()
        .filter(dominated)
        .map(RecordedEstimate::bits)
        .reduce(f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_recorded_row_clears_the_bound() {
        assert!(RECORDED.iter().all(|r| r.bits() >= MIN_SECURITY_BITS));
    }

    #[test]
    fn gives_no_credit_beyond_the_record() {
        assert_eq!(security_bits(900, 1, -19.744), Some(132.489));
        assert_eq!(security_bits(899, 1, -19.744), None);
        assert_eq!(security_bits(900, 1, -19.745), None);
        assert!(security_bits(901, 1, -19.0).is_some());
    }

    #[test]
    fn gives_no_credit_across_kinds_of_secrets() {
        assert!(security_bits(800, 4, -16.74).is_some_and(|bits| bits >= 130.0));
        assert_eq!(security_bits(800, 1, -18.0), None);
        assert_eq!(security_bits(4000, 2, -16.74), None);
    }

    #[test]
    fn the_record_is_what_the_estimator_wrote() {
        let file: serde_json::Value =
            serde_json::from_str(include_str!("../parameters/estimates.json")).unwrap();
        let rows = file["rows"].as_array().unwrap();
        let number = |row: &serde_json::Value, name: &str| row[name].as_f64().unwrap();
        let recorded = |row: &serde_json::Value| RecordedEstimate {
            dimension: serde_json::from_value(row["dimension"].clone()).unwrap(),
            block: serde_json::from_value(row["block"].clone()).unwrap(),
            noise_log2: number(row, "noise_log2"),
            usvp: number(row, "usvp"),
            bdd: number(row, "bdd"),
            dual_hybrid: number(row, "dual_hybrid"),
            primal_hybrid: number(row, "primal_hybrid"),
        };
        assert_eq!(rows.iter().map(recorded).collect::<Vec<_>>(), RECORDED);
    }
}
