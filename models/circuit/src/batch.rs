//! Evaluation of many samples at once, on all cores.
//!
//! Tensors are `[elements][samples]`: the samples stand side by side as words, and a dense layer multiplies
//! the words of several positions in one blocked product.

use rayon::prelude::*;

use crate::{
    Circuit, CircuitError, Dense, Interval, Layer, Operation, Output, SumPool, Weights,
    product::{Rows, multiply_u32, multiply_u64},
    shape::Window,
};

/// Samples side by side, at most.
const MAX_SAMPLES: usize = 32;
/// Words of the largest tensor of a group, about: bounds the memory.
const MAX_WORDS: usize = 1 << 23;
/// Words of one product, about: over so many the widening of the weights is spread.
const PRODUCT_WORDS: usize = 512;

/// An integer modulo 2^32 or 2^64.
pub(crate) trait Word: Copy + Default + Send + Sync {
    fn from_value(value: i64) -> Self;
    /// The number nearest to zero that it can stand for.
    fn value(self) -> i64;
    fn plus(self, other: Self) -> Self;
    fn multiply(weights: &Weights, rows: &impl Rows<Self>, words: usize, out: &mut [Self]);
}

impl Word for u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "arithmetic is modulo 2^32"
    )]
    fn from_value(value: i64) -> Self {
        value as Self
    }

    fn value(self) -> i64 {
        self.cast_signed().into()
    }

    fn plus(self, other: Self) -> Self {
        self.wrapping_add(other)
    }

    fn multiply(weights: &Weights, rows: &impl Rows<Self>, words: usize, out: &mut [Self]) {
        multiply_u32(weights, rows, words, out);
    }
}

impl Word for u64 {
    fn from_value(value: i64) -> Self {
        value.cast_unsigned()
    }

    fn value(self) -> i64 {
        self.cast_signed()
    }

    fn plus(self, other: Self) -> Self {
        self.wrapping_add(other)
    }

    fn multiply(weights: &Weights, rows: &impl Rows<Self>, words: usize, out: &mut [Self]) {
        multiply_u64(weights, rows, words, out);
    }
}

impl Circuit {
    /// Evaluates many samples on all cores; results are in the order of `samples`, and those of
    /// [`Circuit::evaluate`].
    ///
    /// # Errors
    /// [`CircuitError::InputCount`] or [`CircuitError::InputOutOfRange`] for the first sample at fault.
    pub fn evaluate_batch(&self, samples: &[Vec<i64>]) -> Result<Vec<Vec<Output>>, CircuitError> {
        samples.iter().try_for_each(|sample| self.check_inputs(sample))?;
        let groups = samples.par_chunks(self.group_size(samples.len()));
        let group = |group: &[Vec<i64>]| {
            let tensors = self.clear(group, false);
            let sample =
                |column| self.outputs_of(|reads| tensors[reads].iter().skip(column).step_by(group.len()));
            (0..group.len()).map(sample).collect::<Vec<_>>()
        };
        Ok(groups.flat_map_iter(group).collect())
    }

    /// One sample's outputs, of the values of the tensors they read.
    fn outputs_of<'a, V: Iterator<Item = &'a i64>>(&self, values: impl Fn(usize) -> V) -> Vec<Output> {
        let output = |output: &crate::OutputLayer| Output {
            name: output.name.to_string(),
            values: values(output.reads).copied().collect(),
            kind: self.kind(output.reads),
        };
        self.outputs().iter().map(output).collect()
    }

    /// Samples that are evaluated side by side, of `count` in all.
    pub(crate) fn group_size(&self, count: usize) -> usize {
        let largest = (0..=self.layers().len())
            .map(|tensor| self.reach(tensor).len())
            .max();
        let fit = MAX_WORDS / largest.unwrap_or(1).max(1);
        let share = count.div_ceil(rayon::current_num_threads());
        share.min(MAX_SAMPLES).min(fit).max(1)
    }

    /// The tensors of a group in the clear, `[elements][samples]`; those that are not needed any more are
    /// empty, unless `keep`.
    pub(crate) fn clear(&self, samples: &[Vec<i64>], keep: bool) -> Vec<Vec<i64>> {
        let fits = |range: &Interval| i32::try_from(range.min).is_ok() && i32::try_from(range.max).is_ok();
        let narrow = (0..=self.layers().len()).all(|tensor| self.reach(tensor).iter().all(fits));
        if narrow {
            self.clear_words::<u32>(samples, keep)
        } else {
            self.clear_words::<u64>(samples, keep)
        }
    }

    fn clear_words<W: Word>(&self, samples: &[Vec<i64>], keep: bool) -> Vec<Vec<i64>> {
        let count = samples.len();
        let input = transposed(samples, self.input_len(), W::from_value);
        let layer = |layer: &Layer, x: &[W]| match &layer.operation {
            Operation::Linear(linear) => dense(linear.into(), x, count, W::from_value),
            Operation::Conv2d(conv) => dense(conv.into(), x, count, W::from_value),
            Operation::SumPool(pool) => sum_pool(pool, x, count),
            Operation::Lut(lut) => {
                let plane = lut.shape().plane() * count;
                let channels = x.par_chunks(plane).enumerate();
                let look_up = |(channel, x): (usize, &[W])| {
                    let table = lut.channel(channel * lut.shape().plane());
                    let entry = |x: &W| W::from_value(table[lut.index(x.value())].into());
                    x.iter().map(entry).collect::<Vec<W>>()
                };
                channels.flat_map_iter(look_up).collect()
            }
        };
        let tensors = self.walk(input, keep, |_, l, x| layer(l, x));
        let values = |words: Vec<W>| words.into_iter().map(W::value).collect();
        tensors.into_iter().map(values).collect()
    }

    /// Applies the layers one after another; tensors that no layer or output reads any more are emptied,
    /// unless `keep`.
    pub(crate) fn walk<W: Word>(
        &self,
        input: Vec<W>,
        keep: bool,
        mut apply: impl FnMut(usize, &Layer, &[W]) -> Vec<W>,
    ) -> Vec<Vec<W>> {
        let layers = self.layers();
        let is_output = |tensor: usize| self.outputs().iter().any(|o| o.reads == tensor);
        let mut tensors = vec![input];
        for (index, layer) in layers.iter().enumerate() {
            let y = apply(index, layer, &tensors[layer.reads]);
            tensors.push(y);
            let read_later = layers[index + 1..].iter().any(|l| l.reads == layer.reads);
            if !keep && !read_later && !is_output(layer.reads) {
                tensors[layer.reads] = Vec::new();
            }
        }
        tensors
    }
}

/// Samples as words side by side, `[elements][samples]`.
pub(crate) fn transposed<W: Word>(samples: &[Vec<i64>], elements: usize, word: impl Fn(i64) -> W) -> Vec<W> {
    let mut words = vec![W::default(); elements * samples.len()];
    for (column, sample) in samples.iter().enumerate() {
        for (words, &x) in words.chunks_exact_mut(samples.len()).zip(sample) {
            words[column] = word(x);
        }
    }
    words
}

/// A dense layer on `[elements][samples]`, positions spread over the cores; `bias` makes a word of a bias.
pub(crate) fn dense<W: Word>(
    layer: Dense<'_>,
    x: &[W],
    samples: usize,
    bias: impl Fn(i64) -> W + Sync,
) -> Vec<W> {
    let (weights, window, positions) = (layer.weights(), layer.window(), layer.positions());
    let side_by_side = (PRODUCT_WORDS / samples).clamp(1, positions);
    let starts: Vec<usize> = (0..positions).step_by(side_by_side).collect();
    let block = |&start: &usize| {
        let here = start..positions.min(start + side_by_side);
        let words = here.len() * samples;
        let corners = here.map(|position| window.corner(position)).collect();
        let rows = Patches {
            window,
            x,
            samples,
            corners,
        };
        let mut sums = vec![W::default(); weights.outputs() * words];
        W::multiply(weights, &rows, words, &mut sums);
        (sums, words)
    };
    let blocks: Vec<(Vec<W>, usize)> = starts.par_iter().map(block).collect();
    let mut y = vec![W::default(); layer.output().elements() * samples];
    let channels = y
        .par_chunks_mut(positions * samples)
        .zip(weights.bias())
        .enumerate();
    channels.for_each(|(channel, (y, &b))| {
        let b = bias(b);
        let sums = blocks
            .iter()
            .flat_map(|(sums, words)| &sums[channel * words..][..*words]);
        for (y, &sum) in y.iter_mut().zip(sums) {
            *y = sum.plus(b);
        }
    });
    y
}

/// The rows of a block of positions: words are positions, and the samples of each.
struct Patches<'a, W> {
    window: Window,
    x: &'a [W],
    samples: usize,
    /// Corner of the window at each position of the block.
    corners: Vec<[usize; 2]>,
}

impl<W: Word> Rows<W> for Patches<'_, W> {
    fn read(&self, tap: usize, start: usize, mut out: &mut [W]) {
        if tap >= self.window.taps() {
            out.fill(W::default());
            return;
        }
        let place = self.window.place_of(tap);
        let mut sample = start % self.samples;
        for &corner in &self.corners[start / self.samples..] {
            let (here, behind) = out.split_at_mut((self.samples - sample).min(out.len()));
            match self.window.element(corner, place) {
                Some(element) => {
                    here.copy_from_slice(&self.x[element * self.samples + sample..][..here.len()]);
                }
                None => here.fill(W::default()),
            }
            if behind.is_empty() {
                break;
            }
            (out, sample) = (behind, 0);
        }
    }
}

/// Sums over windows of `[elements][samples]`.
pub(crate) fn sum_pool<W: Word>(layer: &SumPool, x: &[W], samples: usize) -> Vec<W> {
    let mut y = vec![W::default(); layer.output().elements() * samples];
    y.par_chunks_mut(samples).enumerate().for_each(|(element, sums)| {
        for input in layer.window(element) {
            for (sum, &word) in sums.iter_mut().zip(&x[input * samples..]) {
                *sum = sum.plus(word);
            }
        }
    });
    y
}
