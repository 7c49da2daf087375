//! Products of transformed digits with the GGSW ciphertexts of one block of key bits.
//!
//! In a block at most one key bit is 1, so the product of its CMUX gates is one sum: over the bits j,
//! `(X^a_j - 1) (GGSW_j x accumulator)`. Source: Lee, Min, Seo, Song, "Faster TFHE Bootstrapping with Block
//! Binary Keys" (AsiaCCS 2023), section 3.

use pulp::{Simd, WithSimd};

use super::{
    buffer::Prefetch,
    key::Shape,
    monomial::Factors,
    transform::{RADIX, complex_mut},
    vector::{Complex, splat},
};

/// Multiplies one eighth of the values of all rows, in place: the first rows become the columns of the sum.
pub(super) struct Multiply<'a> {
    /// `[rows][M]` complex vectors, with padding.
    pub(super) rows: &'a mut [f64],
    pub(super) shape: Shape,
    /// Which eighth.
    pub(super) part: usize,
    /// `[M/8][bits][rows][columns][re, im]`.
    pub(super) key: &'a [f64],
    /// One per bit.
    pub(super) factors: &'a [Factors],
}

impl WithSimd for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match (self.shape.rows(), self.shape.columns()) {
            (2, 2) => self.run::<S, 2, 2>(simd),
            (4, 2) => self.run::<S, 4, 2>(simd),
            (6, 2) => self.run::<S, 6, 2>(simd),
            (3, 3) => self.run::<S, 3, 3>(simd),
            (6, 3) => self.run::<S, 6, 3>(simd),
            _ => self.run::<S, 9, 3>(simd),
        }
    }
}

impl Multiply<'_> {
    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const COLUMNS: usize>(self, simd: S) {
        let points = self.shape.polynomial_size / 2 / RADIX;
        let mut rest = complex_mut::<S>(self.rows);
        let row_len = rest.len() / ROWS;
        let rows = [(); ROWS].map(|()| {
            let (row, behind) = std::mem::take(&mut rest).split_at_mut(row_len);
            rest = behind;
            let part = &mut row[self.part * (row_len / RADIX)..][..points];
            part.as_chunks_mut::<RADIX>().0
        });
        let prefetch = Prefetch::new();
        let bits = self.factors.len();
        let entries = self.key.as_chunks::<2>().0.as_chunks::<COLUMNS>().0;
        let mut entries = entries.as_chunks::<ROWS>().0.chunks_exact(bits);
        let zero = splat(simd, [0.0; 2]);
        let mut factors = [[zero; RADIX]; MAX_BLOCK];
        for group in 0..points / RADIX {
            for (out, factors) in factors.iter_mut().zip(self.factors) {
                factors.group(simd, self.part * (points / RADIX) + group, out);
            }
            for position in 0..RADIX {
                let Some(ggsws) = entries.next() else { return };
                let ahead = (group * RADIX + position + AHEAD) * bits * ROWS * COLUMNS * 2;
                let mut digits = [zero; ROWS];
                for r in 0..ROWS {
                    digits[r] = Complex::load(&rows[r][group][position]);
                }
                let mut sums = [zero; COLUMNS];
                let (pairs, single) = ggsws.as_chunks::<2>();
                for (pair, ggsws) in pairs.iter().enumerate() {
                    prefetch.lines(self.key, ahead + pair * 4 * ROWS * COLUMNS, 4 * ROWS * COLUMNS);
                    let factors = [factors[2 * pair][position], factors[2 * pair + 1][position]];
                    add_bits(simd, &mut sums, &digits, ggsws, factors);
                }
                for ggsw in single {
                    prefetch.lines(
                        self.key,
                        ahead + (bits - 1) * 2 * ROWS * COLUMNS,
                        2 * ROWS * COLUMNS,
                    );
                    add_bits(simd, &mut sums, &digits, &[*ggsw], [factors[bits - 1][position]]);
                }
                for column in 0..COLUMNS {
                    sums[column].store(&mut rows[column][group][position]);
                }
            }
        }
    }
}

/// Adds the products of some key bits to the sums, each times its factor.
///
/// Two bits at a time keep enough independent chains of additions under way to hide their latency.
#[inline(always)]
fn add_bits<S: Simd, const BITS: usize, const ROWS: usize, const COLUMNS: usize>(
    simd: S,
    sums: &mut [Complex<S::f64s>; COLUMNS],
    digits: &[Complex<S::f64s>; ROWS],
    ggsws: &[[[[f64; 2]; COLUMNS]; ROWS]; BITS],
    factors: [Complex<S::f64s>; BITS],
) {
    let mut columns = [[splat(simd, [0.0; 2]); COLUMNS]; BITS];
    for row in 0..ROWS {
        for bit in 0..BITS {
            for column in 0..COLUMNS {
                let entry = splat(simd, ggsws[bit][row][column]);
                columns[bit][column] = columns[bit][column].add_product(simd, digits[row], entry);
            }
        }
    }
    for bit in 0..BITS {
        for column in 0..COLUMNS {
            sums[column] = sums[column].add_product(simd, columns[bit][column], factors[bit]);
        }
    }
}

/// Positions between the one that is multiplied and the one whose key is asked for from memory.
const AHEAD: usize = 6;

/// Most key bits of a block.
pub(super) const MAX_BLOCK: usize = 8;
