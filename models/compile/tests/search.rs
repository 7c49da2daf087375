//! What the search chooses changes with the circuit and the bound, for the reason the noise model predicts.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod common;

use common::{calibration, network, one_table, settings};
use obscura_circuit::Circuit;
use obscura_compile::{Choice, CompileError, choose};
use obscura_fhe_core::Noise;

fn chosen(circuit: &Circuit, bound: f64) -> Choice {
    choose(circuit, &calibration(circuit), &settings(bound), &mut |_| {}).unwrap()
}

#[test]
fn a_wider_layer_needs_a_finer_rotation() {
    let (narrow, wide) = (network(8).circuit, network(4096).circuit);
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
    let circuit = one_table(4096).circuit;
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
    let circuit = network(64).circuit;
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
fn what_is_out_of_reach_is_said_with_its_figure() {
    let circuit = network(1024).circuit;
    let error = choose(&circuit, &calibration(&circuit), &settings(1e-9), &mut |_| {}).unwrap_err();
    assert!(
        matches!(error, CompileError::BoundOutOfReach { changed, .. } if changed > 1e-9),
        "{error}"
    );
}
