//! Bit-exactness: what the exporter says every layer gives, against the integer reference.
//!
//! The file is a safetensors file with one tensor `[samples, ...]` of integers per node of circuit.json, by the node's
//! name: the input node's holds the inputs, every other what the node gives for them. Output nodes may be left out,
//! because they repeat another node; no other node may, and nothing else may be there.

use std::path::Path;

use obscura_circuit::Circuit;
use safetensors::SafeTensors;

use crate::{
    CompileError,
    calibration::{integers, tensor_file},
};

/// Compares every layer of `circuit` with the file at `path`; `input` is the name of the input node. Gives the number of
/// samples.
///
/// # Errors
/// [`CompileError::Layer`] for the first number that differs, [`CompileError::Layers`] for a file of another form.
pub fn check_layers(circuit: &Circuit, input: &str, path: &Path) -> Result<usize, CompileError> {
    let wrong = |what| CompileError::Layers {
        path: path.to_owned(),
        what,
    };
    let bytes = tensor_file(path)?;
    let file =
        SafeTensors::deserialize(&bytes).map_err(|_source| wrong("is not a safetensors file".to_owned()))?;
    let layers = circuit.layers().iter().map(|layer| &*layer.name);
    let tensors: Vec<&str> = std::iter::once(input).chain(layers).collect();
    let outputs: Vec<&str> = circuit.outputs().iter().map(|output| &*output.name).collect();
    let known = |name: &str| tensors.contains(&name) || outputs.contains(&name);
    if let Some(name) = file.names().into_iter().find(|name| !known(name)) {
        return Err(wrong(format!(
            "has a tensor {name}, which is no node of the circuit"
        )));
    }
    let read = |name: &str| -> Result<Vec<i64>, CompileError> {
        let view = file
            .tensor(name)
            .map_err(|_source| wrong(format!("has no tensor {name}")))?;
        integers(view.dtype(), view.data())
            .ok_or_else(|| wrong(format!("tensor {name} is not of I8, U8, I16, I32 or I64")))
    };
    let expected: Vec<Vec<i64>> = tensors.iter().map(|name| read(name)).collect::<Result<_, _>>()?;
    let samples = expected[0].len() / circuit.input_len();
    if samples == 0 {
        return Err(wrong(format!("tensor {input} holds no whole sample")));
    }
    let mut checks: Vec<(&str, usize, Vec<i64>)> = Vec::new();
    for (tensor, (name, values)) in tensors.iter().zip(expected).enumerate() {
        checks.push((name, tensor, values));
    }
    for output in circuit.outputs() {
        // A node that is also a layer's name was read above.
        if !tensors.contains(&&*output.name) && file.tensor(&output.name).is_ok() {
            checks.push((&output.name, output.reads, read(&output.name)?));
        }
    }
    for (name, tensor, values) in &checks {
        if values.len() != samples * circuit.shape(*tensor).elements() {
            return Err(wrong(format!("tensor {name} does not hold {samples} samples")));
        }
    }
    for sample in 0..samples {
        let inputs = &checks[0].2[sample * circuit.input_len()..][..circuit.input_len()];
        let traced = circuit.trace(inputs)?;
        for (name, tensor, values) in &checks {
            let got = &traced[*tensor];
            let want = &values[sample * got.len()..][..got.len()];
            if let Some(element) = got.iter().zip(want).position(|(got, want)| got != want) {
                return Err(CompileError::Layer {
                    layer: (*name).to_owned(),
                    sample,
                    element,
                    want: want[element],
                    got: got[element],
                });
            }
        }
    }
    Ok(samples)
}
