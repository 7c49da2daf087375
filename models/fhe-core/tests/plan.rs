//! Layout of circuits on the torus: what fits, what is refused, and why.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::collections::HashMap;

use obscura_circuit::Circuit;
use obscura_fhe_core::{Answer, FormatError, Item, ParameterSet, Plan, PlanError};
use proptest::prelude::*;
use safetensors::{Dtype, tensor::TensorView};

fn set() -> ParameterSet {
    ParameterSet::from_json(include_bytes!("../parameters/record-2048.json")).unwrap()
}

/// One input of the given range, its double, and a table of ascending entries over the double.
fn circuit(min: i64, max: i64, origin: i64, step: i64) -> Circuit {
    let table: Vec<u8> = (0..256_i32).map(|i| i * 16).flat_map(i32::to_le_bytes).collect();
    let (w, b) = (2_i32.to_le_bytes(), 0_i64.to_le_bytes());
    let view = |dtype, shape: &[usize], data| TensorView::new(dtype, shape.to_vec(), data).unwrap();
    let tensors = HashMap::from([
        ("w", view(Dtype::I32, &[1, 1], &w[..])),
        ("b", view(Dtype::I64, &[1], &b[..])),
        ("t", view(Dtype::I32, &[1, 256], &table)),
    ]);
    let json = format!(
        r#"{{"format":1,"nodes":[
            {{"op":"input","name":"x","shape":[1],"min":[{min}],"max":[{max}]}},
            {{"op":"linear","name":"y","input":"x","weights":"w","bias":"b"}},
            {{"op":"lut","name":"z","input":"y","table":"t","origin":{origin},"step":{step}}},
            {{"op":"output","name":"y","input":"y"}},
            {{"op":"output","name":"z","input":"z"}}]}}"#
    );
    Circuit::from_parts(json.as_bytes(), &safetensors::serialize(tensors, None).unwrap()).unwrap()
}

#[test]
fn the_table_dictates_the_scale_of_everything_it_reads() {
    let plan = Plan::new(&circuit(-1000, 1000, -2500, 20), &set()).unwrap();
    assert_eq!(plan.delta(0), plan.delta(1));
    let half_torus = u128::from(plan.delta(1)) * 256 * 20;
    assert!(half_torus <= 1 << 63 && half_torus > (1 << 63) - (1 << 20));
    assert_ne!(plan.delta(2), plan.delta(1));
}

#[test]
fn refuses_a_table_whose_ends_the_noise_could_reach() {
    let error = Plan::new(&circuit(-1000, 1000, -2010, 20), &set()).unwrap_err();
    assert_eq!(
        error,
        PlanError::NoMargin {
            layer: "z".into(),
            free: 0,
            want: 4
        }
    );
}

#[test]
fn refuses_steps_so_fine_that_the_exact_output_drowns() {
    let wide = circuit(-(1 << 40), 1 << 40, -(1 << 42), 1 << 35);
    let error = Plan::new(&wide, &set()).unwrap_err();
    assert!(
        matches!(&error, PlanError::TooNoisy { output, .. } if &**output == "y"),
        "{error}"
    );
}

#[test]
fn sizes_are_fixed_by_the_plan_and_every_other_length_is_refused() {
    let plan = Plan::new(&circuit(-1000, 1000, -2500, 20), &set()).unwrap();
    let item = Item {
        seeds: vec![[7; 16]],
        bodies: vec![99],
    };
    let bytes = item.to_bytes(&plan);
    assert_eq!(bytes.len(), plan.request_bytes());
    assert_eq!(Item::from_bytes(&plan, &bytes), Ok(item));
    for len in (0..bytes.len()).chain([bytes.len() + 1]) {
        let mut other = bytes.clone();
        other.resize(len, 0);
        assert!(
            matches!(
                Item::from_bytes(&plan, &other),
                Err(FormatError::PeerLength { .. })
            ),
            "{len}"
        );
    }
    assert!(matches!(
        Answer::from_bytes(&plan, &bytes),
        Err(FormatError::PeerKind { .. })
    ));
    let mut foreign = bytes;
    foreign[20] ^= 1;
    assert!(matches!(
        Item::from_bytes(&plan, &foreign),
        Err(FormatError::PeerParameters { .. })
    ));
}

proptest! {
    #[test]
    fn decoding_tolerates_noise_below_half_a_step(value in -2000_i64..=2000, noise in -499_i64..=499) {
        let plan = Plan::new(&circuit(-1000, 1000, -2500, 20), &set()).unwrap();
        let delta = plan.delta(1);
        let phase = delta.wrapping_mul(value.cast_unsigned());
        let noisy = phase.wrapping_add((delta / 1000).wrapping_mul(noise.cast_unsigned()));
        prop_assert_eq!(plan.outputs()[0].decode(noisy), value);
    }

    #[test]
    fn decoding_any_phase_yields_a_reachable_value(phase: u64) {
        let plan = Plan::new(&circuit(-1000, 1000, -2500, 20), &set()).unwrap();
        prop_assert!((-2000..=2000).contains(&plan.outputs()[0].decode(phase)));
        prop_assert!((0..=4080).contains(&plan.outputs()[1].decode(phase)));
    }

    #[test]
    fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let plan = Plan::new(&circuit(-1000, 1000, -2500, 20), &set()).unwrap();
        prop_assert!(Item::from_bytes(&plan, &bytes).is_err());
        prop_assert!(Answer::from_bytes(&plan, &bytes).is_err());
        prop_assert!(ParameterSet::from_json(&bytes).is_err());
    }
}
