//! The bootstrapping key as the rotation reads it.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{
    buffer::Aligned,
    monomial::Monomials,
    product::MAX_BLOCK,
    transform::{FinishEighth, First, RADIX, Transform},
};

/// Sizes of a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// N, a power of two of at least 256.
    pub(crate) polynomial_size: usize,
    /// k, 1 or 2.
    pub(crate) glwe_dimension: usize,
    /// n, a multiple of the block.
    pub(crate) lwe_dimension: usize,
    /// Key bits of a block, at most one of them 1; up to 8.
    pub(crate) block: usize,
    /// Bits of a digit.
    pub(crate) base_log2: u32,
    /// Digits of a coefficient, 1 to 3.
    pub(crate) levels: usize,
}

impl Shape {
    /// Whether the kernel is compiled for this shape.
    pub(crate) fn is_supported(&self) -> bool {
        let size = self.polynomial_size;
        size.is_power_of_two()
            && (256..=16384).contains(&size)
            && (1..=2).contains(&self.glwe_dimension)
            && (1..=3).contains(&self.levels)
            && (1..=MAX_BLOCK).contains(&self.block)
            && self.lwe_dimension.is_multiple_of(self.block)
    }

    /// Columns of a GGSW ciphertext, k + 1.
    pub(super) fn columns(&self) -> usize {
        self.glwe_dimension + 1
    }

    /// Rows of a GGSW ciphertext, (k + 1) levels.
    pub(super) fn rows(&self) -> usize {
        self.columns() * self.levels
    }

    /// Numbers of one block in the transformed key.
    pub(super) fn block_len(&self) -> usize {
        self.polynomial_size * self.block * self.rows() * self.columns()
    }
}

/// The transformed bootstrapping key, `[blocks][M][bits][rows][columns][re, im]` in torus units.
///
/// For each root all that is multiplied there lies side by side, so the key is read once from front to back.
/// Rows are in tfhe's order: the finest level first.
pub(crate) struct RotationKey {
    pub(super) shape: Shape,
    pub(super) transform: Transform,
    pub(super) monomials: Monomials,
    numbers: Aligned,
}

impl RotationKey {
    /// Transforms a standard bootstrapping key, words `[n][levels][k + 1][k + 1][N]` in tfhe's order.
    ///
    /// `None` when the kernel does not support the shape or the key is of another.
    pub(crate) fn new(shape: Shape, standard: &[u64]) -> Option<Self> {
        let bit_len = shape.rows() * shape.columns() * shape.polynomial_size;
        if !shape.is_supported() || standard.len() != shape.lwe_dimension * bit_len {
            return None;
        }
        let transform = Transform::new(shape.polynomial_size);
        let mut numbers = Aligned::zeros(shape.lwe_dimension * bit_len);
        numbers
            .as_mut_slice()
            .par_chunks_exact_mut(shape.block_len())
            .zip(standard.par_chunks_exact(shape.block * bit_len))
            .for_each(|(out, words)| {
                pulp::Arch::new().dispatch(TransformBlock {
                    transform: &transform,
                    words,
                    out,
                });
            });
        Some(Self {
            monomials: Monomials::new(shape.polynomial_size),
            shape,
            transform,
            numbers,
        })
    }

    /// Memory the key holds, bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        size_of_val(self.numbers.as_slice())
    }

    pub(super) fn blocks(&self) -> impl Iterator<Item = &[f64]> {
        self.numbers.as_slice().chunks_exact(self.shape.block_len())
    }
}

/// Transforms the polynomials of one block and spreads them over the roots.
struct TransformBlock<'a> {
    transform: &'a Transform,
    words: &'a [u64],
    out: &'a mut [f64],
}

impl WithSimd for TransformBlock<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let transform = self.transform;
        let points = transform.points();
        let (size, lanes) = (2 * points, S::F64_LANES);
        let (mut polynomial, mut values) = (vec![0.0; size * lanes], vec![0.0; size * lanes]);
        let per_root = 2 * self.words.len() / size;
        for (batch, words) in self.words.chunks(lanes * size).enumerate() {
            for (lane, words) in words.chunks_exact(size).enumerate() {
                for (at, &word) in words.iter().enumerate() {
                    polynomial[at * lanes + lane] = to_torus(word);
                }
            }
            simd.vectorize(First {
                transform,
                polynomial: &polynomial,
                values: &mut values,
            });
            for values in values.chunks_exact_mut(size * lanes / RADIX) {
                simd.vectorize(FinishEighth { transform, values });
            }
            for lane in 0..words.len() / size {
                let place = 2 * (batch * lanes + lane);
                for root in 0..points {
                    let out = &mut self.out[root * per_root + place..][..2];
                    out[0] = values[2 * root * lanes + lane];
                    out[1] = values[(2 * root + 1) * lanes + lane];
                }
            }
        }
    }
}

/// A torus word as a number in -1/2..1/2.
#[expect(
    clippy::cast_precision_loss,
    reason = "2^-54 of the torus, part of the predicted noise"
)]
pub(crate) fn to_torus(word: u64) -> f64 {
    word.cast_signed() as f64 * (-64.0_f64).exp2()
}
