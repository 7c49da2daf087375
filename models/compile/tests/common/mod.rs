//! Small networks on drawn weights, and samples for them.
#![allow(dead_code, reason = "each test takes what it needs")]

use std::collections::HashMap;

use obscura_circuit::Circuit;
use obscura_compile::{Calibration, Network, Settings};
use safetensors::{Dtype, tensor::TensorView};

pub(crate) const SAMPLES: usize = 400;
/// Elements of the second layer.
const HIDDEN: usize = 16;

/// Knuth's 64-bit linear congruential generator, its upper half.
pub(crate) struct Draw(pub(crate) u64);

impl Draw {
    pub(crate) fn within(&mut self, reach: i64) -> i64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        i64::try_from(self.0 >> 33).unwrap() % (2 * reach + 1) - reach
    }
}

/// Bytes of `count` weights in -3..=3.
pub(crate) fn weights(count: usize, seed: u64) -> Vec<u8> {
    let mut draw = Draw(seed);
    (0..count)
        .map(|_| i8::try_from(draw.within(3)).unwrap().cast_unsigned())
        .collect()
}

/// A table on each of `width` inputs, a dense layer of as many taps, a table that saturates, a dense head: the
/// second table's step grows with the deviation of what reaches it.
pub(crate) fn network(width: usize) -> Network {
    // Entries of the first table deviate by 4.6, weights by 2; a ramp covers 2.7 deviations on either side.
    let taps = f64::from(u32::try_from(width).unwrap());
    #[expect(clippy::cast_possible_truncation, reason = "a few hundred")]
    let step = (taps.sqrt() * 4.6 * 2.0 * 2.7 / 16.0).ceil() as i64;
    let json = format!(
        r#"{{"format":1,"nodes":[
            {{"op":"input","name":"x","shape":[{width}],"min":[-15],"max":[15]}},
            {{"op":"lut","name":"first","input":"x","table":"first.t","origin":-32,"step":2}},
            {{"op":"linear","name":"mix","input":"first","weights":"mix.w","bias":"mix.b"}},
            {{"op":"lut","name":"second","input":"mix","table":"second.t","origin":{},"step":{step},
              "calibrated":[{},{}]}},
            {{"op":"linear","name":"head","input":"second","weights":"head.w","bias":"head.b"}},
            {{"op":"output","name":"logits","input":"head"}}]}}"#,
        -32 * step,
        -40 * step,
        40 * step - 1,
    );
    let first: Vec<u8> = (-16..16_i32).flat_map(i32::to_le_bytes).collect();
    let second: Vec<u8> = (-32..32_i32)
        .map(|entry| entry.clamp(-16, 16))
        .flat_map(i32::to_le_bytes)
        .collect();
    let (mix, head) = (weights(HIDDEN * width, 3), weights(4 * HIDDEN, 4));
    let view = |dtype, shape: &[usize], bytes| TensorView::new(dtype, shape.to_vec(), bytes).unwrap();
    let tensors = HashMap::from([
        ("first.t", view(Dtype::I32, &[1, 32], &first)),
        ("second.t", view(Dtype::I32, &[1, 64], &second)),
        ("mix.w", view(Dtype::I8, &[HIDDEN, width], &mix)),
        ("mix.b", view(Dtype::I64, &[HIDDEN], &[0; 8 * HIDDEN])),
        ("head.w", view(Dtype::I8, &[4, HIDDEN], &head)),
        ("head.b", view(Dtype::I64, &[4], &[0; 32])),
    ]);
    let weights = safetensors::serialize(tensors, None).unwrap();
    Network::new(json.into_bytes(), weights).unwrap()
}

/// One table on each of `width` inputs and a dense head of as many taps: no look-up reads what a rotation made.
pub(crate) fn one_table(width: usize) -> Network {
    let json = format!(
        r#"{{"format":1,"nodes":[
            {{"op":"input","name":"x","shape":[{width}],"min":[-15],"max":[15]}},
            {{"op":"lut","name":"only","input":"x","table":"only.t","origin":-32,"step":2}},
            {{"op":"linear","name":"head","input":"only","weights":"head.w","bias":"head.b"}},
            {{"op":"output","name":"logits","input":"head"}}]}}"#
    );
    let table: Vec<u8> = (-16..16_i32).flat_map(i32::to_le_bytes).collect();
    let head = weights(4 * width, 4);
    let view = |dtype, shape: &[usize], bytes| TensorView::new(dtype, shape.to_vec(), bytes).unwrap();
    let tensors = HashMap::from([
        ("only.t", view(Dtype::I32, &[1, 32], &table)),
        ("head.w", view(Dtype::I8, &[4, width], &head)),
        ("head.b", view(Dtype::I64, &[4], &[0; 32])),
    ]);
    let weights = safetensors::serialize(tensors, None).unwrap();
    Network::new(json.into_bytes(), weights).unwrap()
}

pub(crate) fn calibration(circuit: &Circuit) -> Calibration {
    let mut draw = Draw(9);
    let sample = |_| (0..circuit.input_len()).map(|_| draw.within(15)).collect();
    Calibration::new(circuit, (0..SAMPLES).map(sample).collect()).unwrap()
}

pub(crate) fn settings(bound: f64) -> Settings {
    Settings {
        name: "test".to_owned(),
        bound,
        draws: 2,
        seed: 1,
        every_set: false,
    }
}

/// A safetensors file of I32 tensors.
pub(crate) fn tensors(named: &[(&str, Vec<usize>, Vec<i64>)]) -> Vec<u8> {
    let bytes: Vec<Vec<u8>> = named
        .iter()
        .map(|(_, _, values)| {
            let words = values.iter().map(|&value| i32::try_from(value).unwrap());
            words.flat_map(i32::to_le_bytes).collect()
        })
        .collect();
    let views = named.iter().zip(&bytes).map(|((name, shape, _), bytes)| {
        let view = TensorView::new(Dtype::I32, shape.clone(), bytes);
        ((*name).to_owned(), view.unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}
