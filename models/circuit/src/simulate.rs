//! The simulator: a circuit evaluated on the torus in the clear, with the predicted noise of an encrypted run.
//!
//! A value is one phase of 32 bits, with the same wrapping arithmetic as the words of a ciphertext, so that
//! values beyond a table's reach wrap here exactly as they would there. The noise is given as numbers: this
//! module knows no parameters.
//!
//! Every sample draws its noise from a stream of its own, element by element in the order of the layers:
//! the same seed gives the same results however many cores there are.

use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;

use crate::{
    Circuit, CircuitError, Interval, Layer, Lut, NoiseFigures, Operation, Output, TableNoise,
    batch::{dense, sum_pool, transposed},
};

/// Samples side by side in a report, which keeps all their tensors.
const REPORT_SAMPLES: usize = 8;
/// 2^32, torus units of a word.
const WORD: f64 = 4_294_967_296.0;

/// What a simulation shows beyond decoded outputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Simulation {
    /// `[samples][values of all outputs in order]`, integers with their noise, not rounded.
    pub values: Vec<Vec<f64>>,
    /// One per tensor, the input first.
    pub deviations: Vec<Deviation>,
}

/// How far a tensor is from its values in the clear, over all elements and samples, in integers of the tensor.
///
/// It holds all that happened up to the tensor: noise, other entries of earlier tables, rounding.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Deviation {
    /// Mean.
    pub mean: f64,
    /// Root of the mean square.
    pub rms: f64,
    /// Largest magnitude.
    pub max: f64,
}

impl Circuit {
    /// Simulates an encrypted evaluation of each sample and decodes its outputs.
    ///
    /// The same `seed` gives the same results, however many cores there are.
    ///
    /// # Errors
    /// [`CircuitError::InputCount`] or [`CircuitError::InputOutOfRange`] for the first sample at fault;
    /// [`CircuitError::BadFigures`] for figures of another circuit.
    pub fn simulate(
        &self,
        figures: &NoiseFigures,
        samples: &[Vec<i64>],
        seed: u64,
    ) -> Result<Vec<Vec<Output>>, CircuitError> {
        let decode = |tensor: usize, word: u32| {
            let range = self.hull(tensor);
            let nearest = Scale::new(range, figures.delta[tensor]).nearest(word);
            nearest.clamp(range.min, range.max)
        };
        let sample = |words: Vec<(usize, Vec<u32>)>| {
            let outputs = self.outputs().iter().zip(words);
            let output = outputs.map(|(output, (tensor, words))| Output {
                name: output.name.to_string(),
                values: words.into_iter().map(|word| decode(tensor, word)).collect(),
                kind: self.kind(tensor),
            });
            output.collect()
        };
        let groups = self.simulate_groups(figures, samples, seed, false)?;
        Ok(groups
            .into_iter()
            .flat_map(|group| group.outputs)
            .map(sample)
            .collect())
    }

    /// The same without rounding: per sample all elements of all outputs in order, in integers with their noise.
    ///
    /// # Errors
    /// As [`Circuit::simulate`].
    pub fn simulate_values(
        &self,
        figures: &NoiseFigures,
        samples: &[Vec<i64>],
        seed: u64,
    ) -> Result<Vec<Vec<f64>>, CircuitError> {
        let groups = self.simulate_groups(figures, samples, seed, false)?;
        Ok(self.values(figures, &groups))
    }

    /// The same, with the deviation of every tensor from its values in the clear.
    ///
    /// # Errors
    /// As [`Circuit::simulate`].
    pub fn simulate_report(
        &self,
        figures: &NoiseFigures,
        samples: &[Vec<i64>],
        seed: u64,
    ) -> Result<Simulation, CircuitError> {
        let groups = self.simulate_groups(figures, samples, seed, true)?;
        let tensors = 0..figures.delta.len();
        let deviation = |tensor: usize| {
            let moments = groups.iter().filter_map(|group| group.moments.get(tensor));
            moments
                .fold(Moments::default(), |all, &group| all.join(group))
                .deviation()
        };
        Ok(Simulation {
            values: self.values(figures, &groups),
            deviations: tensors.map(deviation).collect(),
        })
    }

    fn values(&self, figures: &NoiseFigures, groups: &[Group]) -> Vec<Vec<f64>> {
        let sample = |outputs: &Vec<(usize, Vec<u32>)>| {
            let values = outputs.iter().flat_map(|(tensor, words)| {
                let scale = Scale::new(self.hull(*tensor), figures.delta[*tensor]);
                words.iter().map(move |&word| scale.value(word))
            });
            values.collect()
        };
        groups
            .iter()
            .flat_map(|group| &group.outputs)
            .map(sample)
            .collect()
    }

    fn hull(&self, tensor: usize) -> Interval {
        let hull = self.reach(tensor).iter().copied().reduce(Interval::hull);
        hull.unwrap_or(Interval { min: 0, max: 0 })
    }

    fn simulate_groups(
        &self,
        figures: &NoiseFigures,
        samples: &[Vec<i64>],
        seed: u64,
        report: bool,
    ) -> Result<Vec<Group>, CircuitError> {
        samples.iter().try_for_each(|sample| self.check_inputs(sample))?;
        self.check_figures(figures)?;
        let most = if report { REPORT_SAMPLES } else { usize::MAX };
        let size = self.group_size(samples.len()).min(most);
        let groups = samples.par_chunks(size).enumerate();
        let group = |(index, group): (usize, &[Vec<i64>])| {
            let first = index * size;
            let noise = (first..first + group.len()).map(|sample| Noise::new(seed, sample));
            self.simulate_group(figures, group, noise.collect(), report)
        };
        Ok(groups.map(group).collect())
    }

    fn check_figures(&self, figures: &NoiseFigures) -> Result<(), CircuitError> {
        let layers = self.layers();
        let is_table = |layer: &Layer| matches!(layer.operation, Operation::Lut(_));
        let fit = figures.delta.len() == layers.len() + 1
            && figures.delta.iter().all(|delta| *delta > 0)
            && figures.tables.len() == layers.len()
            && layers
                .iter()
                .zip(&figures.tables)
                .all(|(layer, table)| is_table(layer) == table.is_some());
        if fit {
            Ok(())
        } else {
            Err(CircuitError::BadFigures)
        }
    }

    fn simulate_group(
        &self,
        figures: &NoiseFigures,
        samples: &[Vec<i64>],
        mut noise: Vec<Noise>,
        report: bool,
    ) -> Group {
        let count = samples.len();
        let mut input = transposed(samples, self.input_len(), |x| phase(figures.delta[0], x));
        add_noise(&mut input, &mut noise, figures.input_sigma);
        let tensors = self.walk(input, report, |index, layer, x| {
            let bias = |bias| phase(figures.delta[index + 1], bias);
            match (&layer.operation, &figures.tables[index]) {
                (Operation::Linear(linear), _) => dense(linear.into(), x, count, bias),
                (Operation::Conv2d(conv), _) => dense(conv.into(), x, count, bias),
                (Operation::SumPool(pool), _) => sum_pool(pool, x, count),
                (Operation::Lut(lut), Some(table)) => look_up(lut, table, x, &mut noise),
                // The figures were checked to have an entry for each table.
                (Operation::Lut(_), None) => x.to_vec(),
            }
        });
        let moments = if report {
            self.moments(figures, samples, &tensors)
        } else {
            Vec::new()
        };
        let sample = |(column, noise): (usize, &mut Noise)| {
            let outputs = self.outputs().iter().map(|output| {
                let words = tensors[output.reads].iter().skip(column).step_by(count);
                let words = words.map(|&word| noise.add(word, figures.output_sigma));
                (output.reads, words.collect())
            });
            outputs.collect()
        };
        let outputs = noise.iter_mut().enumerate().map(sample).collect();
        Group { outputs, moments }
    }

    fn moments(&self, figures: &NoiseFigures, samples: &[Vec<i64>], tensors: &[Vec<u32>]) -> Vec<Moments> {
        let clear = self.clear(samples, true);
        let tensors = tensors.iter().zip(&clear).zip(&figures.delta);
        let moments = tensors.map(|((words, clear), &delta)| {
            let values = words.iter().zip(clear);
            values.fold(Moments::default(), |moments, (&word, &x)| {
                moments.add(Scale { middle: x, delta }.offset(word))
            })
        });
        moments.collect()
    }
}

/// What is kept of a group of samples.
struct Group {
    /// `[samples][outputs]`: the tensor an output reads, and its words.
    outputs: Vec<Vec<(usize, Vec<u32>)>>,
    /// One per tensor in a report, else none.
    moments: Vec<Moments>,
}

#[derive(Clone, Copy, Default)]
struct Moments {
    count: f64,
    sum: f64,
    squares: f64,
    max: f64,
}

impl Moments {
    fn add(self, x: f64) -> Self {
        Self {
            count: self.count + 1.0,
            sum: self.sum + x,
            squares: self.squares + x * x,
            max: self.max.max(x.abs()),
        }
    }

    fn join(self, other: Self) -> Self {
        Self {
            count: self.count + other.count,
            sum: self.sum + other.sum,
            squares: self.squares + other.squares,
            max: self.max.max(other.max),
        }
    }

    fn deviation(self) -> Deviation {
        let count = self.count.max(1.0);
        Deviation {
            mean: self.sum / count,
            rms: (self.squares / count).sqrt(),
            max: self.max,
        }
    }
}

/// How words stand for integers near `middle`.
#[derive(Clone, Copy)]
struct Scale {
    middle: i64,
    /// Torus units per integer.
    delta: u64,
}

impl Scale {
    fn new(range: Interval, delta: u64) -> Self {
        Self {
            middle: i64::midpoint(range.min, range.max),
            delta,
        }
    }

    /// Torus units from the middle's phase to the word's.
    fn units(self, word: u32) -> i64 {
        let middle = self.delta.wrapping_mul(self.middle.cast_unsigned());
        (u64::from(word) << 32).wrapping_sub(middle).cast_signed()
    }

    /// Integers from the middle.
    #[expect(clippy::cast_precision_loss, reason = "a value with noise")]
    fn offset(self, word: u32) -> f64 {
        self.units(word) as f64 / self.delta as f64
    }

    #[expect(clippy::cast_precision_loss, reason = "a value with noise")]
    fn value(self, word: u32) -> f64 {
        self.middle as f64 + self.offset(word)
    }

    fn nearest(self, word: u32) -> i64 {
        let delta = i128::from(self.delta);
        let steps = (i128::from(self.units(word)) + delta / 2).div_euclid(delta);
        i64::try_from(i128::from(self.middle) + steps).unwrap_or(self.middle)
    }
}

/// The word of `value` steps of `delta`.
fn phase(delta: u64, value: i64) -> u32 {
    rounded(delta.wrapping_mul(value.cast_unsigned()))
}

/// The upper half of a phase, rounded.
fn rounded(phase: u64) -> u32 {
    (phase.wrapping_add(1 << 31) >> 32) as u32
}

/// Looks words `[elements][samples]` up, with noise before and after.
///
/// The tables fill half of the torus and are continued by f(x + 1/2) = 2 * centre - f(x).
fn look_up(lut: &Lut, figures: &TableNoise, x: &[u32], noise: &mut [Noise]) -> Vec<u32> {
    let entries = lut.entries();
    let shift = rounded(figures.input_shift);
    let positions: Vec<Vec<u32>> = (0..lut.tables())
        .map(|channel| {
            let table = lut.table(channel).iter().map(|&value| i64::from(value));
            let mirrored = table
                .clone()
                .map(|value| figures.twice_centre.wrapping_sub(value));
            table
                .chain(mirrored)
                .map(|value| phase(figures.output_delta, value))
                .collect()
        })
        .collect();
    let bits = 31 - entries.ilog2();
    let mut y = Vec::with_capacity(x.len());
    for (element, x) in x.chunks_exact(noise.len()).enumerate() {
        let table = &positions[lut.channel_of(element)];
        for (&x, noise) in x.iter().zip(noise.iter_mut()) {
            let place = noise.add(x, figures.before_sigma).wrapping_add(shift) >> bits;
            y.push(noise.add(table[place as usize], figures.after_sigma));
        }
    }
    y
}

/// Adds noise to words `[elements][samples]`.
fn add_noise(words: &mut [u32], noise: &mut [Noise], sigma: f64) {
    for words in words.chunks_exact_mut(noise.len()) {
        for (word, noise) in words.iter_mut().zip(noise.iter_mut()) {
            *word = noise.add(*word, sigma);
        }
    }
}

/// Gaussian noise of one sample.
struct Noise(ChaCha8Rng);

impl Noise {
    fn new(seed: u64, sample: usize) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(sample as u64);
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
