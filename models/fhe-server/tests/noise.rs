//! Measured noise of a table look-up against its prediction.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::collections::HashMap;

use obscura_circuit::Circuit;
use obscura_fhe_client::SecretKeys;
use obscura_fhe_core::{ParameterSet, Plan};
use obscura_fhe_server::{Control, EvaluationKeys, evaluate};
use safetensors::{Dtype, tensor::TensorView};

const SAMPLES: usize = 512;
const STEP: i64 = 1 << 20;

/// A circuit that looks up which entry each of its inputs falls into.
fn entry_numbers() -> Circuit {
    let table: Vec<u8> = (0..256_i32).flat_map(i32::to_le_bytes).collect();
    let view = TensorView::new(Dtype::I32, vec![1, 256], &table).unwrap();
    let weights = safetensors::serialize(HashMap::from([("numbers".to_owned(), view)]), None).unwrap();
    let json = format!(
        r#"{{"format":1,"nodes":[
            {{"op":"input","name":"x","shape":[{SAMPLES}],"min":[{}],"max":[{}]}},
            {{"op":"lut","name":"n","input":"x","table":"numbers","origin":0,"step":{STEP}}},
            {{"op":"output","name":"n","input":"n"}}]}}"#,
        16 * STEP,
        240 * STEP,
    );
    Circuit::from_parts(json.as_bytes(), &weights).unwrap()
}

#[test]
fn look_up_noise_is_within_a_fifth_of_its_prediction() {
    let set = ParameterSet::from_json(include_bytes!("../../fhe-core/parameters/record-2048.json")).unwrap();
    let circuit = entry_numbers();
    let plan = Plan::new(&circuit, &set).unwrap();
    let secret = SecretKeys::generate(&set).unwrap();
    let keys = EvaluationKeys::from_bytes(&set, &secret.evaluation_keys(&mut |_, _| {}).unwrap()).unwrap();
    // In the middle of an entry the landing entry is the noise rounded to integers.
    let inputs: Vec<i64> = (0..SAMPLES)
        .map(|i| (20 + i64::try_from(i % 200).unwrap()) * STEP + STEP / 2)
        .collect();
    let item = secret.encrypt(&plan, &inputs).unwrap();
    let answer = evaluate(&plan, &circuit, &keys, &item, &Control::default()).unwrap();
    let landed = &secret.decrypt(&plan, &answer).unwrap()[0].values;
    let right = &circuit.evaluate(&inputs).unwrap()[0].values;
    let errors: Vec<i32> = landed
        .iter()
        .zip(right)
        .map(|(a, b)| i32::try_from(a - b).unwrap())
        .collect();
    let count = f64::from(u32::try_from(SAMPLES).unwrap());
    let mean = errors.iter().map(|&e| f64::from(e)).sum::<f64>() / count;
    let variance = errors.iter().map(|&e| (f64::from(e) - mean).powi(2)).sum::<f64>() / count;
    // Rounding to entries adds a twelfth (Sheppard's correction).
    let measured = (variance - 1.0 / 12.0).sqrt();
    let predicted = plan.table(0).unwrap().noise.sigma_entries;
    println!("look-up noise: measured {measured:.3}, predicted {predicted:.3} entries, mean {mean:.3}");
    // 512 samples estimate a deviation to 3 %, so a fifth is six of its own deviations.
    assert!(
        (measured / predicted - 1.0).abs() < 0.2,
        "measured {measured}, predicted {predicted}"
    );
    assert!(mean.abs() < 6.0 * predicted / count.sqrt(), "mean {mean}");
    let bound = i32::try_from(plan.table_error_entries()).unwrap();
    assert!(errors.iter().all(|e| e.abs() <= bound));
}
