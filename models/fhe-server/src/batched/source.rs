//! The first part of a step: the ciphertexts of a tile, from a tensor or from a product with weights.

use std::ops::Range;

use obscura_circuit::{Dense, product_u32};
use rayon::prelude::*;

use super::{to_word, zeros};
use crate::ServerError;

/// Where a step's ciphertexts come from.
pub(super) struct Source<'a> {
    /// The tensor read, `[elements][size]`.
    pub(super) read: &'a [u32],
    /// Words per ciphertext, k N + 1.
    pub(super) size: usize,
    /// Elements of a channel, before pooling.
    pub(super) positions: usize,
    /// Ciphertexts of a position.
    pub(super) channels: usize,
    /// The weights, if there are any.
    pub(super) dense: Option<Dense<'a>>,
    /// Torus units (2^-64) per integer of the bias.
    pub(super) delta: u64,
    /// Added to every body, torus units (2^-64).
    pub(super) shift: u64,
}

impl Source<'_> {
    /// Writes the ciphertexts of `positions` to `out`, `[positions][channels][size]`.
    ///
    /// # Errors
    /// [`ServerError::OutOfMemory`].
    pub(super) fn fill(&self, positions: Range<usize>, out: &mut [u32]) -> Result<(), ServerError> {
        let row = self.channels * self.size;
        let threads = rayon::current_num_threads();
        match self.dense {
            Some(dense) if positions.len() < threads => {
                for (position, out) in positions.zip(out.chunks_exact_mut(row)) {
                    self.product_in_strips(dense, position, threads, out)?;
                }
            }
            Some(dense) => {
                let rows = out.par_chunks_exact_mut(row).zip(positions);
                rows.for_each(|(out, position)| {
                    product_u32(dense.weights(), &self.taps(dense, position), self.size, out);
                });
            }
            None => {
                let rows = out.par_chunks_exact_mut(row).zip(positions);
                rows.for_each(|(out, position)| self.copy(position, out));
            }
        }
        out.par_chunks_exact_mut(row).for_each(|row| self.shift(row));
        Ok(())
    }

    /// The ciphertexts under the weights at a position.
    fn taps(&self, dense: Dense<'_>, position: usize) -> Vec<Option<&[u32]>> {
        let ciphertext = |element: usize| self.read.get(element * self.size..)?.get(..self.size);
        dense
            .taps(position)
            .map(|element| element.and_then(ciphertext))
            .collect()
    }

    /// The product at one position, its words spread over the threads.
    fn product_in_strips(
        &self,
        dense: Dense<'_>,
        position: usize,
        threads: usize,
        out: &mut [u32],
    ) -> Result<(), ServerError> {
        let taps = self.taps(dense, position);
        // Whole cache lines, and two strips per thread, so that none waits long for another.
        let width = self.size.div_ceil(2 * threads).next_multiple_of(16);
        let starts: Vec<usize> = (0..self.size).step_by(width).collect();
        let strip = |&start: &usize| {
            let words = width.min(self.size - start);
            let rows: Vec<Option<&[u32]>> = taps
                .iter()
                .map(|row| row.map(|row| &row[start..start + words]))
                .collect();
            let mut sums = zeros(self.channels * words)?;
            product_u32(dense.weights(), &rows, words, &mut sums);
            Ok((start, words, sums))
        };
        let strips: Result<Vec<_>, ServerError> = starts.par_iter().map(strip).collect();
        for (start, words, sums) in strips? {
            for (out, sums) in out.chunks_exact_mut(self.size).zip(sums.chunks_exact(words)) {
                out[start..start + words].copy_from_slice(sums);
            }
        }
        Ok(())
    }

    fn copy(&self, position: usize, out: &mut [u32]) {
        for (channel, out) in out.chunks_exact_mut(self.size).enumerate() {
            let element = channel * self.positions + position;
            if let Some(from) = self.read.get(element * self.size..(element + 1) * self.size) {
                out.copy_from_slice(from);
            }
        }
    }

    /// Adds bias and shift to the bodies of one position.
    fn shift(&self, row: &mut [u32]) {
        let bias = self.dense.map_or(&[][..], |dense| dense.weights().bias());
        let bias = bias.iter().copied().chain(std::iter::repeat(0));
        for (ciphertext, bias) in row.chunks_exact_mut(self.size).zip(bias) {
            let shift = self
                .delta
                .wrapping_mul(bias.cast_unsigned())
                .wrapping_add(self.shift);
            if let Some(body) = ciphertext.last_mut() {
                *body = body.wrapping_add(to_word(shift));
            }
        }
    }
}
