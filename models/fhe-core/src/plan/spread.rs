//! Noise through the layers that sum.
//!
//! Inputs and look-ups are independent of each other, sums over them are not: a pool over a convolution's
//! overlapping windows adds some of its inputs up several times. Where the sums join in a way not followed
//! here, noise is bounded from above.

use obscura_circuit::{Conv2d, Dense, Operation, SumPool};

use crate::Noise;

/// Additions the joint weights of a convolution and a pool may cost before they are bounded instead.
const MAX_JOINT_TERMS: usize = 1 << 28;

/// Noise of a tensor, channel by channel.
#[derive(Clone, Debug)]
pub(super) struct Spread {
    /// One per channel, or one for all of them.
    channels: Vec<Noise>,
    /// Of what, where elements are sums over one independent tensor.
    source: Source,
}

#[derive(Clone, Copy, Debug)]
enum Source {
    /// The elements are independent and have the same noise.
    Own,
    /// A convolution (number of the layer) of an independent tensor of this noise.
    Convolution(usize, Noise),
    /// Anything else.
    Mixed,
}

impl Spread {
    /// Independent elements of the same noise.
    pub(super) fn independent(noise: Noise) -> Self {
        Self {
            channels: vec![noise],
            source: Source::Own,
        }
    }

    /// Largest over the channels.
    pub(super) fn max(&self) -> Noise {
        self.channels.iter().copied().fold(Noise::default(), Noise::max)
    }

    /// Mean over the channels, of the squares.
    pub(super) fn rms(&self) -> Noise {
        let sum = self.channels.iter().copied().fold(Noise::default(), Noise::plus);
        sum.times(1.0 / count(self.channels.len().max(1)))
    }

    /// The result of a dense layer, number `layer`.
    pub(super) fn dense(&self, layer: usize, dense: Dense<'_>) -> Self {
        let weights = dense.weights();
        if let Source::Own = self.source {
            let noise = self.max();
            let norms = weights.row_norms2();
            return Self {
                channels: norms.into_iter().map(|norm| noise.times_norm(norm)).collect(),
                source: Source::Convolution(layer, noise),
            };
        }
        // By the triangle inequality: at worst all inputs deviate alike.
        let norm1 = |row: Vec<i32>| row.into_iter().map(|w| f64::from(w).abs()).sum::<f64>();
        let worst = self.max();
        Self {
            channels: weights
                .rows()
                .map(|(row, _)| worst.times_norm(norm1(row)))
                .collect(),
            source: Source::Mixed,
        }
    }

    /// The result of a pool; `operation` finds the operation of a layer.
    pub(super) fn pool<'a>(&self, pool: &SumPool, operation: impl Fn(usize) -> &'a Operation) -> Self {
        let terms = count(pool.window_len());
        match self.source {
            Source::Own => Self {
                channels: vec![self.max().times(terms)],
                source: if is_disjoint(pool) {
                    Source::Own
                } else {
                    Source::Mixed
                },
            },
            Source::Convolution(layer, noise) => {
                let joint = match operation(layer) {
                    Operation::Conv2d(conv) => joint_norms(conv, pool),
                    Operation::Linear(_) | Operation::SumPool(_) | Operation::Lut(_) => None,
                };
                joint.map_or_else(
                    || self.bounded(terms),
                    |norms| Self {
                        channels: norms.into_iter().map(|norm| noise.times_norm(norm)).collect(),
                        source: Source::Mixed,
                    },
                )
            }
            Source::Mixed => self.bounded(terms),
        }
    }

    /// Sums of `terms` elements that may all deviate alike.
    fn bounded(&self, terms: f64) -> Self {
        Self {
            channels: self
                .channels
                .iter()
                .map(|noise| noise.times_norm(terms))
                .collect(),
            source: Source::Mixed,
        }
    }
}

fn is_disjoint(pool: &SumPool) -> bool {
    pool.stride()
        .iter()
        .zip(pool.size())
        .all(|(&stride, size)| stride >= size)
}

/// 2-norm, per output channel, of the weights that a convolution and a pool over it are together: the kernel
/// summed over the places of the window. `None` where that would take too long.
fn joint_norms(conv: &Conv2d, pool: &SumPool) -> Option<Vec<f64>> {
    let (kernel, stride, window) = (conv.kernel(), conv.stride(), pool.size());
    let weights = conv.weights();
    let terms = weights
        .outputs()
        .checked_mul(weights.taps())?
        .checked_mul(pool.window_len())?;
    let side = |axis: usize| {
        let last = (window[axis] - 1).checked_mul(stride[axis])?;
        last.checked_add(kernel[axis])
    };
    let (height, width) = (side(0)?, side(1)?);
    let area = height
        .checked_mul(width)
        .filter(|&area| area <= MAX_JOINT_TERMS)?;
    if terms > MAX_JOINT_TERMS {
        return None;
    }
    let norm = |(row, _): (Vec<i32>, i64)| {
        let mut sum = 0.0;
        for plane in row.chunks_exact(kernel[0] * kernel[1]) {
            let mut joint = vec![0.0; area];
            for place in 0..pool.window_len() {
                let (y, x) = (place / window[1] * stride[0], place % window[1] * stride[1]);
                for (tap, &weight) in plane.iter().enumerate() {
                    joint[(y + tap / kernel[1]) * width + x + tap % kernel[1]] += f64::from(weight);
                }
            }
            sum += joint.iter().map(|w| w * w).sum::<f64>();
        }
        sum.sqrt()
    };
    Some(weights.rows().map(norm).collect())
}

fn count(n: usize) -> f64 {
    f64::from(u32::try_from(n).unwrap_or(u32::MAX))
}
