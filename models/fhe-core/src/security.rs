//! The recorded security estimates and the bound below which no parameters are accepted.
//!
//! Estimates are of the lattice estimator (<https://github.com/malb/lattice-estimator>), commit
//! `27a581bb8e9d49f5e9e2db315bd48ac769d5f5f5` of 2026-06-06 under SageMath 9.5, with its default cost model
//! (MATZOV, GSA), q = 2^64, unlimited samples: the cheapest of uSVP, BDD, dual hybrid and primal hybrid.
//! They assume circular security, as all TFHE bootstrapping does.

/// Least accepted security, in bits: 128 and a margin of two.
pub const MIN_SECURITY_BITS: f64 = 130.0;

/// One run of the estimator.
#[derive(Clone, Copy, Debug)]
pub struct RecordedEstimate {
    /// LWE dimension, uniform binary secret.
    pub dimension: usize,
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

/// Every recorded estimate for uniform binary secrets.
pub const RECORDED: [RecordedEstimate; 5] = [
    row(768, -16.46, [139.513, 136.854, 132.470, 166.603]),
    row(880, -19.2462, [138.727, 136.489, 132.469, 165.926]),
    row(900, -19.744, [138.736, 136.394, 132.489, 165.775]),
    row(920, -20.2418, [138.531, 136.363, 132.009, 165.783]),
    row(2048, -48.32, [136.054, 134.917, 133.089, 162.943]),
];

const fn row(dimension: usize, noise_log2: f64, bits: [f64; 4]) -> RecordedEstimate {
    let [usvp, bdd, dual_hybrid, primal_hybrid] = bits;
    RecordedEstimate {
        dimension,
        noise_log2,
        usvp,
        bdd,
        dual_hybrid,
        primal_hybrid,
    }
}

/// Security of LWE with a uniform binary secret, in bits, by the best recorded row it is at least as hard
/// as: dimension and noise both no smaller. `None` when no row supports it.
///
/// More dimensions or more noise never help an attacker, so a row is a lower bound for all that dominate it.
pub fn security_bits(dimension: usize, noise_log2: f64) -> Option<f64> {
    let dominated = |r: &&RecordedEstimate| dimension >= r.dimension && noise_log2 >= r.noise_log2;
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
        assert_eq!(security_bits(900, -19.744), Some(132.489));
        assert_eq!(security_bits(899, -19.744), None);
        assert_eq!(security_bits(900, -19.745), None);
        assert!(security_bits(901, -19.0).is_some());
    }
}
