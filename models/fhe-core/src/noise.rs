//! Predicted noise: standard deviations in units of the torus.
//!
//! Formulas follow Chillotti, Gama, Georgieva, Izabachene, "TFHE" (J. Cryptology 2020), sections 3 to 5, for
//! external product and key switch, with uniform binary secrets; the tests of `fhe-server` hold measured
//! noise against them.

use crate::ParameterSet;

/// Independent noise, as a variance in squared units of the torus.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Noise(f64);

impl Noise {
    fn from_log2(sigma_log2: f64) -> Self {
        Self((2.0 * sigma_log2).exp2())
    }

    /// Noise of rounding to `bits` bits: uniform over one unit.
    fn rounding(bits: u32) -> Self {
        Self((-2.0 * f64::from(bits)).exp2() / 12.0)
    }

    /// Standard deviation, in units of the torus.
    pub fn sigma(self) -> f64 {
        self.0.sqrt()
    }

    /// The noise of a sum of independent terms.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }

    /// The noise of independent terms under weights of 2-norm `norm`.
    #[must_use]
    pub fn times_norm(self, norm: f64) -> Self {
        Self(self.0 * norm * norm)
    }

    fn times(self, count: f64) -> Self {
        Self(self.0 * count)
    }

    /// An encrypted input as it arrives: fresh noise and rounded bodies.
    pub fn input(set: &ParameterSet) -> Self {
        Self::from_log2(set.glwe_noise_log2).plus(Self::body_rounding(set.input_body_bits))
    }

    /// The result of a table look-up, before it is switched for the answer.
    pub fn rotation(set: &ParameterSet) -> Self {
        let (n, size) = (to_f64(set.lwe_dimension), to_f64(set.polynomial_size));
        let (k, levels) = (to_f64(set.glwe_dimension), f64::from(set.rotation_levels));
        let base = f64::from(set.rotation_base_log2).exp2();
        let key = Self::from_log2(set.glwe_noise_log2).plus(Self::body_rounding(set.key_body_bits));
        let products = key.times(levels * (k + 1.0) * size * (base * base + 2.0) / 12.0);
        let kept = set.rotation_base_log2 * set.rotation_levels;
        // Half of the key bits are one, so half of the dropped digits of the mask enter, and the body's.
        let dropped = Self::rounding(kept).times(1.0 + k * size / 2.0);
        // A product is taken in double precision, 53 bits, over transforms of this size (measured factor).
        let transform =
            Self(base * base * (-2.0_f64 * 53.0).exp2() * size * size * (k + 1.0) * levels / 12.0);
        products.plus(dropped.times(0.5)).plus(transform).times(n)
    }

    /// What the key switch adds.
    pub fn key_switch(set: &ParameterSet) -> Self {
        let large = to_f64(set.large_dimension());
        let base = f64::from(set.key_switch_base_log2).exp2();
        let key = Self::from_log2(set.lwe_noise_log2).plus(Self::body_rounding(set.key_body_bits));
        let products = key.times(large * f64::from(set.key_switch_levels) * (base * base + 2.0) / 12.0);
        let kept = set.key_switch_base_log2 * set.key_switch_levels;
        products.plus(Self::rounding(kept).times(large / 2.0))
    }

    /// What switching to the 2 N positions of the rotation adds, centred at the mean key bit of one half.
    pub fn rotation_switch(set: &ParameterSet) -> Self {
        let positions = Self::rounding(1 + set.polynomial_size.ilog2());
        positions.times(1.0 + to_f64(set.lwe_dimension) / 4.0)
    }

    /// What switching an answer of the large dimension to `bits` bits adds.
    pub fn answer_switch(set: &ParameterSet, bits: u32) -> Self {
        Self::rounding(bits).times(1.0 + to_f64(set.large_dimension()) / 2.0)
    }

    fn body_rounding(bits: u32) -> Self {
        if bits == 64 {
            Self::default()
        } else {
            Self::rounding(bits)
        }
    }
}

/// The noise that decides which entry a look-up lands on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LookUpNoise {
    /// Standard deviation, in table entries.
    pub sigma_entries: f64,
}

fn to_f64(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}
