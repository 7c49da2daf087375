//! Prints how long a VGG11 on patches of 32 x 32 takes to load, to evaluate in the clear and to simulate.
//!
//! Random weights and activations of 5 bits; `cargo run -p obscura-circuit --example network [samples]`.
#![expect(clippy::print_stdout, reason = "it prints its measurements")]

use std::{collections::HashMap, error::Error, time::Instant};

use obscura_circuit::{Circuit, NoiseFigures, Operation, TableNoise};
use safetensors::{Dtype, tensor::TensorView};
use serde_json::{Value, json};

/// Channels of the convolutions, and whether a pool follows.
const CONVOLUTIONS: [(usize, bool); 8] = [
    (64, true),
    (128, true),
    (256, false),
    (256, true),
    (512, false),
    (512, true),
    (512, false),
    (512, true),
];

fn main() -> Result<(), Box<dyn Error>> {
    let samples = std::env::args().nth(1).map_or(Ok(49), |count| count.parse())?;
    let (json, weights) = vgg11()?;
    let start = Instant::now();
    let circuit = Circuit::from_parts(&json, &weights)?;
    println!("load: {:.0?}, {} look-ups", start.elapsed(), circuit.look_ups());
    let mut random = Random(7);
    let sample = |_| (0..circuit.input_len()).map(|_| random.within(31)).collect();
    let samples: Vec<Vec<i64>> = (0..samples).map(sample).collect();
    let per_sample = |what: &str, start: Instant| {
        let count = u32::try_from(samples.len()).unwrap_or(u32::MAX).max(1);
        println!(
            "{what}: {:.1?} per patch, {count} patches",
            start.elapsed() / count
        );
    };
    let start = Instant::now();
    let batch = circuit.evaluate_batch(&samples)?;
    per_sample("evaluate_batch", start);
    let start = Instant::now();
    let one = samples
        .first()
        .map(|sample| circuit.evaluate(sample))
        .transpose()?;
    println!("evaluate: {:.1?}", start.elapsed());
    if one.as_ref() != batch.first() {
        return Err("the batch gives other values".into());
    }
    let start = Instant::now();
    circuit.simulate_values(&figures(&circuit), &samples, 1)?;
    per_sample("simulate_values", start);
    Ok(())
}

/// Noise of a fraction of an entry, at the scale the tables dictate.
fn figures(circuit: &Circuit) -> NoiseFigures {
    let mut deltas = vec![1_u64 << 40; circuit.layers().len() + 1];
    let mut tables = vec![None; circuit.layers().len()];
    for (index, layer) in circuit.layers().iter().enumerate().rev() {
        deltas[layer.reads] = deltas[index + 1];
        if let Operation::Lut(lut) = &layer.operation {
            let delta = (1 << 57) / lut.step.cast_unsigned();
            deltas[layer.reads] = delta;
            tables[index] = Some(TableNoise {
                before_sigma: 0.5 / 128.0,
                after_sigma: (-20.0_f64).exp2(),
                input_shift: delta.wrapping_mul(lut.origin.cast_unsigned()).wrapping_neg(),
                output_delta: deltas[index + 1],
                twice_centre: lut.twice_centre(),
            });
        }
    }
    NoiseFigures {
        delta: deltas,
        input_sigma: 0.0,
        tables,
        output_sigma: 0.0,
    }
}

/// The circuit's two files.
fn vgg11() -> Result<(Vec<u8>, Vec<u8>), Box<dyn Error>> {
    let mut nodes =
        vec![json!({"op": "input", "name": "x", "shape": [3, 32, 32], "min": [-31], "max": [31]})];
    let mut tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = Vec::new();
    let mut random = Random(5);
    // Sixteen entries below the ramp and above it: the ends the saturation needs.
    let ramp = (0..64).flat_map(|entry: i32| (entry - 16).clamp(0, 31).to_le_bytes());
    tensors.push(("ramp".into(), Dtype::I32, vec![1, 64], ramp.collect()));
    let (mut reads, mut inputs) = ("x".to_owned(), 3);
    let mut dense = |name: &str, shape: Vec<usize>| {
        let weights = (0..shape.iter().product()).map(|_| random.within(15).to_le_bytes()[0]);
        tensors.push((
            format!("{name}.weights"),
            Dtype::I8,
            shape.clone(),
            weights.collect(),
        ));
        tensors.push((
            format!("{name}.bias"),
            Dtype::I64,
            vec![shape[0]],
            vec![0; 8 * shape[0]],
        ));
    };
    for (index, (outputs, pool)) in CONVOLUTIONS.into_iter().enumerate() {
        let (conv, act, sum) = (
            format!("conv{index}"),
            format!("act{index}"),
            format!("pool{index}"),
        );
        dense(&conv, vec![outputs, inputs, 3, 3]);
        nodes.push(
            json!({"op": "conv2d", "name": conv, "input": reads, "weights": format!("{conv}.weights"),
            "bias": format!("{conv}.bias"), "stride": [1, 1], "padding": [1, 1]}),
        );
        // An accumulator's deviation is near 2^6.5 for each root of a tap; pools of four raise it.
        let step = 1_i64 << (3 + (9 * inputs).ilog2() / 2 + u32::from(index > 0));
        nodes.push(
            json!({"op": "lut", "name": act, "input": conv, "table": "ramp", "origin": -16 * step,
            "step": step, "calibrated": [-32 * step, 64 * step - 1]}),
        );
        reads = act;
        if pool {
            nodes.push(
                json!({"op": "sumpool", "name": sum, "input": reads, "window": [2, 2], "stride": [2, 2]}),
            );
            reads = sum;
        }
        inputs = outputs;
    }
    dense("head", vec![7, 512]);
    nodes.push(json!({"op": "linear", "name": "head", "input": reads, "weights": "head.weights", "bias": "head.bias"}));
    nodes.push(json!({"op": "output", "name": "logits", "input": "head"}));
    let json = json!({"format": 1, "nodes": Value::from(nodes)}).to_string();
    let mut views = HashMap::new();
    for (name, dtype, shape, bytes) in &tensors {
        views.insert(name.clone(), TensorView::new(*dtype, shape.clone(), bytes)?);
    }
    Ok((json.into_bytes(), safetensors::serialize(views, None)?))
}

/// Xorshift numbers.
struct Random(u64);

impl Random {
    /// A number in `-bound..=bound`.
    fn within(&mut self, bound: i64) -> i64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let count = u64::try_from(2 * bound + 1).unwrap_or(1);
        (self.0 % count).cast_signed() - bound
    }
}
