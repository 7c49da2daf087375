//! Records against the shipped contract.
#![no_main]

use libfuzzer_sys::fuzz_target;
use obscura_bundle::{Contract, record};
use obscura_fuzz::circuit;

const CONTRACT: &[u8] = include_bytes!("../../../models/shipped/cardio-lr/payload/contract.json");

fuzz_target!(|data: &[u8]| {
    let contract = Contract::from_json(CONTRACT).expect("the shipped contract loads");
    let contract = contract.record().expect("it reads records");
    let Ok(record) = record::from_json(data) else {
        return;
    };
    match contract.quantise(&record) {
        Ok(inputs) => {
            let outputs = circuit()
                .evaluate(&inputs)
                .expect("an accepted record is in the circuit's ranges");
            let _ = contract.decision(outputs[0].values[0]);
        }
        Err(problems) => {
            assert!(!problems.is_empty());
            assert!(
                problems
                    .iter()
                    .all(|problem| !problem.to_string().contains(char::is_control))
            );
        }
    }
});
