//! Complex arithmetic on vectors whose lanes are different ciphertexts.
//!
//! Nothing here ever moves a number from one lane to another: constants are broadcast, so transforms and
//! products need no shuffles, and the same code runs with eight lanes, four or one.

use pulp::Simd;

/// One complex number per lane.
#[derive(Clone, Copy)]
pub(super) struct Complex<V> {
    pub(super) re: V,
    pub(super) im: V,
}

/// `a * b + c`, fused where the processor has it.
#[inline(always)]
pub(super) fn mul_add<S: Simd>(simd: S, a: S::f64s, b: S::f64s, c: S::f64s) -> S::f64s {
    if S::F64_LANES == 1 {
        // Plain code must not call a software fused multiply-add.
        simd.add_f64s(simd.mul_f64s(a, b), c)
    } else {
        simd.mul_add_e_f64s(a, b, c)
    }
}

/// `c - a * b`, fused where the processor has it.
#[inline(always)]
pub(super) fn mul_sub<S: Simd>(simd: S, a: S::f64s, b: S::f64s, c: S::f64s) -> S::f64s {
    if S::F64_LANES == 1 {
        simd.sub_f64s(c, simd.mul_f64s(a, b))
    } else {
        simd.negate_mul_add_e_f64s(a, b, c)
    }
}

impl<V: Copy> Complex<V> {
    #[inline(always)]
    pub(super) fn add<S: Simd<f64s = V>>(self, simd: S, other: Self) -> Self {
        Self {
            re: simd.add_f64s(self.re, other.re),
            im: simd.add_f64s(self.im, other.im),
        }
    }

    #[inline(always)]
    pub(super) fn sub<S: Simd<f64s = V>>(self, simd: S, other: Self) -> Self {
        Self {
            re: simd.sub_f64s(self.re, other.re),
            im: simd.sub_f64s(self.im, other.im),
        }
    }

    #[inline(always)]
    pub(super) fn mul<S: Simd<f64s = V>>(self, simd: S, factor: Self) -> Self {
        let (re, im) = (
            simd.mul_f64s(self.im, factor.im),
            simd.mul_f64s(self.im, factor.re),
        );
        Self {
            re: msub(simd, self.re, factor.re, re),
            im: mul_add(simd, self.re, factor.im, im),
        }
    }

    /// The product with a constant of all lanes.
    #[inline(always)]
    pub(super) fn scale<S: Simd<f64s = V>>(self, simd: S, factor: [f64; 2]) -> Self {
        self.mul(simd, splat(simd, factor))
    }

    /// `self + a * b`.
    #[inline(always)]
    pub(super) fn add_product<S: Simd<f64s = V>>(self, simd: S, a: Self, b: Self) -> Self {
        let re = mul_add(simd, a.re, b.re, self.re);
        let im = mul_add(simd, a.re, b.im, self.im);
        Self {
            re: mul_sub(simd, a.im, b.im, re),
            im: mul_add(simd, a.im, b.re, im),
        }
    }

    /// Real and imaginary part exchanged: turns a transform into its inverse.
    #[inline(always)]
    pub(super) fn swap(self) -> Self {
        Self {
            re: self.im,
            im: self.re,
        }
    }

    /// Real part, then imaginary part, as they stand in memory.
    #[inline(always)]
    pub(super) fn load(pair: &[V; 2]) -> Self {
        Self {
            re: pair[0],
            im: pair[1],
        }
    }

    /// Reverses [`Self::load`].
    #[inline(always)]
    pub(super) fn store(self, pair: &mut [V; 2]) {
        *pair = [self.re, self.im];
    }
}

/// `a * b - c`, fused where the processor has it.
#[inline(always)]
fn msub<S: Simd>(simd: S, a: S::f64s, b: S::f64s, c: S::f64s) -> S::f64s {
    mul_add(simd, a, b, simd.neg_f64s(c))
}

/// A complex constant in all lanes.
#[inline(always)]
pub(super) fn splat<S: Simd>(simd: S, value: [f64; 2]) -> Complex<S::f64s> {
    Complex {
        re: simd.splat_f64s(value[0]),
        im: simd.splat_f64s(value[1]),
    }
}

/// Adding and subtracting this rounds numbers of magnitude below 2^51 to the nearest integer.
const ROUNDER: f64 = 6_755_399_441_055_744.0;

/// `round(a * b)`; exact ties go to even.
#[inline(always)]
pub(super) fn round_product<S: Simd>(simd: S, a: S::f64s, b: S::f64s) -> S::f64s {
    let rounder = simd.splat_f64s(ROUNDER);
    simd.sub_f64s(mul_add(simd, a, b, rounder), rounder)
}

/// `a` modulo 1, in -1/2..=1/2.
#[inline(always)]
pub(super) fn wrap<S: Simd>(simd: S, a: S::f64s) -> S::f64s {
    let rounder = simd.splat_f64s(ROUNDER);
    simd.sub_f64s(a, simd.sub_f64s(simd.add_f64s(a, rounder), rounder))
}
