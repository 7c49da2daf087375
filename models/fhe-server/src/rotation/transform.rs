//! The negacyclic transform, on vectors whose lanes are different polynomials.
//!
//! A polynomial of N real coefficients is evaluated at the M = N/2 roots `exp(i pi (1 - 4 f) / N)` of
//! X^N + 1; the value at root f stands at position `bit_reverse(f)`, so neither direction permutes. The first
//! pass also decomposes and twists, the last also untwists and adds to the accumulator; the passes between
//! work on one eighth of the values, which stays in the nearest caches. Source: Bernstein, "The tangent FFT"
//! (2007), section 2, for the twisted split; the order of passes is ours.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use pulp::{Simd, WithSimd};

use super::vector::{Complex, mul_add, mul_sub, round_product, splat, wrap};

/// Points of one butterfly.
pub(super) const RADIX: usize = 8;

/// The constants of all passes for one polynomial size.
pub(super) struct Transform {
    /// N.
    size: usize,
    /// `exp(i pi r / 16)`: what point r of the first butterfly is multiplied with.
    entry: [[f64; 2]; RADIX],
    /// `exp(i pi j (1 - 4 q) / N)`, `[M/8][8]`, outputs in place order (bit-reversed q).
    first: Vec<[[f64; 2]; RADIX]>,
    /// The passes on one eighth, largest blocks first.
    middle: Vec<Pass>,
}

/// One pass of radix 2, 4 or 8 over blocks of `block` points.
struct Pass {
    block: usize,
    radix: usize,
    /// `exp(-2 pi i j q / block)`, `[block / radix][radix]`, outputs in place order.
    twiddles: Vec<[f64; 2]>,
}

/// `exp(i pi numerator / denominator)`, each part rounded once: the angle is folded into an eighth of the circle
/// first, or its own rounding would be several times that of the result.
pub(super) fn root(numerator: i64, denominator: usize) -> [f64; 2] {
    let half = i64::try_from(denominator).unwrap_or(i64::MAX);
    // In units of a quarter of pi / denominator, so that every fold is between integers.
    let turned = (4 * numerator).rem_euclid(8 * half);
    let (quarter, rest) = (turned / (2 * half), turned % (2 * half));
    let angle = |rest: i64| {
        #[expect(clippy::cast_precision_loss, reason = "both are below 2^20")]
        let ratio = rest as f64 / (4 * half) as f64;
        PI * ratio
    };
    let (cos, sin) = if rest <= half {
        (angle(rest).cos(), angle(rest).sin())
    } else {
        (angle(2 * half - rest).sin(), angle(2 * half - rest).cos())
    };
    match quarter {
        0 => [cos, sin],
        1 => [-sin, cos],
        2 => [-cos, -sin],
        _ => [sin, -cos],
    }
}

/// The lowest `bits` bits of `index`, reversed.
pub(super) fn bit_reverse(index: usize, bits: u32) -> usize {
    if bits == 0 {
        0
    } else {
        index.reverse_bits() >> (usize::BITS - bits)
    }
}

/// A small index as a signed factor of angles.
pub(super) fn signed(index: usize) -> i64 {
    i64::try_from(index).unwrap_or(i64::MAX)
}

impl Transform {
    /// The constants for polynomials of `size` coefficients, a power of two of at least 256.
    pub(super) fn new(size: usize) -> Self {
        let points = size / 2;
        let first = (0..points / RADIX)
            .map(|j| {
                std::array::from_fn(|place| root(signed(j) * (1 - 4 * signed(bit_reverse(place, 3))), size))
            })
            .collect();
        let mut middle = Vec::new();
        let mut block = points / RADIX;
        while block > 1 {
            let radix = match block {
                2 | 16 => 2,
                4 | 32 => 4,
                _ => 8,
            };
            let twiddle = |index: usize| {
                let (j, place) = (index / radix, index % radix);
                root(-2 * signed(j * bit_reverse(place, radix.ilog2())), block)
            };
            middle.push(Pass {
                block,
                radix,
                twiddles: (0..block).map(twiddle).collect(),
            });
            block /= radix;
        }
        Self {
            size,
            entry: std::array::from_fn(|r| root(signed(r), 16)),
            first,
            middle,
        }
    }

    /// Points of the transform, M.
    pub(super) fn points(&self) -> usize {
        self.size / 2
    }

    /// First pass of one polynomial `[N]`, once per level of its decomposition.
    ///
    /// `digits[l]`, `[M]`, receives the partly transformed digits of level `l + 1`: the polynomial is
    /// about the sum over l of digits[l] / base^(l + 1).
    #[inline(always)]
    fn decompose<S: Simd, const LEVELS: usize>(
        &self,
        simd: S,
        base: f64,
        polynomial: &[S::f64s],
        digits: [&mut [[S::f64s; 2]]; LEVELS],
    ) {
        let eighth = self.first.len();
        let base = simd.splat_f64s(base);
        let (low, high) = polynomial.split_at(polynomial.len() / 2);
        let (low, high) = (eighths(low, eighth), eighths(high, eighth));
        let mut digits = digits.map(|level| eighths_mut(level, eighth));
        for j in 0..eighth {
            let mut rest = [splat(simd, [0.0; 2]); RADIX];
            for r in 0..RADIX {
                rest[r] = Complex {
                    re: low[r][j],
                    im: high[r][j],
                };
            }
            for level in &mut digits {
                let mut x = rest;
                for r in 0..RADIX {
                    let rounded = Complex {
                        re: round_product(simd, rest[r].re, base),
                        im: round_product(simd, rest[r].im, base),
                    };
                    // What is left of base * rest: exact, because both are multiples of one unit.
                    rest[r] = Complex {
                        re: mul_add(simd, rest[r].re, base, simd.neg_f64s(rounded.re)),
                        im: mul_add(simd, rest[r].im, base, simd.neg_f64s(rounded.im)),
                    };
                    x[r] = if r == 0 {
                        rounded
                    } else {
                        rounded.scale(simd, self.entry[r])
                    };
                }
                let y = butterfly8(simd, x);
                for place in 0..RADIX {
                    y[place]
                        .scale(simd, self.first[j][place])
                        .store(&mut level[place][j]);
                }
            }
        }
    }

    /// First pass of a polynomial `[N]` as it is, without decomposition.
    #[inline(always)]
    fn first<S: Simd>(&self, simd: S, polynomial: &[S::f64s], out: &mut [[S::f64s; 2]]) {
        let eighth = self.first.len();
        let (low, high) = polynomial.split_at(polynomial.len() / 2);
        let (low, high) = (eighths(low, eighth), eighths(high, eighth));
        let out = eighths_mut(out, eighth);
        for j in 0..eighth {
            let mut x = [splat(simd, [0.0; 2]); RADIX];
            for r in 0..RADIX {
                let value = Complex {
                    re: low[r][j],
                    im: high[r][j],
                };
                x[r] = value.scale(simd, self.entry[r]);
            }
            let y = butterfly8(simd, x);
            for place in 0..RADIX {
                y[place]
                    .scale(simd, self.first[j][place])
                    .store(&mut out[place][j]);
            }
        }
    }

    /// The passes after the first, on one eighth `[M/8]` of the values.
    #[inline(always)]
    fn finish_eighth<S: Simd>(&self, simd: S, values: &mut [[S::f64s; 2]]) {
        for pass in &self.middle {
            for block in values.chunks_exact_mut(pass.block) {
                match (pass.radix, pass.block) {
                    (8, 8) => forward_last::<S, Eight, 8>(simd, block),
                    (8, _) => pass.forward::<S, Eight, 8>(simd, block),
                    (4, _) => pass.forward::<S, Four, 4>(simd, block),
                    _ => pass.forward::<S, Two, 2>(simd, block),
                }
            }
        }
    }

    /// Reverses [`Self::finish_eighth`], but for a factor of M/8.
    #[inline(always)]
    fn begin_eighth<S: Simd>(&self, simd: S, values: &mut [[S::f64s; 2]]) {
        for pass in self.middle.iter().rev() {
            for block in values.chunks_exact_mut(pass.block) {
                match (pass.radix, pass.block) {
                    (8, 8) => backward_first::<S, Eight, 8>(simd, block),
                    (8, _) => pass.backward::<S, Eight, 8>(simd, block),
                    (4, _) => pass.backward::<S, Four, 4>(simd, block),
                    _ => pass.backward::<S, Two, 2>(simd, block),
                }
            }
        }
    }

    /// Last pass back: untwists `values` `[M]` and adds them to `polynomial` `[N]`, modulo 1.
    #[inline(always)]
    fn accumulate<S: Simd>(&self, simd: S, values: &[[S::f64s; 2]], polynomial: &mut [S::f64s]) {
        let eighth = self.first.len();
        #[expect(clippy::cast_precision_loss, reason = "a power of two")]
        let scale = simd.splat_f64s(1.0 / self.points() as f64);
        let (low, high) = polynomial.split_at_mut(polynomial.len() / 2);
        let (low, high) = (eighths_mut(low, eighth), eighths_mut(high, eighth));
        let values = eighths(values, eighth);
        for j in 0..eighth {
            let mut x = [splat(simd, [0.0; 2]); RADIX];
            for place in 0..RADIX {
                let [re, im] = self.first[j][place];
                let value = Complex::load(&values[place][j]).scale(simd, [re, -im]);
                x[REVERSED[place]] = value.swap();
            }
            let y = butterfly8(simd, x);
            for place in 0..RADIX {
                let r = REVERSED[place];
                let [re, im] = self.entry[r];
                let value = y[place].swap();
                let value = if r == 0 {
                    value
                } else {
                    value.scale(simd, [re, -im])
                };
                low[r][j] = wrap(simd, mul_add(simd, value.re, scale, low[r][j]));
                high[r][j] = wrap(simd, mul_add(simd, value.im, scale, high[r][j]));
            }
        }
    }
}

/// [`Transform::decompose`] into rows that begin `step` numbers apart, the finest level first.
pub(super) struct Decompose<'a> {
    pub(super) transform: &'a Transform,
    pub(super) base_log2: u32,
    pub(super) levels: usize,
    pub(super) polynomial: &'a [f64],
    pub(super) rows: &'a mut [f64],
    pub(super) step: usize,
}

impl Decompose<'_> {
    #[inline(always)]
    fn run<S: Simd, const LEVELS: usize>(self, simd: S) {
        let len = self.polynomial.len();
        let mut rest = Some(self.rows);
        let mut digits = [(); LEVELS].map(|()| {
            let (row, behind) = rest.take().unwrap_or_default().split_at_mut(len);
            rest = behind.get_mut(self.step - len..);
            complex_mut::<S>(row)
        });
        digits.reverse();
        let base = f64::from(self.base_log2).exp2();
        self.transform
            .decompose(simd, base, S::as_simd_f64s(self.polynomial).0, digits);
    }
}

impl WithSimd for Decompose<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match self.levels {
            1 => self.run::<S, 1>(simd),
            2 => self.run::<S, 2>(simd),
            _ => self.run::<S, 3>(simd),
        }
    }
}

/// [`Transform::first`].
pub(super) struct First<'a> {
    pub(super) transform: &'a Transform,
    pub(super) polynomial: &'a [f64],
    pub(super) values: &'a mut [f64],
}

impl WithSimd for First<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let polynomial = S::as_simd_f64s(self.polynomial).0;
        self.transform
            .first(simd, polynomial, complex_mut::<S>(self.values));
    }
}

/// [`Transform::finish_eighth`].
pub(super) struct FinishEighth<'a> {
    pub(super) transform: &'a Transform,
    pub(super) values: &'a mut [f64],
}

impl WithSimd for FinishEighth<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        self.transform.finish_eighth(simd, complex_mut::<S>(self.values));
    }
}

/// [`Transform::begin_eighth`].
pub(super) struct BeginEighth<'a> {
    pub(super) transform: &'a Transform,
    pub(super) values: &'a mut [f64],
}

impl WithSimd for BeginEighth<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        self.transform.begin_eighth(simd, complex_mut::<S>(self.values));
    }
}

/// [`Transform::accumulate`].
pub(super) struct Accumulate<'a> {
    pub(super) transform: &'a Transform,
    pub(super) values: &'a [f64],
    pub(super) polynomial: &'a mut [f64],
}

impl WithSimd for Accumulate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let values = S::as_simd_f64s(self.values).0.as_chunks::<2>().0;
        self.transform
            .accumulate(simd, values, S::as_mut_simd_f64s(self.polynomial).0);
    }
}

/// Numbers as complex vectors.
#[inline(always)]
pub(super) fn complex_mut<S: Simd>(numbers: &mut [f64]) -> &mut [[S::f64s; 2]] {
    S::as_mut_simd_f64s(numbers).0.as_chunks_mut::<2>().0
}

/// `bit_reverse` of three bits.
const REVERSED: [usize; RADIX] = [0, 4, 2, 6, 1, 5, 3, 7];

/// The first `len` elements of each eighth of `all`, so that loops need no bounds checks; what an eighth has
/// beyond is padding.
#[inline(always)]
fn eighths<T>(all: &[T], len: usize) -> [&[T]; RADIX] {
    let mut parts = [&[][..]; RADIX];
    for (part, chunk) in parts.iter_mut().zip(all.chunks_exact(all.len() / RADIX)) {
        *part = chunk;
    }
    parts.map(|part| &part[..len])
}

#[inline(always)]
fn eighths_mut<T>(all: &mut [T], len: usize) -> [&mut [T]; RADIX] {
    let stride = all.len() / RADIX;
    split::<T, RADIX>(all, stride).map(|part| &mut part[..len])
}

/// R slices of `len` elements.
#[inline(always)]
fn split<T, const R: usize>(all: &mut [T], len: usize) -> [&mut [T]; R] {
    let mut rest = all;
    std::array::from_fn(|_| {
        let (part, behind) = std::mem::take(&mut rest).split_at_mut(len);
        rest = behind;
        part
    })
}

impl Pass {
    #[inline(always)]
    fn forward<S: Simd, B: Butterfly<R>, const R: usize>(&self, simd: S, block: &mut [[S::f64s; 2]]) {
        let stride = self.block / R;
        let parts = split::<_, R>(block, stride);
        let twiddles = &self.twiddles.as_chunks::<R>().0[..stride];
        for j in 0..stride {
            let mut x = [splat(simd, [0.0; 2]); R];
            for r in 0..R {
                x[r] = Complex::load(&parts[r][j]);
            }
            let y = B::apply(simd, x);
            y[0].store(&mut parts[0][j]);
            for place in 1..R {
                y[place]
                    .scale(simd, twiddles[j][place])
                    .store(&mut parts[place][j]);
            }
        }
    }

    #[inline(always)]
    fn backward<S: Simd, B: Butterfly<R>, const R: usize>(&self, simd: S, block: &mut [[S::f64s; 2]]) {
        let stride = self.block / R;
        let parts = split::<_, R>(block, stride);
        let twiddles = &self.twiddles.as_chunks::<R>().0[..stride];
        for j in 0..stride {
            let mut x = [splat(simd, [0.0; 2]); R];
            x[0] = Complex::load(&parts[0][j]).swap();
            for place in 1..R {
                let [re, im] = twiddles[j][place];
                let value = Complex::load(&parts[place][j]).scale(simd, [re, -im]);
                x[REVERSED[place] * R / RADIX] = value.swap();
            }
            let y = B::apply(simd, x);
            for place in 0..R {
                y[place].swap().store(&mut parts[REVERSED[place] * R / RADIX][j]);
            }
        }
    }
}

/// A pass over neighbours, without twiddles.
#[inline(always)]
fn forward_last<S: Simd, B: Butterfly<R>, const R: usize>(simd: S, block: &mut [[S::f64s; 2]]) {
    for block in block.as_chunks_mut::<R>().0 {
        let mut x = [splat(simd, [0.0; 2]); R];
        for r in 0..R {
            x[r] = Complex::load(&block[r]);
        }
        let y = B::apply(simd, x);
        for place in 0..R {
            y[place].store(&mut block[place]);
        }
    }
}

/// Reverses [`forward_last`].
#[inline(always)]
fn backward_first<S: Simd, B: Butterfly<R>, const R: usize>(simd: S, block: &mut [[S::f64s; 2]]) {
    for block in block.as_chunks_mut::<R>().0 {
        let mut x = [splat(simd, [0.0; 2]); R];
        for place in 0..R {
            x[REVERSED[place] * R / RADIX] = Complex::load(&block[place]).swap();
        }
        let y = B::apply(simd, x);
        for place in 0..R {
            y[place].swap().store(&mut block[REVERSED[place] * R / RADIX]);
        }
    }
}

/// A small transform, outputs in bit-reversed order. A trait, because a function passed as a value would not
/// be compiled for the processor that was found.
trait Butterfly<const R: usize> {
    fn apply<S: Simd>(simd: S, x: [Complex<S::f64s>; R]) -> [Complex<S::f64s>; R];
}

struct Two;
struct Four;
struct Eight;

impl Butterfly<2> for Two {
    #[inline(always)]
    fn apply<S: Simd>(simd: S, x: [Complex<S::f64s>; 2]) -> [Complex<S::f64s>; 2] {
        butterfly2(simd, x)
    }
}

impl Butterfly<4> for Four {
    #[inline(always)]
    fn apply<S: Simd>(simd: S, x: [Complex<S::f64s>; 4]) -> [Complex<S::f64s>; 4] {
        butterfly4(simd, x)
    }
}

impl Butterfly<8> for Eight {
    #[inline(always)]
    fn apply<S: Simd>(simd: S, x: [Complex<S::f64s>; 8]) -> [Complex<S::f64s>; 8] {
        butterfly8(simd, x)
    }
}

/// Transform of two points.
#[inline(always)]
fn butterfly2<S: Simd>(simd: S, [a, b]: [Complex<S::f64s>; 2]) -> [Complex<S::f64s>; 2] {
    [a.add(simd, b), a.sub(simd, b)]
}

/// `a + x` and `a - x` for x = -i b.
#[inline(always)]
fn butterfly2_quarter<S: Simd>(simd: S, [a, b]: [Complex<S::f64s>; 2]) -> [Complex<S::f64s>; 2] {
    let plus = Complex {
        re: simd.add_f64s(a.re, b.im),
        im: simd.sub_f64s(a.im, b.re),
    };
    let minus = Complex {
        re: simd.sub_f64s(a.re, b.im),
        im: simd.add_f64s(a.im, b.re),
    };
    [plus, minus]
}

/// Transform of four points, outputs in bit-reversed order.
#[inline(always)]
fn butterfly4<S: Simd>(simd: S, x: [Complex<S::f64s>; 4]) -> [Complex<S::f64s>; 4] {
    let [s0, d0] = butterfly2(simd, [x[0], x[2]]);
    let [s1, d1] = butterfly2(simd, [x[1], x[3]]);
    let [y0, y2] = butterfly2(simd, [s0, s1]);
    let [y1, y3] = butterfly2_quarter(simd, [d0, d1]);
    [y0, y2, y1, y3]
}

/// Transform of eight points, outputs in bit-reversed order.
#[inline(always)]
fn butterfly8<S: Simd>(simd: S, x: [Complex<S::f64s>; 8]) -> [Complex<S::f64s>; 8] {
    let [s0, d0] = butterfly2(simd, [x[0], x[4]]);
    let [s1, d1] = butterfly2(simd, [x[1], x[5]]);
    let [s2, d2] = butterfly2(simd, [x[2], x[6]]);
    let [s3, d3] = butterfly2(simd, [x[3], x[7]]);
    let [y0, y4, y2, y6] = butterfly4(simd, [s0, s1, s2, s3]);
    // Odd outputs: a transform of four points of d_r w^r, w = (1 - i) / sqrt 2.
    let [e0, f0] = butterfly2_quarter(simd, [d0, d2]);
    // d1 w + d3 w^3 and the quarter turn of d1 w - d3 w^3, without multiplying each.
    let half = simd.splat_f64s(FRAC_1_SQRT_2);
    let u = Complex {
        re: simd.add_f64s(d1.re, d1.im),
        im: simd.sub_f64s(d1.im, d1.re),
    };
    let v = Complex {
        re: simd.sub_f64s(d3.im, d3.re),
        im: simd.add_f64s(d3.re, d3.im),
    };
    // d3 w^3 = (v.re - i v.im) / sqrt 2.
    let sum = Complex {
        re: simd.add_f64s(u.re, v.re),
        im: simd.sub_f64s(u.im, v.im),
    };
    let difference = Complex {
        re: simd.sub_f64s(u.re, v.re),
        im: simd.add_f64s(u.im, v.im),
    };
    let y1 = Complex {
        re: mul_add(simd, sum.re, half, e0.re),
        im: mul_add(simd, sum.im, half, e0.im),
    };
    let y5 = Complex {
        re: mul_sub(simd, sum.re, half, e0.re),
        im: mul_sub(simd, sum.im, half, e0.im),
    };
    // f0 plus and minus -i difference / sqrt 2.
    let y3 = Complex {
        re: mul_add(simd, difference.im, half, f0.re),
        im: mul_sub(simd, difference.re, half, f0.im),
    };
    let y7 = Complex {
        re: mul_sub(simd, difference.im, half, f0.re),
        im: mul_add(simd, difference.re, half, f0.im),
    };
    [y0, y4, y2, y6, y1, y5, y3, y7]
}
