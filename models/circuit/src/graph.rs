//! The graph: layers in evaluation order, each reading one earlier tensor.

use std::collections::HashSet;

use crate::{CircuitError, Interval, range};

/// Most layers of one circuit, outputs included.
const MAX_LAYERS: usize = 256;
/// Entries of a table, fixed because the look-up addresses it by the top eight bits.
const TABLE_ENTRIES: usize = 256;

/// A dense layer: `y[o] = sum over i of weights[o][i] * x[i] + bias[o]`.
#[derive(Clone, Debug)]
pub struct Linear {
    inputs: usize,
    /// Invariant: `bias.len() * inputs` elements, row-major `[n_out][n_in]`.
    weights: Vec<i32>,
    bias: Vec<i64>,
}

impl Linear {
    pub(crate) fn new(
        name: &str,
        inputs: usize,
        weights: Vec<i32>,
        bias: Vec<i64>,
    ) -> Result<Self, CircuitError> {
        let (got, want) = (weights.len(), bias.len().saturating_mul(inputs));
        if got != want || bias.is_empty() {
            return Err(CircuitError::ShapeMismatch {
                layer: name.into(),
                what: "weights",
                got,
                want,
            });
        }
        Ok(Self {
            inputs,
            weights,
            bias,
        })
    }

    /// Number of outputs.
    pub fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// Weights `[n_in]` and bias of each output, in order.
    pub fn rows(&self) -> impl Iterator<Item = (&[i32], i64)> {
        self.weights
            .chunks_exact(self.inputs)
            .zip(self.bias.iter().copied())
    }

    /// Largest 2-norm of a row of weights, by which the layer multiplies independent noise.
    pub fn max_norm2(&self) -> f64 {
        let norm = |row: &[i32]| row.iter().map(|&w| f64::from(w).powi(2)).sum::<f64>().sqrt();
        self.rows().map(|(row, _)| norm(row)).fold(0.0, f64::max)
    }
}

/// A table look-up: `y = table[clamp(floor((x - origin) / step), 0, 255)]`, saturating at both ends.
///
/// One table for the whole tensor or one per element (channel).
#[derive(Clone, Debug)]
pub struct Lut {
    /// Smallest input of entry 0.
    pub origin: i64,
    /// Inputs per entry, at least 1.
    pub step: i64,
    /// Invariant: a non-zero multiple of `TABLE_ENTRIES` elements.
    entries: Vec<i32>,
}

impl Lut {
    pub(crate) fn new(
        name: &str,
        channels: usize,
        entries: Vec<i32>,
        origin: i64,
        step: i64,
    ) -> Result<Self, CircuitError> {
        let got = entries.len();
        if got != TABLE_ENTRIES && got != TABLE_ENTRIES.saturating_mul(channels) {
            return Err(CircuitError::ShapeMismatch {
                layer: name.into(),
                what: "table",
                got,
                want: TABLE_ENTRIES,
            });
        }
        Ok(Self {
            origin,
            step,
            entries,
        })
    }

    /// Entries of one table.
    pub fn entries_per_channel(&self) -> usize {
        TABLE_ENTRIES
    }

    /// The table of element `element`.
    pub fn channel(&self, element: usize) -> &[i32] {
        let channels = self.entries.len() / TABLE_ENTRIES;
        let start = (element % channels) * TABLE_ENTRIES;
        &self.entries[start..start + TABLE_ENTRIES]
    }

    /// The entry number `x` falls into.
    pub fn index(&self, x: i64) -> usize {
        let entry = x.saturating_sub(self.origin).div_euclid(self.step);
        usize::try_from(entry.max(0)).map_or(TABLE_ENTRIES - 1, |i| i.min(TABLE_ENTRIES - 1))
    }
}

/// What a layer does.
#[derive(Clone, Debug)]
pub enum Operation {
    /// A dense layer.
    Linear(Linear),
    /// A table look-up.
    Lut(Lut),
}

/// One layer: an operation on an earlier tensor.
#[derive(Clone, Debug)]
pub struct Layer {
    /// Its name, also the name of the tensor it produces.
    pub name: Box<str>,
    /// Number of the tensor it reads: 0 is the input, `i + 1` the result of layer `i`.
    pub reads: usize,
    /// What it does.
    pub operation: Operation,
}

/// A tensor that leaves the circuit.
#[derive(Clone, Debug)]
pub struct OutputLayer {
    /// Its name.
    pub name: Box<str>,
    /// Number of the tensor it reads.
    pub reads: usize,
}

/// A circuit that has been checked: shapes fit, no accumulator overflows, every table covers its inputs.
#[derive(Clone, Debug)]
pub struct Circuit {
    input: Vec<Interval>,
    layers: Vec<Layer>,
    outputs: Vec<OutputLayer>,
    /// Invariant: one entry per tensor, the input first.
    ranges: Vec<Vec<Interval>>,
}

impl Circuit {
    pub(crate) fn new(
        input_name: &str,
        input: Vec<Interval>,
        layers: Vec<Layer>,
        outputs: Vec<OutputLayer>,
    ) -> Result<Self, CircuitError> {
        if input.is_empty() || outputs.is_empty() || layers.len() + outputs.len() > MAX_LAYERS {
            return Err(CircuitError::BadOutline {
                max_layers: MAX_LAYERS,
            });
        }
        let mut seen = HashSet::new();
        if let Some(output) = outputs
            .iter()
            .find(|o| o.name.is_empty() || !seen.insert(&*o.name))
        {
            return Err(CircuitError::BadName {
                layer: output.name.clone(),
            });
        }
        if let Some(element) = input.iter().position(|i| i.min > i.max) {
            let Interval { min, max } = input[element];
            return Err(CircuitError::EmptyRange {
                layer: input_name.into(),
                element,
                min,
                max,
            });
        }
        let mut ranges = vec![input.clone()];
        for layer in &layers {
            let reads = &ranges[layer.reads];
            ranges.push(match &layer.operation {
                Operation::Linear(linear) => range::linear(&layer.name, linear, reads)?,
                Operation::Lut(lut) => range::lut(&layer.name, lut, reads)?,
            });
        }
        Ok(Self {
            input,
            layers,
            outputs,
            ranges,
        })
    }

    /// Number of inputs.
    pub fn input_len(&self) -> usize {
        self.input.len()
    }

    /// Declared range of each input.
    pub fn input_ranges(&self) -> &[Interval] {
        &self.input
    }

    /// The layers, in evaluation order.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The outputs, in the order of an answer.
    pub fn outputs(&self) -> &[OutputLayer] {
        &self.outputs
    }

    /// What each element of tensor `tensor` can reach (0 is the input, `i + 1` the result of layer `i`).
    pub fn reach(&self, tensor: usize) -> &[Interval] {
        &self.ranges[tensor]
    }

    /// Names of the layers, in evaluation order.
    pub fn layer_names(&self) -> Vec<&str> {
        self.layers.iter().map(|l| &*l.name).collect()
    }
}
