//! The factors `X^e - 1` at the roots of X^N + 1, a different exponent e in each lane.
//!
//! The value of X^e at position p is a product of three small tables per key bit, so that no lane looks
//! into a table of 2 N complex numbers for every root (position p = 64 y + 8 x + z, its bits reversed in the
//! root's number): `exp(i pi e / N) w^(e y')`, `w^(e x')` and an eighth root of unity.

use pulp::Simd;

use super::{
    transform::{RADIX, bit_reverse, root, signed},
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

    /// `X^e - 1` at the eight positions of group `group` of M/8.
    #[inline(always)]
    pub(super) fn group<S: Simd>(&self, simd: S, group: usize, out: &mut [Complex<S::f64s>; RADIX]) {
        let coarse = S::as_simd_f64s(&self.coarse).0.as_chunks::<2>().0;
        let middle = S::as_simd_f64s(&self.middle).0.as_chunks::<2>().0;
        let fine = S::as_simd_f64s(&self.fine).0.as_chunks::<2>().0;
        let base = Complex::load(&coarse[group / RADIX]).mul(simd, Complex::load(&middle[group % RADIX]));
        let one = simd.splat_f64s(1.0);
        for (out, fine) in out.iter_mut().zip(fine) {
            let value = base.mul(simd, Complex::load(fine));
            *out = Complex {
                re: simd.sub_f64s(value.re, one),
                im: value.im,
            };
        }
    }
}

impl Monomials {
    pub(super) fn new(size: usize) -> Self {
        Self {
            circle: (0..2 * size).map(|e| root(signed(e), size)).collect(),
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
