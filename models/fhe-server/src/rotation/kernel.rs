//! The rotation of one batch.

use pulp::{Simd, WithSimd};

use super::{
    RotationKey,
    buffer::Aligned,
    monomial::Factors,
    product::Multiply,
    transform::{Accumulate, BeginEighth, Decompose, FinishEighth, RADIX},
};

/// One ciphertext to rotate by, switched to 2 N positions, and the table it looks up.
#[derive(Clone, Copy)]
pub(crate) struct RotationInput<'a> {
    /// `[n]`, each below 2 N.
    pub(crate) mask: &'a [u16],
    /// Below 2 N.
    pub(crate) body: u16,
    /// `[N]` torus elements in -1/2..1/2.
    pub(crate) table: &'a [f64],
}

impl RotationKey {
    /// Looks the inputs up in their tables; `out`, `[inputs][k N + 1]`, receives ciphertexts of 32-bit words
    /// under the large secret, mask then body.
    ///
    /// Runs on the calling thread. Inputs are taken in groups of a vector's lanes; a multiple of eight leaves
    /// no lane idle, and the key is read from memory once per call, so that calls of 32 and more cost least
    /// per input.
    pub(crate) fn rotate(&self, inputs: &[RotationInput<'_>], out: &mut [u32]) {
        pulp::Arch::new().dispatch(Rotate {
            key: self,
            inputs,
            out,
        });
    }
}

pub(super) struct Rotate<'a> {
    pub(super) key: &'a RotationKey,
    pub(super) inputs: &'a [RotationInput<'a>],
    pub(super) out: &'a mut [u32],
}

impl WithSimd for Rotate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let shape = self.key.shape;
        let layout = Layout::new(shape.polynomial_size);
        let (lanes, columns) = (S::F64_LANES, shape.columns());
        let group_len = columns * layout.polynomial() * lanes;
        let mut accumulators = Aligned::zeros(self.inputs.len().div_ceil(lanes) * group_len);
        let mut rows = Aligned::zeros(shape.rows() * 2 * layout.row() * lanes);
        let accumulators = accumulators.as_mut_slice();
        for (inputs, accumulator) in self
            .inputs
            .chunks(lanes)
            .zip(accumulators.chunks_exact_mut(group_len))
        {
            start(
                inputs,
                layout,
                lanes,
                &mut accumulator[group_len - layout.polynomial() * lanes..],
            );
        }
        let mut factors = vec![Factors::new(shape.polynomial_size, lanes); shape.block];
        for (block, key) in self.key.blocks().enumerate() {
            for (inputs, accumulator) in self
                .inputs
                .chunks(lanes)
                .zip(accumulators.chunks_exact_mut(group_len))
            {
                for (bit, factors) in factors.iter_mut().enumerate() {
                    let mut exponents = [0_u16; MAX_LANES];
                    for (exponent, input) in exponents.iter_mut().zip(inputs) {
                        *exponent = input.mask[block * shape.block + bit];
                    }
                    self.key.monomials.fill(&exponents[..lanes], factors);
                }
                rotate_block(
                    simd,
                    self.key,
                    layout,
                    key,
                    &factors,
                    accumulator,
                    rows.as_mut_slice(),
                );
            }
        }
        let words = shape.glwe_dimension * shape.polynomial_size + 1;
        for (index, out) in self.out.chunks_exact_mut(words).enumerate() {
            if let Some(accumulator) = accumulators.chunks_exact(group_len).nth(index / lanes) {
                extract(accumulator, layout, lanes, index % lanes, out);
            }
        }
    }
}

/// Most lanes of a vector of double precision.
const MAX_LANES: usize = 8;

/// One block of key bits for one vector of ciphertexts.
///
/// Each step is a function of its own under the processor's features, so that it is compiled once and not
/// once per shape.
#[inline(always)]
fn rotate_block<S: Simd>(
    simd: S,
    key: &RotationKey,
    layout: Layout,
    block: &[f64],
    factors: &[Factors],
    accumulator: &mut [f64],
    rows: &mut [f64],
) {
    let (shape, transform) = (key.shape, &key.transform);
    let columns = shape.columns();
    let (polynomial_len, row_len) = (accumulator.len() / columns, rows.len() / shape.rows());
    for (column, polynomial) in accumulator.chunks_exact(polynomial_len).enumerate() {
        // Rows lie level by level, the finest first.
        simd.vectorize(Decompose {
            transform,
            base_log2: shape.base_log2,
            levels: shape.levels,
            polynomial,
            rows: &mut rows[column * row_len..],
            step: columns * row_len,
        });
    }
    let (eighth_len, stride) = (2 * layout.eighth * S::F64_LANES, row_len / RADIX);
    for (part, key) in block.chunks_exact(block.len() / RADIX).enumerate() {
        for row in rows.chunks_exact_mut(row_len) {
            simd.vectorize(FinishEighth {
                transform,
                values: &mut row[part * stride..][..eighth_len],
            });
        }
        simd.vectorize(Multiply {
            rows,
            shape,
            part,
            key,
            factors,
        });
        for column in rows.chunks_exact_mut(row_len).take(columns) {
            simd.vectorize(BeginEighth {
                transform,
                values: &mut column[part * stride..][..eighth_len],
            });
        }
    }
    for (values, polynomial) in rows
        .chunks_exact(row_len)
        .zip(accumulator.chunks_exact_mut(polynomial_len))
    {
        simd.vectorize(Accumulate {
            transform,
            values,
            polynomial,
        });
    }
}

/// Where coefficients and transformed values lie: in eighths, each followed by a little padding.
///
/// Without it the streams of a butterfly, a power of two apart, would all fall into one set of the nearest
/// cache.
#[derive(Clone, Copy)]
struct Layout {
    /// M/8.
    eighth: usize,
}

impl Layout {
    /// Padding behind an eighth of the transformed values, and of half a polynomial.
    const PADDING: usize = 2;

    #[inline(always)]
    fn new(size: usize) -> Self {
        Self {
            eighth: size / 2 / RADIX,
        }
    }

    /// Vectors of a polynomial.
    #[inline(always)]
    fn polynomial(self) -> usize {
        2 * RADIX * (self.eighth + Self::PADDING)
    }

    /// Complex vectors of a transformed polynomial.
    #[inline(always)]
    fn row(self) -> usize {
        RADIX * (self.eighth + Self::PADDING)
    }

    /// Where coefficient `index` of a polynomial stands.
    #[inline(always)]
    fn place(self, index: usize) -> usize {
        index + index / self.eighth * Self::PADDING
    }
}

/// Fills the body of the accumulator with the tables, each times `X^-body`.
#[inline(always)]
fn start(inputs: &[RotationInput<'_>], layout: Layout, lanes: usize, body: &mut [f64]) {
    for (lane, input) in inputs.iter().enumerate() {
        let size = input.table.len();
        for at in 0..size {
            let from = at + usize::from(input.body);
            let value = input.table[from % size];
            let value = if from / size % 2 == 1 { -value } else { value };
            body[layout.place(at) * lanes + lane] = value;
        }
    }
}

/// The constant coefficient of one lane's accumulator as a ciphertext under the large secret.
#[inline(always)]
fn extract(accumulator: &[f64], layout: Layout, lanes: usize, lane: usize, out: &mut [u32]) {
    let Some((body, mask)) = out.split_last_mut() else {
        return;
    };
    let polynomials = accumulator.chunks_exact(layout.polynomial() * lanes);
    let size = 2 * RADIX * layout.eighth;
    for (mask, polynomial) in mask.chunks_exact_mut(size).zip(polynomials.clone()) {
        mask[0] = to_word(polynomial[lane]);
        for (at, word) in mask.iter_mut().enumerate().skip(1) {
            *word = to_word(-polynomial[layout.place(size - at) * lanes + lane]);
        }
    }
    if let Some(polynomial) = polynomials.last() {
        *body = to_word(polynomial[lane]);
    }
}

/// A number in -1/2..=1/2 as a torus word of 32 bits, rounded to nearest.
#[inline(always)]
fn to_word(value: f64) -> u32 {
    // Adding 3 * 2^51 leaves the integer in the lowest bits of the representation.
    let bits = (value * 4_294_967_296.0 + 6_755_399_441_055_744.0).to_bits();
    #[expect(clippy::cast_possible_truncation, reason = "the lowest bits are meant")]
    let word = bits as u32;
    word
}
