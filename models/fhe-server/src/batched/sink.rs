//! The last part of a step: results into the tensor it makes, summed into pools where there is one.

use std::ops::Range;

use obscura_circuit::SumPool;
use rayon::prelude::*;

/// Where results go.
pub(super) struct Sink {
    /// Words per ciphertext, k N + 1.
    size: usize,
    /// Elements of a channel of the tensor made.
    plane: usize,
    /// Per position before pooling the elements of a channel it is part of; `None` without a pool.
    windows: Option<Vec<Vec<usize>>>,
}

impl Sink {
    pub(super) fn new(size: usize, positions: usize, pool: Option<&SumPool>) -> Self {
        let Some(pool) = pool else {
            return Self {
                size,
                plane: positions,
                windows: None,
            };
        };
        let plane = pool.output().plane();
        let mut windows = vec![Vec::new(); positions];
        // The windows of the first channel are those of every channel.
        for element in 0..plane {
            for position in pool.window(element) {
                if let Some(elements) = windows.get_mut(position) {
                    elements.push(element);
                }
            }
        }
        Self {
            size,
            plane,
            windows: Some(windows),
        }
    }

    /// Delivers `results`, `[positions][channels][size]`, into `tensor`, `[channels][plane][size]`.
    pub(super) fn deliver(&self, positions: Range<usize>, results: &[u32], tensor: &mut [u32]) {
        let size = self.size;
        let channels = tensor.len() / (self.plane * size);
        tensor
            .par_chunks_exact_mut(self.plane * size)
            .enumerate()
            .for_each(|(channel, tensor)| {
                let results = results.chunks_exact(size).skip(channel).step_by(channels);
                for (position, result) in positions.clone().zip(results) {
                    match &self.windows {
                        None => tensor[position * size..][..size].copy_from_slice(result),
                        Some(windows) => {
                            for element in &windows[position] {
                                add(&mut tensor[element * size..][..size], result);
                            }
                        }
                    }
                }
            });
    }
}

/// Adds a ciphertext.
fn add(sum: &mut [u32], ciphertext: &[u32]) {
    for (sum, word) in sum.iter_mut().zip(ciphertext) {
        *sum = sum.wrapping_add(*word);
    }
}
