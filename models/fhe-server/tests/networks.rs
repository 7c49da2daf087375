//! Small convolutional networks under real encryption: results within predicted noise, every order of layers,
//! cancellation and bounds.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod common;

use std::sync::{
    Mutex,
    atomic::{AtomicBool, Ordering},
};

use common::{CLIENT, Sketch, image_parameters, numbers, odd_numbers, reference, small_network};
use obscura_circuit::Circuit;
use obscura_fhe_core::Plan;
use obscura_fhe_server::{Control, Progress, ServerError, evaluate, evaluation_bytes};

/// Deviation of `got` from `want`, and the largest difference.
fn deviation(got: &[i64], want: &[i64]) -> (f64, f64) {
    assert_eq!(got.len(), want.len());
    let errors: Vec<f64> = got
        .iter()
        .zip(want)
        .map(|(a, b)| f64::from(i32::try_from(a - b).unwrap()))
        .collect();
    let squares: f64 = errors.iter().map(|e| e * e).sum();
    let count = f64::from(u32::try_from(errors.len()).unwrap());
    let largest = errors.iter().fold(0.0, |m: f64, e| m.max(e.abs()));
    ((squares / count).sqrt(), largest)
}

/// Predicted deviation of a ramp's result, in entries: noise moves an input to another entry, and which entry
/// an input between two falls into adds a sixth.
fn ramp_sigma(plan: &Plan, layer: usize) -> f64 {
    let sigma = plan.table(layer).unwrap().noise.sigma_entries;
    (sigma * sigma + 1.0 / 6.0).sqrt()
}

#[test]
fn a_convolutional_network_agrees_with_the_reference_within_predicted_noise() {
    // 256 pooled sums of four look-ups, all of them seen.
    let circuit = Sketch::default()
        .input(&[2, 8, 8], 7)
        .conv("conv", "x", [16, 2, 3, 3], 1, 1)
        .ramp("table", "conv", 16, 256, 4)
        .pool("pool", "table", 2, 2)
        .output("sums", "pool")
        .circuit();
    let inputs = numbers(128, 7, 5);
    let plan = Plan::new(&circuit, &CLIENT.set).unwrap();
    let got = &CLIENT.run(&circuit, &inputs)[0];
    let (measured, largest) = deviation(got, &reference(&circuit, &inputs)[0]);
    let sigma = ramp_sigma(&plan, 1);
    // A sixth is the mean for noise that spreads over entries; below that a little less.
    let predicted = 2.0 * sigma;
    println!("pooled sums: measured {measured:.2}, predicted {predicted:.2}, largest {largest}");
    // 256 samples estimate a deviation to 4.4 %.
    assert!(
        (0.7..1.3).contains(&(measured / predicted)),
        "{measured} against {predicted}"
    );
    assert!(largest < 6.0 * predicted);
}

/// Evaluates and compares every output, each output within its allowance.
fn agrees(circuit: &Circuit, inputs: &[i64], allowance: &[i64]) {
    let got = CLIENT.run(circuit, inputs);
    let want = reference(circuit, inputs);
    for ((got, want), allowance) in got.iter().zip(&want).zip(allowance) {
        assert_eq!(got.len(), want.len());
        for (got, want) in got.iter().zip(want) {
            assert!((got - want).abs() <= *allowance, "{got} instead of {want}");
        }
    }
}

#[test]
fn every_order_of_layers_is_evaluated() {
    // A table of 16 entries is hit in the middle of an entry or, where its inputs lie between two, at one of
    // both: each chain's allowance counts those.
    let chains = [
        // Table on the input, table after table.
        Sketch::default()
            .input(&[2, 4, 4], 13)
            .ramp("first", "x", 1, 16, 2)
            .ramp("second", "first", 2, 16, 2)
            .output("y", "second"),
        // Pool before table.
        Sketch::default()
            .input(&[3, 4, 6], 13)
            .pool("pool", "x", 2, 2)
            .ramp("table", "pool", 3, 16, 8)
            .output("y", "table"),
        // Dense after dense.
        Sketch::default()
            .input(&[12], 3)
            .linear("a", "x", 9, 12)
            .linear("b", "a", 3, 9)
            .output("y", "b"),
        // Overlapping windows, summed twice: 81 look-ups in each output, all in the middle of an entry.
        Sketch::default()
            .input(&[2, 5, 5], 13)
            .ramp("table", "x", 2, 16, 2)
            .pool("pool", "table", 3, 1)
            .pool("again", "pool", 3, 1)
            .output("y", "again"),
        // Stride, padding and a single channel.
        Sketch::default()
            .input(&[1, 7, 5], 3)
            .conv("conv", "x", [1, 1, 3, 3], 2, 2)
            .ramp("table", "conv", 1, 16, 16)
            .output("y", "table"),
    ];
    let lens = [32, 72, 12, 50, 35];
    let reaches = [13, 13, 3, 13, 3];
    let allowances = [1, 1, 0, 0, 1];
    for (index, sketch) in chains.into_iter().enumerate() {
        let inputs = odd_numbers(lens[index], reaches[index], 11);
        agrees(&sketch.circuit(), &inputs, &[allowances[index]]);
    }
}

#[test]
fn inputs_far_outside_the_calibrated_range_saturate() {
    let circuit = Sketch::default()
        .input(&[64], 440)
        .saturating("table", "x", 100)
        .output("y", "table")
        .circuit();
    // Four times the calibrated range, and beyond the table, whose entries end at -256 and 255.
    let inputs: Vec<i64> = (0..64)
        .map(|i| if i % 2 == 0 { 440 - i } else { i - 440 })
        .collect();
    let got = CLIENT.run(&circuit, &inputs).remove(0);
    let want: Vec<i64> = inputs.iter().map(|x| if *x > 0 { 15 } else { 0 }).collect();
    assert_eq!(got, want);
    assert_eq!(reference(&circuit, &inputs)[0], want);
}

#[test]
fn tensors_with_several_readers_and_outputs_are_kept() {
    let circuit = Sketch::default()
        .input(&[2, 4, 4], 3)
        .conv("conv", "x", [3, 2, 3, 3], 1, 1)
        .ramp("table", "conv", 3, 16, 32)
        .pool("pool", "table", 2, 2)
        .linear("head", "table", 2, 48)
        .output("sums", "conv")
        .output("entries", "table")
        .output("pooled", "pool")
        .output("input", "x")
        .output("logits", "head")
        .circuit();
    agrees(&circuit, &numbers(32, 3, 21), &[0, 1, 4, 0, 48 * 3]);
}

#[test]
fn a_cancelled_evaluation_ends_early_and_the_next_one_works() {
    let circuit = small_network();
    let plan = Plan::new(&circuit, &CLIENT.set).unwrap();
    let inputs = numbers(72, 7, 31);
    let item = CLIENT.secret.encrypt(&plan, &inputs).unwrap();
    let cancel = AtomicBool::new(false);
    let seen = Mutex::new(Vec::new());
    let progress = |progress: Progress| {
        seen.lock().unwrap().push(progress);
        if progress.look_ups_done > 0 {
            cancel.store(true, Ordering::Relaxed);
        }
    };
    let control = Control {
        progress: Some(&progress),
        cancel: Some(&cancel),
        memory_bytes: None,
    };
    let run = |control: &Control<'_>| evaluate(&plan, &circuit, &CLIENT.keys, &item, control);
    assert_eq!(run(&control), Err(ServerError::Cancelled));
    let look_ups = seen
        .lock()
        .unwrap()
        .iter()
        .map(|p| p.look_ups_done)
        .max()
        .unwrap();
    assert!((1..216).contains(&look_ups), "{look_ups} look-ups were done");
    assert_eq!(
        run(&control),
        Err(ServerError::Cancelled),
        "before the first layer"
    );
    seen.lock().unwrap().clear();
    cancel.store(false, Ordering::Relaxed);
    let progress = |progress: Progress| seen.lock().unwrap().push(progress);
    let control = Control {
        progress: Some(&progress),
        cancel: Some(&cancel),
        memory_bytes: Some(evaluation_bytes(&plan, &circuit)),
    };
    let answer = run(&control).unwrap();
    assert_eq!(answer.len(), plan.answer_bytes());
    let last = Progress {
        layer: 4,
        layers: 4,
        look_ups_done: 216,
        look_ups: 216,
    };
    assert_eq!(seen.lock().unwrap().last(), Some(&last));
}

#[test]
fn an_evaluation_over_its_memory_bound_is_refused_before_it_begins() {
    let circuit = small_network();
    let plan = Plan::new(&circuit, &CLIENT.set).unwrap();
    let item = CLIENT.secret.encrypt(&plan, &numbers(72, 7, 31)).unwrap();
    let needed_bytes = evaluation_bytes(&plan, &circuit);
    // At least the input tensor and a tile of look-ups; not more than all of a patch network's.
    assert!((1 << 20..64 << 20).contains(&needed_bytes), "{needed_bytes}");
    let seen = Mutex::new(0);
    let progress = |progress: Progress| *seen.lock().unwrap() += progress.look_ups_done;
    let control = Control {
        progress: Some(&progress),
        memory_bytes: Some(needed_bytes - 1),
        ..Control::default()
    };
    assert_eq!(
        evaluate(&plan, &circuit, &CLIENT.keys, &item, &control),
        Err(ServerError::OutOfMemory { needed_bytes })
    );
    assert_eq!(*seen.lock().unwrap(), 0);
}

#[test]
fn what_a_pool_sums_never_exists_as_a_whole() {
    let network = |pooled: bool| {
        let sketch = Sketch::default()
            .input(&[3, 32, 32], 3)
            .conv("conv", "x", [64, 3, 3, 3], 1, 1)
            .ramp("table", "conv", 64, 64, 16)
            .pool("pool", "table", 4, 4)
            .linear("head", "pool", 2, 4096)
            .output("logits", "head");
        // A second reader makes the table's result a tensor of its own.
        let sketch = if pooled {
            sketch
        } else {
            sketch.pool("again", "table", 4, 4)
        };
        sketch
            .linear("more", if pooled { "pool" } else { "again" }, 2, 4096)
            .output("more", "more")
    };
    let two = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    let set = image_parameters();
    let [fused, whole] = [true, false].map(|pooled| {
        let circuit = network(pooled).circuit();
        let plan = Plan::new(&circuit, &set).unwrap();
        two.install(|| evaluation_bytes(&plan, &circuit))
    });
    let ciphertext = (set.large_dimension() + 1) * 4;
    let table = 64 * 32 * 32 * ciphertext;
    assert!(fused < table / 4, "{fused}");
    assert!(whole > table, "{whole}");
}
