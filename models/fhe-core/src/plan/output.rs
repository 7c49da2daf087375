//! Outputs on the torus.

use obscura_circuit::{Circuit, Interval, Operation, OutputKind, OutputLayer};

use super::{Tensor, to_torus};
use crate::{Noise, ParameterSet, PlanError};

/// Deviations that separate a decoded integer from its neighbour: a wrong one has probability below 2^-49.
const EXACT_DEVIATIONS: f64 = 8.0;

/// An output on the torus.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputPlan {
    /// Its name in the circuit.
    pub name: Box<str>,
    /// Number of the tensor it reads.
    pub reads: usize,
    /// Its elements.
    pub len: usize,
    /// How exactly it is reproduced.
    pub kind: OutputKind,
    /// Bits kept of each word.
    pub answer_bits: u32,
    /// Predicted deviation of a decrypted element from the reference, in integers: the largest over the
    /// channels.
    pub sigma: f64,
    delta: u64,
    reach: Interval,
}

impl OutputPlan {
    /// The integer a decrypted phase stands for: nearest multiple of delta among the reachable values.
    pub fn decode(&self, phase: u64) -> i64 {
        // Phases are relative to the middle of the reachable values, which may lie anywhere on the torus.
        let middle = i64::midpoint(self.reach.min, self.reach.max);
        let offset = phase
            .wrapping_sub(self.delta.wrapping_mul(middle.cast_unsigned()))
            .cast_signed();
        let delta = i128::from(self.delta);
        let steps = (i128::from(offset) + delta / 2).div_euclid(delta);
        let value = i128::from(middle) + steps;
        i64::try_from(value)
            .unwrap_or(self.reach.max)
            .clamp(self.reach.min, self.reach.max)
    }
}

/// Lays the outputs of `circuit` out over its tensors.
pub(super) fn outputs(
    circuit: &Circuit,
    set: &ParameterSet,
    tensors: &[Tensor],
) -> Result<Vec<OutputPlan>, PlanError> {
    let len = |output: &OutputLayer| circuit.reach(output.reads).len();
    let count = circuit.outputs().iter().map(len).sum();
    let kinds = circuit.outputs().iter().map(|o| circuit.kind(o.reads));
    // Packed outputs share ciphertexts, so the most demanding one decides for all.
    let most = kinds
        .map(|kind| bits(set, kind))
        .max()
        .unwrap_or(set.table_answer_bits);
    let plan = |output: &OutputLayer| {
        let kind = circuit.kind(output.reads);
        let answer_bits = if set.packing.is_some() {
            most
        } else {
            bits(set, kind)
        };
        let tensor = &tensors[output.reads];
        let (step, way_out) = (to_torus(tensor.delta), on_the_way_out(set, answer_bits, count));
        let deviations = step / 2.0 / tensor.noise.max().plus(way_out).sigma();
        if is_exact(circuit, output.reads) && deviations < EXACT_DEVIATIONS {
            return Err(PlanError::TooNoisy {
                output: output.name.clone(),
                deviations,
                want: EXACT_DEVIATIONS,
            });
        }
        let hull = circuit.reach(output.reads).iter().copied().reduce(Interval::hull);
        let reach = hull.unwrap_or(Interval { min: 0, max: 0 });
        if u128::from(reach.max.abs_diff(reach.min)) * u128::from(tensor.delta) >= 1 << 64 {
            return Err(PlanError::TooWide {
                layer: layer_name(circuit, output.reads).into(),
            });
        }
        Ok(OutputPlan {
            name: output.name.clone(),
            reads: output.reads,
            len: len(output),
            kind,
            answer_bits,
            sigma: tensor.deviation.max().plus(way_out).sigma() / step,
            delta: tensor.delta,
            reach,
        })
    };
    circuit.outputs().iter().map(plan).collect()
}

/// What packing and switching add to an output, where an answer has `count` elements.
pub(super) fn on_the_way_out(set: &ParameterSet, answer_bits: u32, count: usize) -> Noise {
    let switch = Noise::answer_switch(set, answer_bits);
    match &set.packing {
        Some(packing) => switch.plus(Noise::packing(set, packing, count.min(packing.polynomial_size))),
        None => switch,
    }
}

/// Whether an output must decode to one integer: no table before it, or one that states its error in entries.
fn is_exact(circuit: &Circuit, tensor: usize) -> bool {
    let stated = || {
        let layer = tensor
            .checked_sub(1)
            .and_then(|index| circuit.layers().get(index));
        layer.is_some_and(|layer| matches!(&layer.operation, Operation::Lut(lut) if lut.calibrated.is_none()))
    };
    circuit.kind(tensor) == OutputKind::Exact || stated()
}

fn layer_name(circuit: &Circuit, tensor: usize) -> &str {
    let layer = tensor
        .checked_sub(1)
        .and_then(|index| circuit.layers().get(index));
    layer.map_or("input", |layer| &layer.name)
}

fn bits(set: &ParameterSet, kind: OutputKind) -> u32 {
    match kind {
        OutputKind::Exact => set.exact_answer_bits,
        OutputKind::Table => set.table_answer_bits,
    }
}
