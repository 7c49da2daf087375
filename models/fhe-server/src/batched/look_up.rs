//! The middle part of a step: look-ups of a tile's ciphertexts, in place.

use obscura_circuit::Lut;
use obscura_fhe_core::TablePlan;
use rayon::prelude::*;

use super::{
    BatchedKeys,
    tile::{rotation_batch, switch_batch},
    zeros,
};
use crate::{
    ServerError,
    control::Watch,
    measure::Part,
    rotation::{RotationInput, to_torus},
};

/// One layer of look-ups.
pub(super) struct LookUp<'a> {
    keys: &'a BatchedKeys,
    watch: &'a Watch<'a>,
    /// Table polynomials, one or one per channel, torus elements.
    tables: Vec<Vec<f64>>,
    /// Words per ciphertext, k N + 1.
    size: usize,
    /// Ciphertexts per position.
    channels: usize,
}

impl<'a> LookUp<'a> {
    pub(super) fn new(
        lut: &Lut,
        table: &TablePlan,
        keys: &'a BatchedKeys,
        size: usize,
        watch: &'a Watch<'a>,
    ) -> Self {
        let polynomial = |channel: usize| {
            let words = table.polynomial(lut, channel, keys.polynomial_size);
            words.into_iter().map(to_torus).collect()
        };
        Self {
            keys,
            watch,
            tables: (0..lut.tables()).map(polynomial).collect(),
            size,
            channels: lut.shape().channels,
        }
    }

    /// Replaces ciphertexts `[positions][channels][size]` by what their phases look up.
    ///
    /// # Errors
    /// [`ServerError::Cancelled`] or [`ServerError::OutOfMemory`].
    pub(super) fn apply(&self, ciphertexts: &mut [u32]) -> Result<(), ServerError> {
        let threads = rayon::current_num_threads();
        let count = ciphertexts.len() / self.size;
        let small = self.keys.key_switch.outputs();
        let mut positions: Vec<u16> = zeros(count * small)?;
        let batch = switch_batch(count, threads);
        ciphertexts
            .par_chunks(batch * self.size)
            .zip(positions.par_chunks_mut(batch * small))
            .try_for_each(|(ciphertexts, positions)| self.switch(ciphertexts, positions))?;
        let batch = rotation_batch(count, threads);
        ciphertexts
            .par_chunks_mut(batch * self.size)
            .zip(positions.par_chunks(batch * small))
            .enumerate()
            .try_for_each(|(index, (out, positions))| self.rotate(index * batch, positions, out))
    }

    /// Key switch of one batch and switch to positions.
    fn switch(&self, ciphertexts: &[u32], positions: &mut [u16]) -> Result<(), ServerError> {
        self.watch.check()?;
        let mut switched = zeros(positions.len())?;
        self.watch.probe.timed(Part::KeySwitch, 1, || {
            self.keys.key_switch.switch(ciphertexts, &mut switched);
        });
        let small = self.keys.key_switch.outputs();
        for (ciphertext, out) in switched
            .chunks_exact(small)
            .zip(positions.chunks_exact_mut(small))
        {
            self.keys.positions.switch(ciphertext, out);
        }
        Ok(())
    }

    /// Rotation of one batch whose first ciphertext is number `first`.
    fn rotate(&self, first: usize, positions: &[u16], out: &mut [u32]) -> Result<(), ServerError> {
        self.watch.check()?;
        let mut inputs = Vec::new();
        for (number, positions) in (first..).zip(positions.chunks_exact(self.keys.key_switch.outputs())) {
            let table = (number % self.channels).min(self.tables.len() - 1);
            if let Some((&body, mask)) = positions.split_last() {
                inputs.push(RotationInput {
                    mask,
                    body,
                    table: &self.tables[table],
                });
            }
        }
        self.watch
            .probe
            .timed(Part::Rotation, 1, || self.keys.rotation.rotate(&inputs, out));
        self.watch.looked_up(inputs.len());
        Ok(())
    }
}
