//! How a step's work is cut: tiles of positions that pass one after the other, and batches within a tile that
//! are spread over the threads.

use obscura_circuit::{Circuit, Operation};
use obscura_fhe_core::ParameterSet;

use super::schedule::Step;

/// Look-ups of a tile per thread, about: enough batches for a short tail, few enough to stay small.
const LOOK_UPS_PER_THREAD: usize = 2048;
/// Most look-ups of a tile, unless one position has more: 128 MiB of ciphertexts at k N = 2048.
const MAX_LOOK_UPS: usize = 16_384;
/// Most look-ups of one key switch: the key is read from memory once for all of them.
const SWITCH_BATCH: usize = 256;
/// Most look-ups of one rotation.
const ROTATION_BATCH: usize = 32;
/// Batches are multiples of the lanes of a vector.
const LANES: usize = 8;

/// The tiles of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tiles {
    /// Elements of a channel before pooling.
    pub(super) positions: usize,
    /// Ciphertexts of a position.
    pub(super) channels: usize,
    /// Positions of a tile; the last may have fewer.
    pub(super) per_tile: usize,
}

impl Tiles {
    /// The tiles of `step` on so many threads.
    pub(super) fn new(circuit: &Circuit, step: &Step, threads: usize) -> Self {
        let first = [step.dense, step.lut].into_iter().flatten().next();
        let shape = match first {
            Some(layer) => circuit.shape(layer + 1),
            None => circuit.shape(step.reads),
        };
        let (positions, channels) = (shape.plane().max(1), shape.channels.max(1));
        let look_ups = (LOOK_UPS_PER_THREAD * threads).min(MAX_LOOK_UPS);
        let most = (look_ups / channels).clamp(1, positions);
        // Tiles of about the same size, so that none leaves a rest that fills no batch.
        let per_tile = positions.div_ceil(positions.div_ceil(most));
        Self {
            positions,
            channels,
            per_tile,
        }
    }

    /// The tiles' positions.
    pub(super) fn iter(&self) -> impl Iterator<Item = std::ops::Range<usize>> {
        let (positions, per_tile) = (self.positions, self.per_tile);
        (0..positions)
            .step_by(per_tile)
            .map(move |start| start..positions.min(start + per_tile))
    }

    /// Memory of one tile and of what works on it, bytes.
    pub(super) fn bytes(&self, set: &ParameterSet, circuit: &Circuit, step: &Step, threads: usize) -> usize {
        let size = set.large_dimension() + 1;
        let ciphertexts = self.per_tile * self.channels;
        let words = ciphertexts * size * size_of::<u32>();
        let layer = |layer: Option<usize>| layer.map(|l| &circuit.layers()[l].operation);
        // Few positions are cut into strips of words, which exist a second time.
        let strips = match layer(step.dense) {
            Some(_) if self.per_tile < threads => self.channels * size * size_of::<u32>(),
            _ => 0,
        };
        let Some(Operation::Lut(lut)) = layer(step.lut) else {
            return words + strips;
        };
        let small = set.lwe_dimension + 1;
        let tables = lut.tables() * set.polynomial_size * size_of::<f64>();
        let switch = SWITCH_BATCH * (small + 512 + 64) * size_of::<u32>();
        let accumulator = set.large_glwe_words() * size_of::<f64>();
        let rows = set.rotation_levels as usize * LANES * accumulator;
        let rotation = (ROTATION_BATCH + LANES) * accumulator + rows;
        let positions = ciphertexts * small * size_of::<u16>();
        words + positions + 2 * tables + threads * switch.max(2 * rotation) + strips
    }
}

/// Length of key switch batches for `count` look-ups.
pub(super) fn switch_batch(count: usize, threads: usize) -> usize {
    batch(count, threads, SWITCH_BATCH)
}

/// Length of rotation batches for `count` look-ups.
pub(super) fn rotation_batch(count: usize, threads: usize) -> usize {
    batch(count, threads, ROTATION_BATCH)
}

/// The length up to `most` with which every thread has the same number of batches, as far as a multiple of
/// the vector's lanes allows.
fn batch(count: usize, threads: usize, most: usize) -> usize {
    let threads = threads.max(1);
    let rounds = count.div_ceil(threads * most).max(1);
    count.div_ceil(rounds * threads).next_multiple_of(LANES).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_whole_vectors_and_as_many_for_every_thread() {
        for (count, threads, want) in [
            (4096, 2, 32),
            (64, 2, 32),
            (40, 2, 24),
            (16, 2, 8),
            (1, 2, 8),
            (72, 2, 24),
            (4096, 3, 32),
            (33, 1, 24),
        ] {
            let got = rotation_batch(count, threads);
            assert_eq!(got, want, "{count} look-ups on {threads} threads");
            assert!(got.is_multiple_of(LANES) && got <= ROTATION_BATCH);
        }
    }
}
