//! Small networks, made layer by layer.

use std::collections::HashMap;

use obscura_circuit::Circuit;
use obscura_fhe_core::{ParameterSet, Plan, PlanError};
use safetensors::{Dtype, tensor::TensorView};

pub(crate) fn image_set() -> ParameterSet {
    ParameterSet::from_json(include_bytes!("../../parameters/image-1024.json")).unwrap()
}

/// A network being made; its last layer is an output, and those named as outputs.
pub(crate) struct Network {
    nodes: Vec<String>,
    /// Channels of each tensor by name, and elements.
    shapes: HashMap<String, [usize; 3]>,
    tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)>,
    last: String,
    outputs: Vec<String>,
}

impl Network {
    /// Starts with input `x`, each element -128 to 127.
    pub(crate) fn new(shape: [usize; 3]) -> Self {
        Self {
            nodes: vec![format!(
                r#"{{"op":"input","name":"x","shape":{shape:?},"min":[-128],"max":[127]}}"#
            )],
            shapes: HashMap::from([("x".to_owned(), shape)]),
            tensors: Vec::new(),
            last: "x".to_owned(),
            outputs: Vec::new(),
        }
    }

    /// A convolution to `channels` channels; size of the kernel, strides, padding.
    pub(crate) fn conv(
        &mut self,
        name: &str,
        input: &str,
        channels: usize,
        (size, stride, padding): (usize, [usize; 2], [usize; 2]),
    ) {
        let [inputs, height, width] = self.shapes[input];
        self.weights(name, &[channels, inputs, size, size], 7);
        self.nodes.push(format!(
            r#"{{"op":"conv2d","name":"{name}","input":"{input}","weights":"{name}.w","bias":"{name}.b","stride":{stride:?},"padding":{padding:?}}}"#
        ));
        let steps = |from: usize, axis: usize| (from + 2 * padding[axis] - size) / stride[axis] + 1;
        self.made(name, [channels, steps(height, 0), steps(width, 1)]);
    }

    /// A dense layer to `outputs` outputs, weights up to about `weight` in magnitude.
    pub(crate) fn linear(&mut self, name: &str, input: &str, outputs: usize, weight: i64) {
        let inputs = self.shapes[input].iter().product();
        self.weights(name, &[outputs, inputs], weight);
        self.nodes.push(format!(
            r#"{{"op":"linear","name":"{name}","input":"{input}","weights":"{name}.w","bias":"{name}.b"}}"#
        ));
        self.made(name, [outputs, 1, 1]);
    }

    pub(crate) fn pool(&mut self, name: &str, input: &str, window: [usize; 2], stride: [usize; 2]) {
        let [channels, height, width] = self.shapes[input];
        self.nodes.push(format!(
            r#"{{"op":"sumpool","name":"{name}","input":"{input}","window":{window:?},"stride":{stride:?}}}"#
        ));
        let steps = |from: usize, axis: usize| (from - window[axis]) / stride[axis] + 1;
        self.made(name, [channels, steps(height, 0), steps(width, 1)]);
    }

    /// A table without calibration, its entries counting up.
    pub(crate) fn ramp(&mut self, name: &str, input: &str, (origin, step): (i64, i64), entries: usize) {
        let table: Vec<i32> = (0..).take(entries).collect();
        self.table(name, input, (origin, step), &table, "");
    }

    /// A calibrated clipped rectifier of 64 steps in the middle of 256 entries.
    pub(crate) fn relu(
        &mut self,
        name: &str,
        input: &str,
        (origin, step): (i64, i64),
        (min, max): (i64, i64),
    ) {
        let table: Vec<i32> = (0..256).map(|i: i32| (i - 96).clamp(0, 64)).collect();
        let calibrated = format!(r#","calibrated":[{min},{max}]"#);
        self.table(name, input, (origin, step), &table, &calibrated);
    }

    fn table(&mut self, name: &str, input: &str, (origin, step): (i64, i64), table: &[i32], more: &str) {
        let bytes = table.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.tensors
            .push((format!("{name}.t"), Dtype::I32, vec![1, table.len()], bytes));
        self.nodes.push(format!(
            r#"{{"op":"lut","name":"{name}","input":"{input}","table":"{name}.t","origin":{origin},"step":{step}{more}}}"#
        ));
        self.made(name, self.shapes[input]);
    }

    pub(crate) fn output(&mut self, name: &str) {
        self.outputs.push(name.to_owned());
    }

    /// Odd weights of both signs, the same in every run.
    fn weights(&mut self, name: &str, shape: &[usize], weight: i64) {
        let outputs = shape[0];
        let value = |i: i64| {
            let value = (i * 37 + 11) % (2 * weight + 1) - weight;
            if value == 0 { 1 } else { value }
        };
        let weights = (0..)
            .take(shape.iter().product())
            .map(|i| i32::try_from(value(i)).unwrap());
        let bytes = weights.flat_map(i32::to_le_bytes).collect();
        self.tensors
            .push((format!("{name}.w"), Dtype::I32, shape.to_vec(), bytes));
        let bias = vec![0; 8 * outputs];
        self.tensors
            .push((format!("{name}.b"), Dtype::I64, vec![outputs], bias));
    }

    fn made(&mut self, name: &str, shape: [usize; 3]) {
        self.shapes.insert(name.to_owned(), shape);
        name.clone_into(&mut self.last);
    }

    pub(crate) fn circuit(&self) -> Circuit {
        let outputs = [&self.last].into_iter().chain(&self.outputs);
        let outputs = outputs.map(|o| format!(r#"{{"op":"output","name":"{o}.out","input":"{o}"}}"#));
        let nodes: Vec<String> = self.nodes.iter().cloned().chain(outputs).collect();
        let json = format!(r#"{{"format":1,"nodes":[{}]}}"#, nodes.join(","));
        let views = self.tensors.iter().map(|(name, dtype, shape, bytes)| {
            (
                name.clone(),
                TensorView::new(*dtype, shape.clone(), bytes).unwrap(),
            )
        });
        let weights = safetensors::serialize(views, None).unwrap();
        Circuit::from_parts(json.as_bytes(), &weights).unwrap()
    }

    pub(crate) fn plan(&self, set: &ParameterSet) -> Result<Plan, PlanError> {
        Plan::new(&self.circuit(), set)
    }
}

/// Convolution, saturating table, pool, dense layer: logits of an image of 3x16x16.
pub(crate) fn small_network() -> Network {
    let mut network = Network::new([3, 16, 16]);
    network.conv("conv", "x", 4, (4, [2, 2], [1, 1]));
    network.relu("relu", "conv", (-2048, 16), (-2400, 2400));
    network.pool("pool", "relu", [2, 2], [2, 2]);
    network.linear("logits", "pool", 3, 20);
    network
}
