//! The integer reference: what a circuit computes, in the clear.

use crate::{Circuit, CircuitError, Linear, Lut, Operation};

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
    /// # Errors
    /// [`CircuitError::InputCount`] or [`CircuitError::InputOutOfRange`].
    pub fn evaluate(&self, inputs: &[i64]) -> Result<Vec<Output>, CircuitError> {
        self.check_inputs(inputs)?;
        let mut tensors = vec![inputs.to_vec()];
        for layer in self.layers() {
            let x = &tensors[layer.reads];
            tensors.push(match &layer.operation {
                Operation::Linear(linear) => apply_linear(linear, x),
                Operation::Lut(lut) => apply_lut(lut, x),
            });
        }
        let output = |o: &crate::OutputLayer| Output {
            name: o.name.to_string(),
            values: tensors[o.reads].clone(),
            kind: self.kind(o.reads),
        };
        Ok(self.outputs().iter().map(output).collect())
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
            Operation::Linear(_) => self.kind(layer.reads),
        }
    }
}

fn apply_linear(layer: &Linear, x: &[i64]) -> Vec<i64> {
    // Wrapping, because the range check bounds the result but not every partial sum.
    let add = |sum: i64, (&w, &x): (&i32, &i64)| sum.wrapping_add(i64::from(w).wrapping_mul(x));
    layer
        .rows()
        .map(|(weights, bias)| weights.iter().zip(x).fold(bias, add))
        .collect()
}

fn apply_lut(layer: &Lut, x: &[i64]) -> Vec<i64> {
    x.iter()
        .enumerate()
        .map(|(i, &x)| i64::from(layer.channel(i)[layer.index(x)]))
        .collect()
}
