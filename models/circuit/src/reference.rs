//! The integer reference: what a circuit computes, in the clear.

use crate::{Circuit, CircuitError, Dense, Lut, Operation, SumPool};

/// How exactly an encrypted run must reproduce an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputKind {
    /// Sums of products only: every bit is right.
    Exact,
    /// A table was looked up: the value is one of the entries around the right one.
    Table,
}

/// One named output of a circuit.
#[derive(Clone, PartialEq, Eq)]
pub struct Output {
    /// Its name in the circuit.
    pub name: String,
    /// Its elements.
    pub values: Vec<i64>,
    /// How exactly an encrypted run must reproduce it.
    pub kind: OutputKind,
}

impl std::fmt::Debug for Output {
    /// Prints no value: outputs are diagnoses.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Output")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

impl Circuit {
    /// Evaluates the circuit on `inputs`, `[input_len]` integers within their declared ranges.
    ///
    /// Plain loops that define what a circuit computes; [`Circuit::evaluate_batch`] gives the same faster.
    ///
    /// # Errors
    /// [`CircuitError::InputCount`] or [`CircuitError::InputOutOfRange`].
    pub fn evaluate(&self, inputs: &[i64]) -> Result<Vec<Output>, CircuitError> {
        let tensors = self.trace(inputs)?;
        let output = |o: &crate::OutputLayer| Output {
            name: o.name.to_string(),
            values: tensors[o.reads].clone(),
            kind: self.kind(o.reads),
        };
        Ok(self.outputs().iter().map(output).collect())
    }

    /// Evaluates the circuit and gives all its tensors, the input first, in [`Shape`](crate::Shape)'s order.
    ///
    /// # Errors
    /// [`CircuitError::InputCount`] or [`CircuitError::InputOutOfRange`].
    pub fn trace(&self, inputs: &[i64]) -> Result<Vec<Vec<i64>>, CircuitError> {
        self.check_inputs(inputs)?;
        let mut tensors = vec![inputs.to_vec()];
        for layer in self.layers() {
            let x = &tensors[layer.reads];
            tensors.push(match &layer.operation {
                Operation::Linear(linear) => apply_dense(linear.into(), x),
                Operation::Conv2d(conv) => apply_dense(conv.into(), x),
                Operation::SumPool(pool) => apply_sum_pool(pool, x),
                Operation::Lut(lut) => apply_lut(lut, x),
            });
        }
        Ok(tensors)
    }

    /// Checks count and ranges of `inputs` without evaluating.
    ///
    /// # Errors
    /// [`CircuitError::InputCount`] or [`CircuitError::InputOutOfRange`].
    pub fn check_inputs(&self, inputs: &[i64]) -> Result<(), CircuitError> {
        let (got, want) = (inputs.len(), self.input_len());
        if got != want {
            return Err(CircuitError::InputCount { got, want });
        }
        match inputs
            .iter()
            .zip(self.input_ranges())
            .position(|(&x, range)| !range.contains(x))
        {
            Some(element) => Err(CircuitError::InputOutOfRange {
                element,
                allowed: self.input_ranges()[element],
            }),
            None => Ok(()),
        }
    }

    /// How exactly an encrypted run must reproduce tensor `tensor`.
    pub fn kind(&self, tensor: usize) -> OutputKind {
        let Some(layer) = tensor.checked_sub(1).map(|i| &self.layers()[i]) else {
            return OutputKind::Exact;
        };
        match layer.operation {
            Operation::Lut(_) => OutputKind::Table,
            Operation::Linear(_) | Operation::Conv2d(_) | Operation::SumPool(_) => self.kind(layer.reads),
        }
    }
}

/// Wrapping, because the range check bounds the result but not every partial sum.
fn apply_dense(layer: Dense<'_>, x: &[i64]) -> Vec<i64> {
    let mut y = vec![0; layer.output().elements()];
    let rows: Vec<(Vec<i32>, i64)> = layer.weights().rows().collect();
    for position in 0..layer.positions() {
        let taps = layer.taps(position);
        let taps: Vec<i64> = taps.map(|tap| tap.map_or(0, |element| x[element])).collect();
        for (channel, (weights, bias)) in rows.iter().enumerate() {
            let products = weights.iter().zip(&taps);
            y[layer.element(channel, position)] = products.fold(*bias, |sum, (&weight, &x)| {
                sum.wrapping_add(i64::from(weight).wrapping_mul(x))
            });
        }
    }
    y
}

fn apply_sum_pool(layer: &SumPool, x: &[i64]) -> Vec<i64> {
    let add = |sum: i64, element: usize| sum.wrapping_add(x[element]);
    let elements = 0..layer.output().elements();
    elements
        .map(|element| layer.window(element).fold(0, add))
        .collect()
}

fn apply_lut(layer: &Lut, x: &[i64]) -> Vec<i64> {
    x.iter()
        .enumerate()
        .map(|(i, &x)| i64::from(layer.channel(i)[layer.index(x)]))
        .collect()
}
