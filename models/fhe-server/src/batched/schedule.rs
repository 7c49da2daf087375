//! Which layers are evaluated together, which tensors exist when, and how much memory that takes.

use obscura_circuit::{Circuit, Operation};
use obscura_fhe_core::Plan;

use super::tile::Tiles;

/// Layers that are evaluated together: at least one of the three, each the only reader of the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// Tensor read.
    pub(super) reads: usize,
    /// Tensor made; the results in between never exist.
    pub(super) makes: usize,
    /// Dense layer or convolution.
    pub(super) dense: Option<usize>,
    /// Table.
    pub(super) lut: Option<usize>,
    /// Pool.
    pub(super) pool: Option<usize>,
}

impl Step {
    /// Layers of the step.
    pub(super) fn layers(&self) -> u32 {
        [self.dense, self.lut, self.pool]
            .iter()
            .map(|l| u32::from(l.is_some()))
            .sum()
    }
}

/// The steps of a circuit.
pub(super) struct Schedule {
    pub(super) steps: Vec<Step>,
    /// Tensors nothing reads after each step.
    free: Vec<Vec<usize>>,
}

impl Schedule {
    pub(super) fn new(circuit: &Circuit) -> Self {
        let layers = circuit.layers();
        let mut steps: Vec<Step> = Vec::new();
        for (index, layer) in layers.iter().enumerate() {
            let alone = Step {
                reads: layer.reads,
                makes: index + 1,
                dense: None,
                lut: None,
                pool: None,
            };
            // A step whose result only this layer reads can be continued by it.
            let before = steps
                .iter()
                .position(|step| step.makes == layer.reads && readers(circuit, layer.reads) == 1);
            let mut step = before.map_or(alone, |at| steps[at]);
            let joins = match &layer.operation {
                Operation::Lut(_) => step.lut.is_none() && step.pool.is_none(),
                Operation::SumPool(_) => step.pool.is_none() && step.lut.is_some(),
                Operation::Linear(_) | Operation::Conv2d(_) => false,
            };
            match before.filter(|_| joins) {
                Some(at) => {
                    steps.remove(at);
                }
                None => step = alone,
            }
            step.makes = index + 1;
            match &layer.operation {
                Operation::Lut(_) => step.lut = Some(index),
                Operation::SumPool(_) => step.pool = Some(index),
                Operation::Linear(_) | Operation::Conv2d(_) => step.dense = Some(index),
            }
            steps.push(step);
        }
        let free = last_reads(circuit, &steps);
        Self { steps, free }
    }

    /// Tensors nothing reads after step `step`.
    pub(super) fn free_after(&self, step: usize) -> &[usize] {
        self.free.get(step).map_or(&[], Vec::as_slice)
    }

    /// Most memory that tensors, tiles and outputs take at once, bytes.
    pub(super) fn peak_bytes(&self, plan: &Plan, circuit: &Circuit, threads: usize) -> usize {
        let size = plan.parameters().large_dimension() + 1;
        let tensor = |tensor: usize| circuit.shape(tensor).elements() * size * size_of::<u32>();
        let mut alive = tensor(0);
        let mut peak = alive;
        for (index, step) in self.steps.iter().enumerate() {
            alive += tensor(step.makes);
            let tiles = Tiles::new(circuit, step, threads);
            peak = peak.max(alive + tiles.bytes(plan.parameters(), circuit, step, threads));
            alive -= self.free_after(index).iter().map(|&t| tensor(t)).sum::<usize>();
        }
        peak.max(alive + 2 * plan.output_len() * size * size_of::<u64>())
    }
}

/// Layers and outputs that read `tensor`.
fn readers(circuit: &Circuit, tensor: usize) -> usize {
    let layers = circuit.layers().iter().filter(|l| l.reads == tensor).count();
    layers + circuit.outputs().iter().filter(|o| o.reads == tensor).count()
}

/// Per step the tensors that neither a later step nor an output reads.
fn last_reads(circuit: &Circuit, steps: &[Step]) -> Vec<Vec<usize>> {
    let mut free = vec![Vec::new(); steps.len()];
    let tensors = std::iter::once(0).chain(steps.iter().map(|step| step.makes));
    for tensor in tensors {
        let kept = circuit.outputs().iter().any(|o| o.reads == tensor);
        let last = steps.iter().rposition(|s| s.reads == tensor || s.makes == tensor);
        if let Some(free) = last.filter(|_| !kept).and_then(|last| free.get_mut(last)) {
            free.push(tensor);
        }
    }
    free
}
