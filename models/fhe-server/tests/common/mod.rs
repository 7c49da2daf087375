//! Small circuits for the tests of the batched evaluation.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::sync::LazyLock;

use obscura_circuit::Circuit;
use obscura_fhe_client::SecretKeys;
use obscura_fhe_core::{ParameterSet, Plan};
use obscura_fhe_server::{Control, EvaluationKeys, evaluate};
use safetensors::{Dtype, tensor::TensorView};

pub(crate) fn image_parameters() -> ParameterSet {
    ParameterSet::from_json(include_bytes!("../../../fhe-core/parameters/image-1024.json")).unwrap()
}

/// Keys of one client, made once per test binary.
pub(crate) struct Client {
    pub(crate) set: ParameterSet,
    pub(crate) secret: SecretKeys,
    pub(crate) keys: EvaluationKeys,
}

pub(crate) static CLIENT: LazyLock<Client> = LazyLock::new(|| {
    let set = image_parameters();
    let secret = SecretKeys::generate(&set).unwrap();
    let keys = EvaluationKeys::from_bytes(&set, &secret.evaluation_keys(&mut |_, _| {}).unwrap()).unwrap();
    Client { set, secret, keys }
});

impl Client {
    /// The outputs of an encrypted evaluation.
    pub(crate) fn run(&self, circuit: &Circuit, inputs: &[i64]) -> Vec<Vec<i64>> {
        let plan = Plan::new(circuit, &self.set).unwrap();
        let item = self.secret.encrypt(&plan, inputs).unwrap();
        let answer = evaluate(&plan, circuit, &self.keys, &item, &Control::default()).unwrap();
        assert_eq!(answer.len(), plan.answer_bytes());
        let outputs = self.secret.decrypt(&plan, &answer).unwrap();
        outputs.into_iter().map(|output| output.values).collect()
    }
}

/// The outputs of the reference.
pub(crate) fn reference(circuit: &Circuit, inputs: &[i64]) -> Vec<Vec<i64>> {
    let outputs = circuit.evaluate(inputs).unwrap();
    outputs.into_iter().map(|output| output.values).collect()
}

/// Numbers in -`reach`..=`reach`, the same each time.
pub(crate) fn numbers(count: usize, reach: i64, seed: u64) -> Vec<i64> {
    let mut state = seed;
    let next = |state: &mut u64| {
        *state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        i64::try_from(*state >> 33).unwrap() % (2 * reach + 1) - reach
    };
    (0..count).map(|_| next(&mut state)).collect()
}

/// Odd numbers in -`reach`..=`reach`, which is odd.
pub(crate) fn odd_numbers(count: usize, reach: i64, seed: u64) -> Vec<i64> {
    let halves = numbers(count, (reach - 1) / 2, seed);
    halves.into_iter().map(|n| 2 * n + 1).collect()
}

/// A circuit under construction: nodes as JSON, tensors as bytes.
#[derive(Default)]
pub(crate) struct Sketch {
    nodes: Vec<String>,
    tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)>,
}

impl Sketch {
    pub(crate) fn input(mut self, shape: &[usize], reach: i64) -> Self {
        self.nodes.push(format!(
            r#"{{"op":"input","name":"x","shape":{shape:?},"min":[-{reach}],"max":[{reach}]}}"#
        ));
        self
    }

    /// Weights in -3..=3.
    pub(crate) fn conv(
        self,
        name: &str,
        input: &str,
        oihw: [usize; 4],
        stride: usize,
        padding: usize,
    ) -> Self {
        let node = format!(
            r#"{{"op":"conv2d","name":"{name}","input":"{input}","weights":"{name}.w","bias":"{name}.b",
                "stride":[{stride},{stride}],"padding":[{padding},{padding}]}}"#
        );
        self.weights(name, &oihw, node)
    }

    /// Weights in -3..=3.
    pub(crate) fn linear(self, name: &str, input: &str, out: usize, taps: usize) -> Self {
        let node = format!(
            r#"{{"op":"linear","name":"{name}","input":"{input}","weights":"{name}.w","bias":"{name}.b"}}"#
        );
        self.weights(name, &[out, taps], node)
    }

    fn weights(mut self, name: &str, shape: &[usize], node: String) -> Self {
        let seed = self.nodes.len() as u64 + 1;
        let values = numbers(shape.iter().product(), 3, seed);
        let bytes = values
            .iter()
            .map(|&w| i8::try_from(w).unwrap().cast_unsigned())
            .collect();
        let bias = numbers(shape[0], 9, seed + 100);
        let bias_bytes = bias.iter().flat_map(|b| b.to_le_bytes()).collect();
        self.nodes.push(node);
        self.tensors
            .push((format!("{name}.w"), Dtype::I8, shape.to_vec(), bytes));
        self.tensors
            .push((format!("{name}.b"), Dtype::I64, vec![shape[0]], bias_bytes));
        self
    }

    pub(crate) fn pool(mut self, name: &str, input: &str, window: usize, stride: usize) -> Self {
        self.nodes.push(format!(
            r#"{{"op":"sumpool","name":"{name}","input":"{input}","window":[{window},{window}],
                "stride":[{stride},{stride}]}}"#
        ));
        self
    }

    /// A centred ramp of `entries` entries, `table(entry) = entry - entries / 2 + channel`, over
    /// `-entries / 2 * step` and up.
    pub(crate) fn ramp(mut self, name: &str, input: &str, channels: usize, entries: i32, step: i64) -> Self {
        let origin = -i64::from(entries) / 2 * step;
        self.nodes.push(format!(
            r#"{{"op":"lut","name":"{name}","input":"{input}","table":"{name}.t","origin":{origin},"step":{step}}}"#
        ));
        let value = |channel: i32| (0..entries).map(move |e| e - entries / 2 + channel);
        let values = (0..i32::try_from(channels).unwrap()).flat_map(value);
        let bytes = values.flat_map(i32::to_le_bytes).collect();
        let shape = vec![channels, usize::try_from(entries).unwrap()];
        self.tensors.push((format!("{name}.t"), Dtype::I32, shape, bytes));
        self
    }

    /// A table of 64 entries of 8 that rises from 0 to 15 around `-64..64` and is flat on both sides.
    pub(crate) fn saturating(mut self, name: &str, input: &str, calibrated: i64) -> Self {
        self.nodes.push(format!(
            r#"{{"op":"lut","name":"{name}","input":"{input}","table":"{name}.t","origin":-256,"step":8,
                "calibrated":[-{calibrated},{calibrated}]}}"#
        ));
        let bytes = (0..64_i32)
            .map(|entry| (entry - 24).clamp(0, 15))
            .flat_map(i32::to_le_bytes);
        self.tensors
            .push((format!("{name}.t"), Dtype::I32, vec![1, 64], bytes.collect()));
        self
    }

    pub(crate) fn output(mut self, name: &str, input: &str) -> Self {
        self.nodes
            .push(format!(r#"{{"op":"output","name":"{name}","input":"{input}"}}"#));
        self
    }

    pub(crate) fn circuit(self) -> Circuit {
        let json = format!(r#"{{"format":1,"nodes":[{}]}}"#, self.nodes.join(","));
        let views = self.tensors.iter().map(|(name, dtype, shape, bytes)| {
            (
                name.clone(),
                TensorView::new(*dtype, shape.clone(), bytes).unwrap(),
            )
        });
        let weights = safetensors::serialize(views, None).unwrap();
        Circuit::from_parts(json.as_bytes(), &weights).unwrap()
    }
}

/// Convolution, table per channel, pool, dense layer: 216 look-ups.
pub(crate) fn small_network() -> Circuit {
    Sketch::default()
        .input(&[2, 6, 6], 7)
        .conv("conv", "x", [6, 2, 3, 3], 1, 1)
        .ramp("table", "conv", 6, 64, 16)
        .pool("pool", "table", 2, 2)
        .linear("head", "pool", 5, 54)
        .output("logits", "head")
        .circuit()
}
