//! Convolutional circuits: against definitions, under the simulator, and refused when they are wrong.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]
#![expect(clippy::cast_precision_loss, reason = "logits of at most 20 bits")]

use std::collections::HashMap;

use obscura_circuit::{Circuit, Lut, NoiseFigures, Operation, TableNoise};
use proptest::prelude::*;
use safetensors::{Dtype, tensor::TensorView};
use serde_json::{Value, json};

/// xorshift32, enough for test data.
struct Random(u32);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }

    fn within(&mut self, min: i64, max: i64) -> i64 {
        min + i64::from(self.next()) % (max - min + 1)
    }
}

#[derive(Default)]
struct Builder {
    nodes: Vec<Value>,
    tensors: HashMap<String, (Dtype, Vec<usize>, Vec<u8>)>,
}

impl Builder {
    fn input(shape: &[usize], min: i64, max: i64) -> Self {
        let mut new = Self::default();
        new.node(json!({"op": "input", "name": "x", "shape": shape, "min": [min], "max": [max]}));
        new
    }

    fn node(&mut self, node: Value) -> &mut Self {
        self.nodes.push(node);
        self
    }

    fn small(&mut self, name: &str, shape: &[usize], values: &[i64]) -> &mut Self {
        let bytes = values
            .iter()
            .map(|&v| i8::try_from(v).unwrap().cast_unsigned())
            .collect();
        self.tensors
            .insert(name.into(), (Dtype::I8, shape.to_vec(), bytes));
        self
    }

    fn wide(&mut self, name: &str, shape: &[usize], values: &[i64]) -> &mut Self {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.tensors
            .insert(name.into(), (Dtype::I64, shape.to_vec(), bytes));
        self
    }

    fn table(&mut self, name: &str, shape: &[usize], values: &[i64]) -> &mut Self {
        let bytes = values
            .iter()
            .flat_map(|&v| i32::try_from(v).unwrap().to_le_bytes())
            .collect();
        self.tensors
            .insert(name.into(), (Dtype::I32, shape.to_vec(), bytes));
        self
    }

    fn try_build(&self) -> Result<Circuit, String> {
        let views = self.tensors.iter().map(|(name, (dtype, shape, bytes))| {
            (
                name.clone(),
                TensorView::new(*dtype, shape.clone(), bytes).unwrap(),
            )
        });
        let weights = safetensors::serialize(views, None).unwrap();
        let json = json!({"format": 1, "nodes": self.nodes}).to_string();
        Circuit::from_parts(json.as_bytes(), &weights).map_err(|error| error.to_string())
    }

    fn build(&self) -> Circuit {
        self.try_build().unwrap()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn a_convolution_is_what_its_definition_says(
        (channels, outputs) in (1_usize..4, 1_usize..10),
        (height, width) in (3_usize..8, 3_usize..8),
        (kernel_h, kernel_w) in (1_usize..4, 1_usize..4),
        (stride_h, stride_w) in (1_usize..3, 1_usize..3),
        (pad_h, pad_w) in (0_usize..3, 0_usize..3),
        seed in any::<u32>(),
    ) {
        let (pad_h, pad_w) = (pad_h.min(kernel_h - 1), pad_w.min(kernel_w - 1));
        let mut random = Random(seed | 1);
        let weights: Vec<i64> = (0..outputs * channels * kernel_h * kernel_w).map(|_| random.within(-16, 15)).collect();
        let bias: Vec<i64> = (0..outputs).map(|_| random.within(-1000, 1000)).collect();
        let mut builder = Builder::input(&[channels, height, width], -100, 100);
        builder
            .node(json!({"op": "conv2d", "name": "c", "input": "x", "weights": "w", "bias": "b",
                         "stride": [stride_h, stride_w], "padding": [pad_h, pad_w]}))
            .node(json!({"op": "output", "name": "y", "input": "c"}))
            .small("w", &[outputs, channels, kernel_h, kernel_w], &weights)
            .wide("b", &[outputs], &bias);
        let circuit = builder.build();
        let x: Vec<i64> = (0..channels * height * width).map(|_| random.within(-100, 100)).collect();
        let got = circuit.evaluate(&x).unwrap();
        let out_h = (height + 2 * pad_h - kernel_h) / stride_h + 1;
        let out_w = (width + 2 * pad_w - kernel_w) / stride_w + 1;
        let mut want = Vec::new();
        for o in 0..outputs {
            for oy in 0..out_h {
                for ox in 0..out_w {
                    let mut sum = bias[o];
                    for c in 0..channels {
                        for ky in 0..kernel_h {
                            for kx in 0..kernel_w {
                                let (y, x_) = ((oy * stride_h + ky).wrapping_sub(pad_h), (ox * stride_w + kx).wrapping_sub(pad_w));
                                if y < height && x_ < width {
                                    sum += weights[((o * channels + c) * kernel_h + ky) * kernel_w + kx]
                                        * x[(c * height + y) * width + x_];
                                }
                            }
                        }
                    }
                    want.push(sum);
                }
            }
        }
        prop_assert_eq!(&got[0].values, &want);
        for (value, reach) in want.iter().zip(circuit.reach(1)) {
            prop_assert!(reach.contains(*value));
        }
    }
}

/// conv 2 -> 5, a saturating table per channel, a pool, a dense layer: a small network of all operations.
fn network() -> Circuit {
    let mut random = Random(11);
    let weights: Vec<i64> = (0..5 * 2 * 9).map(|_| random.within(-5, 5)).collect();
    let head: Vec<i64> = (0..3 * 5 * 4).map(|_| random.within(-60, 60)).collect();
    let table: Vec<i64> = (0..5)
        .flat_map(|channel| (0..64).map(move |i: i64| (i - 24 + channel).clamp(-channel, 15 + channel)))
        .collect();
    let mut builder = Builder::input(&[2, 4, 4], -8, 7);
    builder
        .node(json!({"op": "conv2d", "name": "conv", "input": "x", "weights": "w", "bias": "b", "stride": [1, 1], "padding": [1, 1]}))
        .node(json!({"op": "lut", "name": "act", "input": "conv", "table": "t", "origin": -256, "step": 8, "calibrated": [-300, 300]}))
        .node(json!({"op": "sumpool", "name": "pool", "input": "act", "window": [2, 2], "stride": [2, 2]}))
        .node(json!({"op": "linear", "name": "head", "input": "pool", "weights": "h", "bias": "hb"}))
        .node(json!({"op": "output", "name": "logits", "input": "head"}))
        .small("w", &[5, 2, 3, 3], &weights)
        .wide("b", &[5], &[10, -10, 0, 40, -40])
        .table("t", &[5, 64], &table)
        .small("h", &[3, 20], &head)
        .wide("hb", &[3], &[5, 6, 7]);
    builder.build()
}

fn samples(circuit: &Circuit, count: usize) -> Vec<Vec<i64>> {
    let mut random = Random(5);
    let sample = |_| (0..circuit.input_len()).map(|_| random.within(-8, 7)).collect();
    (0..count).map(sample).collect()
}

/// Noise of a table between tensors of these scales.
fn table_noise(lut: &Lut, delta: u64, output_delta: u64, before_sigma: f64, after_sigma: f64) -> TableNoise {
    // Half a step more, so that integers lie inside their entries and not at their edges.
    TableNoise {
        before_sigma,
        after_sigma,
        input_shift: (delta / 2).wrapping_sub(delta.wrapping_mul(lut.origin.cast_unsigned())),
        output_delta,
        twice_centre: lut.twice_centre(),
    }
}

fn figures(circuit: &Circuit, before_sigma: f64, after_sigma: f64) -> NoiseFigures {
    // 64 entries of 8 fill half of the torus; the logits reach less than 2^16.
    let deltas = [1_u64 << 54, 1 << 54, 1 << 46, 1 << 46, 1 << 46];
    NoiseFigures {
        delta: deltas.to_vec(),
        input_sigma: 0.0,
        tables: circuit
            .layers()
            .iter()
            .map(|layer| {
                let Operation::Lut(lut) = &layer.operation else {
                    return None;
                };
                Some(table_noise(
                    lut,
                    deltas[layer.reads],
                    deltas[layer.reads + 1],
                    before_sigma,
                    after_sigma,
                ))
            })
            .collect(),
        output_sigma: 0.0,
    }
}

#[test]
fn a_network_is_evaluated_layer_by_layer() {
    let circuit = network();
    assert_eq!(circuit.shape(1).elements(), 80);
    assert_eq!(circuit.shape(3).elements(), 20);
    let x = &samples(&circuit, 1)[0];
    let tensors = circuit.trace(x).unwrap();
    for (i, (&a, &y)) in tensors[1].iter().zip(&tensors[2]).enumerate() {
        let channel = i64::try_from(i / 16).unwrap();
        let entry = (a + 256).div_euclid(8).clamp(0, 63);
        assert_eq!(y, (entry - 24 + channel).clamp(-channel, 15 + channel));
    }
    for channel in 0..5 {
        let at = |y: usize, x: usize| tensors[2][channel * 16 + y * 4 + x];
        assert_eq!(
            tensors[3][channel * 4 + 3],
            at(2, 2) + at(2, 3) + at(3, 2) + at(3, 3)
        );
    }
    assert_eq!(circuit.evaluate(x).unwrap()[0].values, tensors[4]);
}

#[test]
fn a_batch_gives_what_each_sample_gives_alone() {
    let circuit = network();
    let samples = samples(&circuit, 71);
    let batch = circuit.evaluate_batch(&samples).unwrap();
    for (sample, outputs) in samples.iter().zip(batch) {
        assert_eq!(circuit.evaluate(sample).unwrap(), outputs);
    }
}

#[test]
fn simulation_without_noise_is_the_reference() {
    let circuit = network();
    let samples = samples(&circuit, 40);
    let simulated = circuit
        .simulate_values(&figures(&circuit, 0.0, 0.0), &samples, 1)
        .unwrap();
    for (sample, got) in samples.iter().zip(simulated) {
        let want = &circuit.evaluate(sample).unwrap()[0].values;
        for (got, &want) in got.iter().zip(want) {
            assert!((got - want as f64).abs() < 0.05, "{got} instead of {want}");
        }
    }
}

#[test]
fn simulated_noise_has_the_deviation_asked_for_and_repeats_with_its_seed() {
    let circuit = network();
    let samples = vec![samples(&circuit, 1).remove(0); 4000];
    let figures = figures(&circuit, 0.0, 2.0_f64.powi(-18));
    let simulated = circuit.simulate_values(&figures, &samples, 3).unwrap();
    assert_eq!(simulated, circuit.simulate_values(&figures, &samples, 3).unwrap());
    assert_ne!(simulated, circuit.simulate_values(&figures, &samples, 4).unwrap());
    let Operation::Linear(head) = &circuit.layers()[3].operation else {
        panic!("the head is dense")
    };
    // One step of a logit is 2^-18 of the torus; a pool sums four look-ups.
    let norm = head.weights().row_norms2()[0] * 2.0;
    let want = circuit.evaluate(&samples[0]).unwrap()[0].values[0] as f64;
    let square: f64 = simulated.iter().map(|s| (s[0] - want).powi(2)).sum();
    let ratio = (square / 4000.0).sqrt() / norm;
    // 4,000 samples estimate a deviation to 1.1 %.
    assert!((0.94..1.06).contains(&ratio), "{ratio}");
}

#[test]
fn simulated_values_far_beyond_a_table_saturate_and_then_wrap() {
    let table: Vec<i64> = (0..64).map(|i: i64| (i - 24).clamp(0, 15)).collect();
    let mut builder = Builder::input(&[1], -2000, 2000);
    builder
        .node(json!({"op": "lut", "name": "act", "input": "x", "table": "t", "origin": -256, "step": 8, "calibrated": [-440, 440]}))
        .node(json!({"op": "output", "name": "y", "input": "act"}))
        .table("t", &[1, 64], &table);
    let circuit = builder.build();
    let Operation::Lut(lut) = &circuit.layers()[0].operation else {
        panic!("the layer is a table")
    };
    let figures = NoiseFigures {
        delta: vec![1 << 54, 1 << 56],
        input_sigma: 0.0,
        tables: vec![Some(table_noise(lut, 1 << 54, 1 << 56, 0.0, 0.0))],
        output_sigma: 0.0,
    };
    let at = |x: i64| circuit.simulate_values(&figures, &[vec![x]], 0).unwrap()[0][0].round();
    assert_eq!((at(-440), at(-300), at(300), at(440)), (0.0, 0.0, 15.0, 15.0));
    // 512 integers are half of the torus: what lies a whole turn away comes back from the other side.
    assert_eq!((at(1024 - 100), at(-1024 + 100)), (at(-100), at(100)));
    assert_eq!(circuit.evaluate(&[924]).unwrap()[0].values, [15]);
}

#[test]
fn wrong_layers_are_refused_by_name() {
    let conv = json!({"op": "conv2d", "name": "conv", "input": "x", "weights": "w", "bias": "b", "stride": [1, 1], "padding": [0, 0]});
    let output = json!({"op": "output", "name": "y", "input": "conv"});
    let refused = |change: &dyn Fn(&mut Builder), said: &str| {
        let mut builder = Builder::input(&[2, 4, 4], -8, 7);
        builder
            .node(conv.clone())
            .node(output.clone())
            .small("w", &[3, 2, 3, 3], &[1; 54])
            .wide("b", &[3], &[0; 3]);
        change(&mut builder);
        let error = builder.try_build().unwrap_err();
        assert!(error.contains(said), "{error}");
    };
    let set = |key: &'static str, value: Value| move |b: &mut Builder| b.nodes[1][key] = value.clone();
    refused(&set("stride", json!([0, 1])), "layer conv: a stride is 0");
    refused(
        &set("padding", json!([3, 0])),
        "layer conv: the padding is as wide as the window",
    );
    refused(&set("input", json!("z")), "layer conv: reads z");
    refused(
        &set("bias", json!("w")),
        "layer conv: tensor w is missing or not I64",
    );
    refused(
        &|b| {
            b.small("w", &[3, 2, 9], &[1; 54]);
        },
        "layer conv: weights have 3 dimensions, 4",
    );
    refused(
        &|b| {
            b.small("w", &[3, 1, 3, 3], &[1; 27]);
        },
        "layer conv: second dimension of the weights has 1 elements, 2",
    );
    refused(
        &|b| {
            b.small("w", &[3, 2, 5, 5], &[1; 150]);
        },
        "layer conv: the window is larger",
    );
    refused(
        &|b| {
            b.wide("b", &[2], &[0; 2]);
        },
        "layer conv: bias has 2 elements, 3",
    );
    refused(
        &|b| {
            b.wide("b", &[3], &[0, 0, 1 << 62]);
        },
        "layer conv: values can exceed",
    );
    let pool = json!({"op": "sumpool", "name": "pool", "input": "conv", "window": [3, 3], "stride": [1, 1]});
    refused(
        &|b| {
            b.node(pool.clone());
        },
        "layer pool: the window is larger",
    );
    let lut = |range: Value| json!({"op": "lut", "name": "act", "input": "conv", "table": "t", "origin": -256, "step": 8, "calibrated": range});
    let ramp: Vec<i64> = (0..64).map(|i: i64| (i - 24).clamp(0, 15)).collect();
    refused(
        &|b| {
            b.node(lut(json!([-256, 500]))).table("t", &[1, 64], &ramp);
        },
        "layer act: table 0 gives 14 at entry 89",
    );
    refused(
        &|b| {
            b.node(lut(json!([5, -5]))).table("t", &[1, 64], &ramp);
        },
        "layer act: element 0 has minimum 5 above maximum -5",
    );
    refused(
        &|b| {
            b.node(lut(json!([-9, 9]))).table("t", &[2, 64], &[0; 128]);
        },
        "layer act: table has 128 elements",
    );
    refused(
        &|b| {
            b.node(lut(json!([-9, 9]))).table("t", &[1, 60], &[0; 60]);
        },
        "layer act: table has 60 elements, 64",
    );
}
