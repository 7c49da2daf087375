//! Predicted noise: standard deviations in units of the torus.
//!
//! External product, key switch and switch to positions follow Chillotti, Gama, Georgieva, Izabachene, "TFHE:
//! Fast Fully Homomorphic Encryption over the Torus" (J. Cryptology 2020), sections 3 to 5; the rotation under
//! a secret in blocks follows Lee, Min, Seo, Song, "Faster TFHE Bootstrapping with Block Binary Keys" (AsiaCCS
//! 2023). The tests of `fhe-server` hold measured noise against them.

use crate::{Packing, ParameterSet, WordSize};

/// Second moment of an element of the torus, uniform in -1/2..1/2.
const UNIFORM: f64 = 1.0 / 12.0;
/// Mean of a bit of a uniform binary secret, and of its square.
const UNIFORM_BIT: f64 = 0.5;
/// Squared relative error of a product taken through transforms in double precision, in squared units of
/// 2^-53; from comparing products of digits and torus elements with exact ones at N = 1024 and 2048.
const TRANSFORM_ERROR: f64 = 13.0;

/// Independent noise, as a variance in squared units of the torus.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Noise(f64);

impl Noise {
    /// Noise of standard deviation `sigma`, in units of the torus.
    pub(crate) fn of_sigma(sigma: f64) -> Self {
        Self(sigma * sigma)
    }

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
        self.times(norm * norm)
    }

    /// The noise of a sum of `count` independent terms of this noise.
    #[must_use]
    pub fn times(self, count: f64) -> Self {
        Self(self.0 * count)
    }

    /// The larger of two.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self(self.0.max(other.0))
    }

    /// An encrypted input as the evaluation begins: fresh noise, rounded bodies, rounded words.
    pub fn input(set: &ParameterSet) -> Self {
        Self::from_log2(set.glwe_noise_log2)
            .plus(Self::body_rounding(set.input_body_bits))
            .plus(Self::word_rounding(set))
    }

    /// The result of a table look-up, before it is switched for the answer.
    ///
    /// In a block of b key bits with exponents a_j the accumulator C becomes `C + sum over j of
    /// (X^a_j - 1) (GGSW(s_j) x C)`, with C decomposed once. Per key bit this adds the noise of an external
    /// product times `X^a - 1`, whose squared norm is 2 on average, whatever the bit is. What the
    /// decomposition drops enters only where a bit is 1: in `n / (b + 1)` blocks on average, again times 2.
    pub fn rotation(set: &ParameterSet) -> Self {
        if set.words() == WordSize::Bits64 {
            return Self::uniform_rotation(set);
        }
        let (n, size) = (to_f64(set.lwe_dimension), to_f64(set.polynomial_size));
        let columns = to_f64(set.glwe_dimension + 1);
        let digits = columns * size * digit_moments(set.rotation_base_log2, set.rotation_levels);
        let key = Self::from_log2(set.glwe_noise_log2).plus(Self::body_rounding(set.key_body_bits));
        let products = key.times(digits);
        // Each column is computed by itself, so the errors of the mask meet the secret.
        let under_secret = 1.0 + to_f64(set.large_dimension()) * UNIFORM_BIT;
        let transform =
            Self((-2.0_f64 * 53.0).exp2() * TRANSFORM_ERROR).times(digits * UNIFORM * under_secret);
        let dropped = Self::rounding(set.rotation_base_log2 * set.rotation_levels).times(under_secret);
        products
            .plus(transform)
            .times(2.0 * n)
            .plus(dropped.times(2.0 * n * set.mean_small_bit()))
            .plus(Self::word_rounding(set))
    }

    /// The rotation under a uniform binary secret, a CMUX per key bit.
    fn uniform_rotation(set: &ParameterSet) -> Self {
        let (n, size) = (to_f64(set.lwe_dimension), to_f64(set.polynomial_size));
        let (k, levels) = (to_f64(set.glwe_dimension), f64::from(set.rotation_levels));
        let base = f64::from(set.rotation_base_log2).exp2();
        let key = Self::from_log2(set.glwe_noise_log2).plus(Self::body_rounding(set.key_body_bits));
        let digits = (k + 1.0) * size * digit_moments(set.rotation_base_log2, set.rotation_levels);
        let products = key.times(digits);
        let kept = set.rotation_base_log2 * set.rotation_levels;
        // Half of the key bits are one, so half of the dropped digits of the mask enter, and the body's.
        let dropped = Self::rounding(kept).times(1.0 + k * size * UNIFORM_BIT);
        // A product is taken in double precision, 53 bits, over transforms of this size (measured factor).
        let transform =
            Self(base * base * (-2.0_f64 * 53.0).exp2() * size * size * (k + 1.0) * levels / 12.0);
        products.plus(dropped.times(0.5)).plus(transform).times(n)
    }

    /// What the key switch adds: the key's noise under the digits, the words' rounding to what the digits
    /// cover, and the rounding of the key's own words.
    ///
    /// With 32-bit words the rounding is centred at the mean bit of the large secret, as in
    /// [`Noise::rotation_switch`]. This halves it, and makes it independent between inputs whose masks are
    /// shifts of each other, as those extracted from one ciphertext are.
    pub fn key_switch(set: &ParameterSet) -> Self {
        let large = to_f64(set.large_dimension());
        let mut key = Self::from_log2(set.lwe_noise_log2).plus(Self::body_rounding(set.key_body_bits));
        let mut bit = UNIFORM_BIT;
        if set.words() == WordSize::Bits32 {
            let weight = to_f64(set.lwe_dimension) * set.mean_small_bit();
            key = key.plus(Self::rounding(WordSize::Bits32.bits()).times(1.0 + weight));
            bit -= UNIFORM_BIT * UNIFORM_BIT;
        }
        let digits = large * digit_moments(set.key_switch_base_log2, set.key_switch_levels);
        let kept = set.key_switch_base_log2 * set.key_switch_levels;
        key.times(digits).plus(Self::rounding(kept).times(large * bit))
    }

    /// What switching to the 2 N positions of the rotation adds, centred at the mean key bit m: each mask
    /// word's rounding meets a key bit of variance m (1 - m). Words are rounded independently, so bits of one
    /// block need not be.
    pub fn rotation_switch(set: &ParameterSet) -> Self {
        let mean = set.mean_small_bit();
        let spread = to_f64(set.lwe_dimension) * mean * (1.0 - mean);
        Self::rounding(1 + set.polynomial_size.ilog2()).times(1.0 + spread)
    }

    /// What packing `used` results into one ciphertext adds to each of them: of every one of them the key's
    /// noise under its digits, and its own rounding to what the digits cover.
    pub fn packing(set: &ParameterSet, packing: &Packing, used: usize) -> Self {
        let large = to_f64(set.large_dimension());
        let key = Self::from_log2(packing.noise_log2).plus(Self::body_rounding(set.key_body_bits));
        let digits = large * digit_moments(packing.base_log2, packing.levels);
        let kept = packing.base_log2 * packing.levels;
        key.times(digits * to_f64(used))
            .plus(Self::rounding(kept).times(large * UNIFORM_BIT))
    }

    /// What switching an answer to `bits` bits adds, under the secret its ciphertexts are for.
    pub fn answer_switch(set: &ParameterSet, bits: u32) -> Self {
        let dimension = set
            .packing
            .as_ref()
            .map_or_else(|| set.large_dimension(), Packing::dimension);
        Self::rounding(bits).times(1.0 + to_f64(dimension) * UNIFORM_BIT)
    }

    /// What rounding a ciphertext under the large secret to 32-bit words adds; nothing where words have 64.
    pub fn word_rounding(set: &ParameterSet) -> Self {
        match set.words() {
            WordSize::Bits32 => Self::rounding(WordSize::Bits32.bits())
                .times(1.0 + to_f64(set.large_dimension()) * UNIFORM_BIT),
            WordSize::Bits64 => Self::default(),
        }
    }

    fn body_rounding(bits: u32) -> Self {
        if bits == 64 {
            Self::default()
        } else {
            Self::rounding(bits)
        }
    }
}

/// Sum over the levels of the second moment of a balanced digit of base B = `2^base_log2`.
///
/// A digit is uniform in -B/2..=B/2, the two ends sharing one probability: (B^2 + 2) / 12. Which end is taken
/// depends on the top bit of the digit above (tfhe's rule; the mean is zero): with probability t the digit
/// above, its carry included, cannot be an end and has second moment (B^2 - 3 B + 2) / 12.
fn digit_moments(base_log2: u32, levels: u32) -> f64 {
    let base = f64::from(base_log2).exp2();
    let (mut tie, mut sum) = (0.0, 0.0);
    for _ in 0..levels {
        sum += (base * base + 2.0 - 3.0 * base * tie) / 12.0;
        tie = (1.0 - tie) / base;
    }
    sum
}

/// The noise that decides which entry a look-up lands on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LookUpNoise {
    /// Standard deviation, in table entries: the largest over the channels.
    pub sigma_entries: f64,
    /// The root mean square of it over the channels.
    pub rms_entries: f64,
}

fn to_f64(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

#[cfg(test)]
mod tests;
