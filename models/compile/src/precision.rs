//! The same circuit with coarser tables.
//!
//! A table of b bits has at most 2^b entries, and its values at most 2^b levels. Neighbouring entries are replaced by
//! their mean, so that origin and span stay, and so does the scale of what the table reads; values are rounded to levels
//! between the extremes, which stay, so that saturation does.

use obscura_circuit::Circuit;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde_json::Value;

use crate::CompileError;

/// The two files of a circuit, and the circuit.
#[derive(Clone, Debug)]
pub struct Network {
    /// circuit.json.
    pub circuit_json: Vec<u8>,
    /// weights.safetensors.
    pub weights: Vec<u8>,
    /// What they make.
    pub circuit: Circuit,
}

impl Network {
    /// Reads a circuit from its files.
    ///
    /// # Errors
    /// [`CompileError::Circuit`].
    pub fn new(circuit_json: Vec<u8>, weights: Vec<u8>) -> Result<Self, CompileError> {
        let circuit = Circuit::from_parts(&circuit_json, &weights)?;
        Ok(Self {
            circuit_json,
            weights,
            circuit,
        })
    }

    /// Name of the input node.
    pub fn input_name(&self) -> String {
        let json: Value = serde_json::from_slice(&self.circuit_json).unwrap_or_default();
        json["nodes"][0]["name"].as_str().unwrap_or_default().to_owned()
    }

    /// The circuit with tables of at most `bits` bits; `None` where that changes nothing.
    ///
    /// # Errors
    /// [`CompileError::Circuit`] when the coarser tables no longer saturate where inputs are expected.
    pub fn with_table_bits(&self, bits: u32) -> Result<Option<Self>, CompileError> {
        let tables = self.coarser(bits)?;
        if tables.is_empty() {
            return Ok(None);
        }
        let mut json: Value = serde_json::from_slice(&self.circuit_json).map_err(CompileError::Json)?;
        for node in json["nodes"].as_array_mut().into_iter().flatten() {
            let table = tables.iter().find(|(name, _)| node["table"] == **name);
            if let (Some((_, table)), Some(step)) = (table, node["step"].as_i64()) {
                node["step"] = step.saturating_mul(table.factor).into();
            }
        }
        let weights = self.with_tables(&tables)?;
        let circuit_json = serde_json::to_vec_pretty(&json).map_err(CompileError::Json)?;
        Self::new(circuit_json, weights).map(Some)
    }

    /// The tables that change, by name.
    fn coarser(&self, bits: u32) -> Result<Vec<(String, Coarse)>, CompileError> {
        let json: Value = serde_json::from_slice(&self.circuit_json).map_err(CompileError::Json)?;
        let file = SafeTensors::deserialize(&self.weights).map_err(CompileError::Weights)?;
        let mut tables: Vec<(String, Coarse)> = Vec::new();
        let names = json["nodes"].as_array().into_iter().flatten();
        for name in names.filter_map(|node| node["table"].as_str()) {
            let view = file.tensor(name).map_err(CompileError::Weights)?;
            let values = view.data().as_chunks::<4>().0.iter();
            let values: Vec<i64> = values.map(|bytes| i32::from_le_bytes(*bytes).into()).collect();
            let entries = view.shape().last().copied().unwrap_or(1).max(1);
            let coarse = Coarse::new(&values, view.shape(), entries, bits);
            if coarse.values != values && tables.iter().all(|(known, _)| known != name) {
                tables.push((name.to_owned(), coarse));
            }
        }
        Ok(tables)
    }

    fn with_tables(&self, tables: &[(String, Coarse)]) -> Result<Vec<u8>, CompileError> {
        let file = SafeTensors::deserialize(&self.weights).map_err(CompileError::Weights)?;
        let bytes: Vec<Vec<u8>> = tables.iter().map(|(_, table)| table.bytes()).collect();
        let mut views = Vec::new();
        for (name, view) in file.tensors() {
            let at = tables.iter().position(|(table, _)| *table == name);
            let view = match at {
                Some(at) => TensorView::new(Dtype::I32, tables[at].1.shape.clone(), &bytes[at]),
                None => Ok(view),
            };
            views.push((name, view.map_err(CompileError::Weights)?));
        }
        safetensors::serialize(views, None).map_err(CompileError::Weights)
    }
}

/// A table with fewer entries and levels.
#[derive(Clone, Debug)]
struct Coarse {
    shape: Vec<usize>,
    values: Vec<i64>,
    /// Entries that became one.
    factor: i64,
}

impl Coarse {
    fn new(values: &[i64], shape: &[usize], entries: usize, bits: u32) -> Self {
        let most = 1_usize << bits.min(30);
        let factor = (entries / most).max(1);
        let whole = i64::try_from(factor).unwrap_or(1);
        let mean = |group: &[i64]| rounded(group.iter().sum(), whole);
        let mut shape = shape.to_vec();
        if let Some(last) = shape.last_mut() {
            *last /= factor;
        }
        let low = values.iter().copied().min().unwrap_or(0);
        let span = values.iter().copied().max().unwrap_or(0) - low;
        let levels = i64::try_from(most).unwrap_or(i64::MAX) - 1;
        let level = |value: i64| {
            if span <= levels {
                return value;
            }
            low + rounded(rounded((value - low) * levels, span) * span, levels)
        };
        Self {
            shape,
            values: values.chunks(factor).map(mean).map(level).collect(),
            factor: whole,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        // Between the extremes of what were 32 bits.
        let word = |value: &i64| i32::try_from(*value).unwrap_or(0).to_le_bytes();
        self.values.iter().flat_map(word).collect()
    }
}

/// The nearest integer to a quotient, halves up.
fn rounded(dividend: i64, divisor: i64) -> i64 {
    (2 * dividend + divisor).div_euclid(2 * divisor.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_become_their_mean_and_values_levels_between_the_same_extremes() {
        let ramp: Vec<i64> = (0..32).map(|entry| (8 * (entry - 8)).clamp(0, 120)).collect();
        let coarse = Coarse::new(&ramp, &[1, 32], 32, 4);
        assert_eq!((coarse.shape.as_slice(), coarse.factor), (&[1, 16][..], 2));
        // Pairs (0, 8) and (16, 24) have means 4 and 20; fifteen steps of 8 round them up and down.
        assert_eq!(coarse.values[..8], [0, 0, 0, 0, 8, 24, 40, 56]);
        assert_eq!((coarse.values[11], coarse.values[15]), (120, 120));
        let same = Coarse::new(&ramp, &[1, 32], 32, 7);
        assert_eq!((same.values, same.factor), (ramp, 1));
    }

    #[test]
    fn halves_round_up_on_both_sides_of_zero() {
        assert_eq!(
            [rounded(3, 2), rounded(-3, 2), rounded(-5, 4), rounded(7, 4)],
            [2, -1, -1, 2]
        );
    }
}
