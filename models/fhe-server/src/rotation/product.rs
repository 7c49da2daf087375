//! Products of transformed digits with the GGSW ciphertexts of one block of key bits.
//!
//! In a block at most one key bit is 1, so the product of its CMUX gates is one sum: over the bits j,
//! `(X^a_j - 1) (GGSW_j x accumulator)`. Source: Lee, Min, Seo, Song, "Faster TFHE Bootstrapping with Block
//! Binary Keys" (AsiaCCS 2023), section 3.

use pulp::{Simd, WithSimd};

use super::{
    key::Shape,
    monomial::{FactorVectors, Factors},
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
            &mut row[self.part * (row_len / RADIX)..][..points]
        });
        let one = simd.splat_f64s(1.0);
        let zero = splat(simd, [0.0; 2]);
        let entries = self.key.as_chunks::<2>().0.as_chunks::<COLUMNS>().0;
        let mut entries = entries.as_chunks::<ROWS>().0.chunks_exact(self.factors.len());
        for group in 0..points / RADIX {
            // The first factor of each bit is the same for eight positions in a row.
            let mut bases = [zero; MAX_BLOCK];
            for (base, factors) in bases.iter_mut().zip(self.factors) {
                if let Some(factors) = FactorVectors::new::<S>(factors) {
                    *base = factors.group(simd, self.part * (points / RADIX) + group);
                }
            }
            for position in 0..RADIX {
                let at = group * RADIX + position;
                let Some(bits) = entries.next() else { return };
                let mut digits = [zero; ROWS];
                for r in 0..ROWS {
                    digits[r] = Complex::load(&rows[r][at]);
                }
                let mut sums = [zero; COLUMNS];
                for ((factors, base), ggsw) in self.factors.iter().zip(&bases).zip(bits) {
                    let mut columns = [zero; COLUMNS];
                    for row in 0..ROWS {
                        for column in 0..COLUMNS {
                            let entry = splat(simd, ggsw[row][column]);
                            columns[column] = columns[column].add_product(simd, digits[row], entry);
                        }
                    }
                    let Some(factors) = FactorVectors::new::<S>(factors) else {
                        return;
                    };
                    let mut factor = base.mul(simd, factors.within(position));
                    factor.re = simd.sub_f64s(factor.re, one);
                    for column in 0..COLUMNS {
                        sums[column] = sums[column].add_product(simd, columns[column], factor);
                    }
                }
                for column in 0..COLUMNS {
                    sums[column].store(&mut rows[column][at]);
                }
            }
        }
    }
}

/// Most key bits of a block.
pub(super) const MAX_BLOCK: usize = 8;
