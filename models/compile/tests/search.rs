//! What the search chooses changes with the circuit and the bound, for the reason the noise model predicts.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::collections::HashMap;

use obscura_circuit::Circuit;
use obscura_compile::{Calibration, Choice, CompileError, Settings, choose, report};
use obscura_fhe_core::Noise;
use safetensors::{Dtype, tensor::TensorView};

const SAMPLES: usize = 400;
/// Elements of the second layer.
const HIDDEN: usize = 16;

/// Knuth's 64-bit linear congruential generator, its upper half.
struct Draw(u64);

impl Draw {
    fn within(&mut self, reach: i64) -> i64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        i64::try_from(self.0 >> 33).unwrap() % (2 * reach + 1) - reach
    }
}

/// Bytes of `count` weights in -3..=3.
fn weights(count: usize, seed: u64) -> Vec<u8> {
    let mut draw = Draw(seed);
    (0..count)
        .map(|_| i8::try_from(draw.within(3)).unwrap().cast_unsigned())
        .collect()
}

/// A table on each of `width` inputs, a dense layer of as many taps, a table that saturates, a dense head: the
/// second table's step grows with the deviation of what reaches it.
fn network(width: usize) -> Circuit {
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
    Circuit::from_parts(json.as_bytes(), &weights).unwrap()
}

/// One table on each of `width` inputs and a dense head of as many taps: no look-up reads what a rotation made.
fn one_table(width: usize) -> Circuit {
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
    Circuit::from_parts(json.as_bytes(), &weights).unwrap()
}

fn calibration(circuit: &Circuit) -> Calibration {
    let mut draw = Draw(9);
    let sample = |_| (0..circuit.input_len()).map(|_| draw.within(15)).collect();
    Calibration::new(circuit, (0..SAMPLES).map(sample).collect()).unwrap()
}

fn settings(bound: f64) -> Settings {
    Settings {
        name: "test".to_owned(),
        bound,
        draws: 2,
        seed: 1,
    }
}

fn chosen(circuit: &Circuit, bound: f64) -> Choice {
    choose(circuit, &calibration(circuit), &settings(bound), &mut |_| {}).unwrap()
}

#[test]
fn a_wider_layer_needs_a_finer_rotation() {
    let (narrow, wide) = (network(8), network(4096));
    let [few, many] = [&narrow, &wide].map(|circuit| chosen(circuit, 0.06));
    println!("{:?}\n{:?}", few.set, many.set);
    assert_eq!((few.set.rotation_levels, many.set.rotation_levels), (1, 2));
    // The reason: each tap brings the noise of a rotation. Under the narrow network's choice these would drown
    // what the key switch and the positions add, under its own they do not.
    let before = |choice: &Choice, taps: f64| {
        let rotation = Noise::rotation(&choice.set).times(taps * 4.0).sigma();
        let others = Noise::key_switch(&choice.set).plus(Noise::rotation_switch(&choice.set));
        rotation / others.sigma()
    };
    assert!(before(&few, 8.0) < 1.0, "{}", before(&few, 8.0));
    assert!(before(&few, 4096.0) > 1.0, "{}", before(&few, 4096.0));
    assert!(before(&many, 4096.0) < 1.0, "{}", before(&many, 4096.0));
}

#[test]
fn noise_that_only_the_outputs_meet_counts_too() {
    let circuit = one_table(4096);
    let choice = chosen(&circuit, 0.06);
    println!("{:?}", choice.set);
    assert!(choice.changed <= 0.06);
    // Every look-up is as quiet under a coarse rotation; what it adds to the sums is not.
    assert_eq!(choice.set.rotation_levels, 2);
    let first = &choice.frontier[0];
    assert!(first.candidate.rotation.1 == 1 && first.noise > choice.frontier[choice.index].noise);
}

#[test]
fn a_tighter_bound_buys_less_noise_for_more_time() {
    let circuit = network(64);
    let [loose, tight] = [0.3, 0.06].map(|bound| chosen(&circuit, bound));
    println!("{:?}\n{:?}", loose.set, tight.set);
    assert!(loose.changed <= 0.3 && tight.changed <= 0.06);
    let [cheap, quiet] = [&loose, &tight].map(|choice| &choice.frontier[choice.index]);
    assert!(
        cheap.cost < quiet.cost && cheap.noise > quiet.noise,
        "{cheap:?} {quiet:?}"
    );
    // What is bought is a quieter switch to the small secret.
    let switches = |choice: &Choice| {
        let noise = Noise::key_switch(&choice.set).plus(Noise::rotation_switch(&choice.set));
        noise.sigma()
    };
    assert!(switches(&loose) > switches(&tight));
}

#[test]
fn the_report_says_what_was_chosen_and_what_was_tried() {
    let circuit = network(64);
    let (calibration, settings) = (calibration(&circuit), settings(0.1));
    let choice = choose(&circuit, &calibration, &settings, &mut |_| {}).unwrap();
    let text = report(&circuit, &calibration, &settings, &choice).unwrap();
    assert!(choice.set.security_bits() >= 130.0);
    for part in [
        format!("n = {}", choice.set.lwe_dimension),
        format!("{} (chosen)", choice.set.lwe_dimension),
        "| second | 16 |".to_owned(),
    ] {
        assert!(text.contains(&part), "{part} in\n{text}");
    }
    for trial in &choice.trials {
        let share = format!("{:.2} %", 100.0 * trial.changed);
        assert!(text.contains(&share), "{share} in\n{text}");
    }
}

#[test]
fn what_is_out_of_reach_is_said_with_its_figure() {
    let circuit = network(1024);
    let error = choose(&circuit, &calibration(&circuit), &settings(1e-9), &mut |_| {}).unwrap_err();
    assert!(
        matches!(error, CompileError::BoundOutOfReach { changed, .. } if changed > 1e-9),
        "{error}"
    );
}
