//! The graph: layers in evaluation order, each reading one earlier tensor.

use std::collections::HashSet;

use crate::{CircuitError, Conv2d, Dense, Interval, Linear, Lut, Shape, SumPool, range};

/// Most layers of one circuit, outputs included.
const MAX_LAYERS: usize = 256;

/// What a layer does.
#[derive(Clone, Debug)]
pub enum Operation {
    /// A dense layer.
    Linear(Linear),
    /// A convolution.
    Conv2d(Conv2d),
    /// Sums over windows.
    SumPool(SumPool),
    /// A table look-up.
    Lut(Lut),
}

impl Operation {
    /// The operation as weights at positions, if it is a dense layer or a convolution.
    pub fn dense(&self) -> Option<Dense<'_>> {
        match self {
            Self::Linear(linear) => Some(linear.into()),
            Self::Conv2d(conv) => Some(conv.into()),
            Self::SumPool(_) | Self::Lut(_) => None,
        }
    }

    /// Shape of its result.
    pub fn output(&self) -> Shape {
        match self {
            Self::Linear(linear) => linear.output(),
            Self::Conv2d(conv) => conv.output(),
            Self::SumPool(pool) => pool.output(),
            Self::Lut(lut) => lut.shape(),
        }
    }
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

/// The tensor a circuit begins with.
pub(crate) struct Input {
    pub(crate) name: String,
    pub(crate) shape: Shape,
    /// Invariant: one per element.
    pub(crate) ranges: Vec<Interval>,
}

/// A circuit that has been checked: shapes fit, no accumulator overflows, every table covers its inputs or
/// saturates.
#[derive(Clone, Debug)]
pub struct Circuit {
    layers: Vec<Layer>,
    outputs: Vec<OutputLayer>,
    input: Shape,
    /// Invariant: one entry per tensor, the input first.
    ranges: Vec<Vec<Interval>>,
}

impl Circuit {
    pub(crate) fn new(
        input: Input,
        layers: Vec<Layer>,
        outputs: Vec<OutputLayer>,
    ) -> Result<Self, CircuitError> {
        if input.ranges.is_empty() || outputs.is_empty() || layers.len() + outputs.len() > MAX_LAYERS {
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
        if let Some(element) = input.ranges.iter().position(|i| i.min > i.max) {
            let Interval { min, max } = input.ranges[element];
            return Err(CircuitError::EmptyRange {
                layer: input.name.into(),
                element,
                min,
                max,
            });
        }
        let mut ranges = vec![input.ranges];
        for layer in &layers {
            let reads = &ranges[layer.reads];
            ranges.push(match &layer.operation {
                Operation::Linear(linear) => range::linear(&layer.name, linear, reads)?,
                Operation::Conv2d(conv) => range::conv2d(&layer.name, conv, reads)?,
                Operation::SumPool(pool) => range::sum_pool(&layer.name, pool, reads)?,
                Operation::Lut(lut) => range::lut(&layer.name, lut, reads)?,
            });
        }
        Ok(Self {
            layers,
            outputs,
            input: input.shape,
            ranges,
        })
    }

    /// Number of inputs.
    pub fn input_len(&self) -> usize {
        self.ranges[0].len()
    }

    /// Declared range of each input.
    pub fn input_ranges(&self) -> &[Interval] {
        &self.ranges[0]
    }

    /// The layers, in evaluation order.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The outputs, in the order of an answer.
    pub fn outputs(&self) -> &[OutputLayer] {
        &self.outputs
    }

    /// Shape of tensor `tensor` (0 is the input, `i + 1` the result of layer `i`).
    pub fn shape(&self, tensor: usize) -> Shape {
        match tensor.checked_sub(1) {
            None => self.input,
            Some(layer) => self.layers[layer].operation.output(),
        }
    }

    /// What each element of tensor `tensor` can reach (0 is the input, `i + 1` the result of layer `i`).
    pub fn reach(&self, tensor: usize) -> &[Interval] {
        &self.ranges[tensor]
    }

    /// Table look-ups of one evaluation.
    pub fn look_ups(&self) -> usize {
        let tables = self.layers.iter().filter_map(|layer| match &layer.operation {
            Operation::Lut(lut) => Some(lut.shape().elements()),
            Operation::Linear(_) | Operation::Conv2d(_) | Operation::SumPool(_) => None,
        });
        tables.sum()
    }

    /// Names of the layers, in evaluation order.
    pub fn layer_names(&self) -> Vec<&str> {
        self.layers.iter().map(|l| &*l.name).collect()
    }
}
