//! The factors `X^e - 1` at the roots of X^N + 1, a different exponent e in each lane.
//!
//! The value of X^e at position p is a product of three small tables per key bit, so that no lane looks
//! into a table of 2 N complex numbers for every root (position p = 64 y + 8 x + z, its bits reversed in the
//! root's number): `exp(i pi e / N) w^(e y')`, `w^(e x')` and an eighth root of unity.

use std::f64::consts::PI;

use pulp::Simd;

use super::{
    transform::{RADIX, bit_reverse},
    vector::Complex,
};

/// `exp(i pi e / N)` for e modulo 2 N, and how positions map to roots.
pub(super) struct Monomials {
    circle: Vec<[f64; 2]>,
    size: usize,
}

/// The three tables of one key bit, each number once per lane: `[numbers][re, im][lanes]`.
#[derive(Clone)]
pub(super) struct Factors {
    pub(super) coarse: Vec<f64>,
    pub(super) middle: Vec<f64>,
    pub(super) fine: Vec<f64>,
}

impl Factors {
    /// Room for polynomials of `size` coefficients.
    pub(super) fn new(size: usize, lanes: usize) -> Self {
        let zeros = |numbers: usize| vec![0.0; 2 * numbers * lanes];
        Self {
            coarse: zeros(size / 2 / RADIX / RADIX),
            middle: zeros(RADIX),
            fine: zeros(RADIX),
        }
    }
}

/// A view of [`Factors`].
pub(super) struct FactorVectors<'a, V> {
    coarse: &'a [[V; 2]],
    middle: &'a [[V; 2]; RADIX],
    fine: &'a [[V; 2]; RADIX],
}

impl<'a, V: Copy> FactorVectors<'a, V> {
    /// `None` only for tables of another width.
    #[inline(always)]
    pub(super) fn new<S: Simd<f64s = V>>(factors: &'a Factors) -> Option<Self> {
        Some(Self {
            coarse: S::as_simd_f64s(&factors.coarse).0.as_chunks::<2>().0,
            middle: S::as_simd_f64s(&factors.middle)
                .0
                .as_chunks::<2>()
                .0
                .first_chunk()?,
            fine: S::as_simd_f64s(&factors.fine)
                .0
                .as_chunks::<2>()
                .0
                .first_chunk()?,
        })
    }

    /// X^e at the first of eight positions: number `group` of M/8.
    #[inline(always)]
    pub(super) fn group<S: Simd<f64s = V>>(&self, simd: S, group: usize) -> Complex<V> {
        let coarse = Complex::load(&self.coarse[group / RADIX]);
        coarse.mul(simd, Complex::load(&self.middle[group % RADIX]))
    }

    /// What the value of the group is multiplied with at its position `position` of 8.
    #[inline(always)]
    pub(super) fn within(&self, position: usize) -> Complex<V> {
        Complex::load(&self.fine[position])
    }
}

impl Monomials {
    pub(super) fn new(size: usize) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "below 2^20")]
        let angle = |e: usize| PI * e as f64 / size as f64;
        Self {
            circle: (0..2 * size).map(|e| [angle(e).cos(), angle(e).sin()]).collect(),
            size,
        }
    }

    /// Fills in the tables for one exponent per lane, each below 2 N.
    pub(super) fn fill(&self, exponents: &[u16], factors: &mut Factors) {
        let modulus = 2 * self.size;
        let groups = self.size / 2 / RADIX;
        let coarse = groups / RADIX;
        // Root f of position p is 1 - 4 f; exponents are taken modulo 2 N, so subtracting is adding 2 N.
        let step = |f: usize| modulus - 4 * f % modulus;
        let number = 2 * exponents.len();
        for (y, out) in factors.coarse.chunks_exact_mut(number).enumerate() {
            self.lanes(exponents, step(bit_reverse(y, coarse.ilog2())) + 1, out);
        }
        for (x, out) in factors.middle.chunks_exact_mut(number).enumerate() {
            self.lanes(exponents, step(bit_reverse(x, 3) * coarse), out);
        }
        for (x, out) in factors.fine.chunks_exact_mut(number).enumerate() {
            self.lanes(exponents, step(bit_reverse(x, 3) * groups), out);
        }
    }

    fn lanes(&self, exponents: &[u16], times: usize, out: &mut [f64]) {
        let mask = 2 * self.size - 1;
        let (re, im) = out.split_at_mut(exponents.len());
        for ((&e, re), im) in exponents.iter().zip(re).zip(im) {
            let [cos, sin] = self.circle[usize::from(e).wrapping_mul(times) & mask];
            (*re, *im) = (cos, sin);
        }
    }
}
