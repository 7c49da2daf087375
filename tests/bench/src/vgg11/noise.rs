//! Noise between layers: what the simulator predicts for a patch, and what its ciphertexts show.
//!
//! A deviation is the difference to the clear evaluation, so it holds all that earlier tables passed on. It is
//! given in steps: entries of the table that reads the tensor, else integers of the tensor.

use std::path::Path;

use obscura_circuit::{Circuit, Operation};
use obscura_fhe_client::{SecretKeys, measure::large_phase};

use super::samples::samples;
use crate::{BenchError, standin::StandIn};

/// Simulations of the patch.
const SIMULATIONS: usize = 16;
/// Their seed.
const SEED: u64 = 3;
/// Integers so many deviations apart are told from each other without doubt.
const APART_DEVIATIONS: f64 = 12.0;

/// Deviations of one layer's result, over all patches.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct LayerNoise {
    /// By simulation: squares, and their number.
    simulated: (f64, usize),
    squares: f64,
    /// Ciphertexts that were decrypted.
    pub(super) count: usize,
    /// Of a look-up: squares of what the rotation itself added, in units of the torus.
    rotation_squares: Option<f64>,
}

impl LayerNoise {
    /// Takes another patch in.
    pub(super) fn join(&mut self, other: Self) {
        self.simulated.0 += other.simulated.0;
        self.simulated.1 += other.simulated.1;
        self.squares += other.squares;
        self.count += other.count;
        self.rotation_squares = match (self.rotation_squares, other.rotation_squares) {
            (Some(all), Some(more)) => Some(all + more),
            (all, more) => all.or(more),
        };
    }

    /// Root mean square by simulation.
    #[expect(clippy::cast_precision_loss, reason = "millions")]
    pub(super) fn predicted(&self) -> f64 {
        (self.simulated.0 / self.simulated.1.max(1) as f64).sqrt()
    }

    /// Root mean square of the measured deviations, if any ciphertext was recorded.
    #[expect(clippy::cast_precision_loss, reason = "hundreds")]
    pub(super) fn measured(&self) -> Option<f64> {
        (self.count > 0).then(|| (self.squares / self.count as f64).sqrt())
    }

    /// Root mean square of what the rotation itself added to a look-up, in units of the torus: how far results
    /// lie from whole integers, where these lie far enough apart to tell.
    #[expect(clippy::cast_precision_loss, reason = "hundreds")]
    pub(super) fn rotation(&self) -> Option<f64> {
        let squares = self.rotation_squares.filter(|_| self.count > 0)?;
        Some((squares / self.count as f64).sqrt())
    }
}

/// Predicts and measures every layer's deviation on one patch.
///
/// # Errors
/// [`BenchError`].
pub(super) fn measure(
    network: &StandIn,
    secret: &SecretKeys,
    input: &[i64],
    recorded: &Path,
) -> Result<Vec<LayerNoise>, BenchError> {
    let clear = network.circuit.trace(input)?;
    let scales: Vec<Scale> = (0..clear.len())
        .map(|tensor| Scale::of(network, tensor))
        .collect();
    let mut layers = predict(network, input, &clear, &scales)?;
    let size = network.parameters.large_dimension() + 1;
    for sample in samples(recorded, size)? {
        let tensor = sample.layer + 1;
        let value = clear.get(tensor).and_then(|values| values.get(sample.element));
        let (Some(&value), Some(layer)) = (value, layers.get_mut(sample.layer)) else {
            return Err(BenchError::BadFile {
                path: recorded.to_owned(),
                want: "a file of samples of this circuit",
            });
        };
        let phase = large_phase(secret, &sample.ciphertext)?;
        let steps = scales[tensor].deviation(phase, value);
        layer.squares += steps * steps;
        if let Some(squares) = &mut layer.rotation_squares {
            let integers = phase / scales[tensor].delta;
            let apart = (integers - integers.round()) * scales[tensor].delta;
            *squares += apart * apart;
        }
        layer.count += 1;
    }
    Ok(layers)
}

fn predict(
    network: &StandIn,
    input: &[i64],
    clear: &[Vec<i64>],
    scales: &[Scale],
) -> Result<Vec<LayerNoise>, BenchError> {
    let mut figures = network.plan.figures();
    figures.output_sigma = 0.0;
    let everything = network.all_outputs()?;
    let simulated = everything.simulate_values(&figures, &vec![input.to_vec(); SIMULATIONS], SEED)?;
    let mut layers = vec![LayerNoise::default(); clear.len() - 1];
    let mut start = 0;
    for (index, layer) in layers.iter_mut().enumerate() {
        let (values, scale) = (&clear[index + 1], scales[index + 1]);
        let deviations = simulated.iter().flat_map(|noisy| {
            noisy[start..]
                .iter()
                .zip(values)
                .map(|(&noisy, &value)| scale.wrap(noisy, value))
        });
        let squares: f64 = deviations.map(|steps| steps * steps).sum();
        layer.simulated = (squares, values.len() * SIMULATIONS);
        let rotation = figures.tables.get(index).copied().flatten();
        layer.rotation_squares = rotation
            .filter(|rotation| scale.delta > APART_DEVIATIONS * rotation.after_sigma)
            .map(|_| 0.0);
        start += values.len();
    }
    Ok(layers)
}

/// How a tensor's integers lie on the torus.
#[derive(Clone, Copy, Debug)]
struct Scale {
    /// Of the torus, per integer.
    delta: f64,
    /// Integers per step.
    step: f64,
}

impl Scale {
    #[expect(clippy::cast_precision_loss, reason = "53 bits are enough for a deviation")]
    fn of(network: &StandIn, tensor: usize) -> Self {
        Self {
            delta: network.plan.delta(tensor) as f64 * (-64.0_f64).exp2(),
            step: read_in_steps_of(&network.circuit, tensor) as f64,
        }
    }

    /// Steps between a phase and a value.
    #[expect(clippy::cast_precision_loss, reason = "accumulators have at most 32 bits")]
    fn deviation(self, phase: f64, value: i64) -> f64 {
        let turns = phase - value as f64 * self.delta;
        (turns - turns.round()) / (self.delta * self.step)
    }

    /// Steps between a noisy value, known up to whole turns, and the clear one.
    fn wrap(self, noisy: f64, value: i64) -> f64 {
        self.deviation(noisy * self.delta, value)
    }
}

/// Integers per entry of the table that reads `tensor`; 1 without one.
fn read_in_steps_of(circuit: &Circuit, tensor: usize) -> i64 {
    let readers = circuit.layers().iter().filter(|layer| layer.reads == tensor);
    let mut steps = readers.filter_map(|layer| match &layer.operation {
        Operation::Lut(lut) => Some(lut.step),
        _ => None,
    });
    steps.next().unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deviation_is_counted_in_steps_and_across_the_torus_ends() {
        let scale = Scale {
            delta: 1.0 / 1024.0,
            step: 4.0,
        };
        assert!((scale.deviation(0.25 + 8.0 / 1024.0, 256) - 2.0).abs() < 1e-9);
        // -1/2 and 1/2 are the same phase.
        assert!((scale.deviation(-0.5, 508) - 1.0).abs() < 1e-9);
        assert!((scale.wrap(1024.0 + 260.0, 256) - 1.0).abs() < 1e-9);
    }
}
