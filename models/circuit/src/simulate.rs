//! The simulator: a circuit evaluated on the torus in the clear, with the predicted noise of an encrypted run.
//!
//! A value is one phase of 32 bits, with the same wrapping arithmetic as the words of a ciphertext, so that
//! values beyond a table's reach wrap here exactly as they would there. The noise is given as numbers: this
//! module knows no parameters.

use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;

use crate::{
    Circuit, CircuitError, Dense, Interval, Lut, NoiseFigures, Operation, SumPool, TableNoise, product_u32,
};

/// Samples that are simulated side by side.
const GROUP: usize = 32;

/// 2^32, torus units of a word.
const WORD: f64 = 4_294_967_296.0;

impl Circuit {
    /// Simulates an encrypted evaluation of each sample: per sample all elements of all outputs in order, in
    /// integer units, with their noise.
    ///
    /// The same `seed` gives the same results, however many cores there are.
    ///
    /// # Errors
    /// As [`Circuit::evaluate`]; [`CircuitError::BadFigures`] for figures of another circuit.
    pub fn simulate_values(
        &self,
        figures: &NoiseFigures,
        samples: &[Vec<i64>],
        seed: u64,
    ) -> Result<Vec<Vec<f64>>, CircuitError> {
        samples.iter().try_for_each(|sample| self.check_inputs(sample))?;
        let layers = self.layers().len();
        let tables = self.layers().iter().zip(&figures.tables);
        let fit = figures.delta.len() == layers + 1
            && figures.tables.len() == layers
            && tables.fold(true, |fit, (layer, table)| {
                fit && matches!(layer.operation, Operation::Lut(_)) == table.is_some()
            });
        if !fit {
            return Err(CircuitError::BadFigures);
        }
        let groups: Vec<(usize, &[Vec<i64>])> = samples.chunks(GROUP).enumerate().collect();
        let group = |(index, group): (usize, &[Vec<i64>])| {
            let mut noise = Noise::new(seed, index);
            self.simulate_group(figures, group, &mut noise)
        };
        Ok(groups.into_par_iter().flat_map_iter(group).collect())
    }

    fn simulate_group(
        &self,
        figures: &NoiseFigures,
        samples: &[Vec<i64>],
        noise: &mut Noise,
    ) -> Vec<Vec<f64>> {
        let words = samples.len();
        let mut input = vec![0; self.input_len() * words];
        for (column, sample) in samples.iter().enumerate() {
            for (element, &x) in sample.iter().enumerate() {
                let word = phase(figures.delta[0], x);
                input[element * words + column] = noise.add(word, figures.input_sigma);
            }
        }
        let mut tensors = vec![input];
        for (index, layer) in self.layers().iter().enumerate() {
            let (x, delta) = (&tensors[layer.reads], figures.delta[index + 1]);
            let scale = |bias| phase(delta, bias);
            let y = match (&layer.operation, figures.tables[index]) {
                (Operation::Linear(linear), _) => dense(linear.into(), x, words, scale),
                (Operation::Conv2d(conv), _) => dense(conv.into(), x, words, scale),
                (Operation::SumPool(p), _) => pool(p, x, words),
                (Operation::Lut(lut), Some(table)) => {
                    let mut look_up = |(i, &x): (usize, &u32)| {
                        let x = noise.add(x, table.before_sigma);
                        let y = look_up(lut, lut.channel_of(i / words), x, &table);
                        noise.add(y, table.after_sigma)
                    };
                    x.iter().enumerate().map(&mut look_up).collect()
                }
                // The figures were checked to have one entry per table.
                (Operation::Lut(_), None) => x.clone(),
            };
            tensors.push(y);
        }
        let sample = |column: usize| {
            let mut values = Vec::new();
            for output in self.outputs() {
                let hull = self.reach(output.reads).iter().copied().reduce(Interval::hull);
                let hull = hull.unwrap_or(Interval { min: 0, max: 0 });
                let middle = i64::midpoint(hull.min, hull.max);
                let delta = figures.delta[output.reads];
                for &word in tensors[output.reads].iter().skip(column).step_by(words) {
                    let word = noise.add(word, figures.output_sigma);
                    values.push(decode(word, middle, delta));
                }
            }
            values
        };
        (0..words).map(sample).collect()
    }
}

/// The word of `value` steps of `delta`.
fn phase(delta: u64, value: i64) -> u32 {
    (delta.wrapping_mul(value.cast_unsigned()).wrapping_add(1 << 31) >> 32) as u32
}

/// A dense layer on `[elements][words]`; `scale` turns a bias into a word.
fn dense(layer: Dense<'_>, x: &[u32], words: usize, scale: impl Fn(i64) -> u32) -> Vec<u32> {
    let weights = layer.weights();
    let mut y = vec![0; layer.output().elements() * words];
    let mut sums = vec![0; weights.outputs() * words];
    for position in 0..layer.positions() {
        let row = |element: Option<usize>| element.map(|e| &x[e * words..(e + 1) * words]);
        let rows: Vec<Option<&[u32]>> = layer.taps(position).map(row).collect();
        product_u32(weights, &rows, words, &mut sums);
        for ((channel, sums), &bias) in sums.chunks_exact(words).enumerate().zip(weights.bias()) {
            let (element, bias) = (layer.element(channel, position), scale(bias));
            for (y, &sum) in y[element * words..].iter_mut().zip(sums) {
                *y = sum.wrapping_add(bias);
            }
        }
    }
    y
}

/// Sums over windows of `[elements][words]`.
fn pool(layer: &SumPool, x: &[u32], words: usize) -> Vec<u32> {
    let mut y = vec![0_u32; layer.output().elements() * words];
    for (element, sums) in y.chunks_exact_mut(words).enumerate() {
        for input in layer.window(element) {
            for (sum, &word) in sums.iter_mut().zip(&x[input * words..]) {
                *sum = sum.wrapping_add(word);
            }
        }
    }
    y
}

/// One look-up: the table in half of the torus, continued by f(x + 1/2) = 2 * centre - f(x).
fn look_up(lut: &Lut, channel: usize, x: u32, noise: &TableNoise) -> u32 {
    let offset = (u64::from(x) << 32).wrapping_add(noise.input_shift);
    let index = usize::try_from(offset >> (63 - lut.entries().ilog2())).unwrap_or(0);
    let table = lut.table(channel);
    let value = match index.checked_sub(lut.entries()) {
        None => table[index].into(),
        Some(mirrored) => noise.twice_centre - i64::from(table[mirrored]),
    };
    phase(noise.output_delta, value)
}

/// The value a word stands for, given that it is near `middle`.
#[expect(clippy::cast_precision_loss, reason = "a value with noise")]
fn decode(word: u32, middle: i64, delta: u64) -> f64 {
    let offset = (u64::from(word) << 32).wrapping_sub(delta.wrapping_mul(middle.cast_unsigned()));
    middle as f64 + offset.cast_signed() as f64 / delta as f64
}

/// Gaussian noise of one group of samples.
struct Noise(ChaCha8Rng);

impl Noise {
    fn new(seed: u64, group: usize) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(group as u64);
        Self(generator)
    }

    /// `word` with noise of deviation `sigma` torus units.
    fn add(&mut self, word: u32, sigma: f64) -> u32 {
        if sigma == 0.0 {
            return word;
        }
        let normal: f64 = StandardNormal.sample(&mut self.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an integer modulo 2^32"
        )]
        let noise = (normal * sigma * WORD).round() as i64 as u32;
        word.wrapping_add(noise)
    }
}
