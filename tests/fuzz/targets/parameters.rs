//! Cryptographic parameters, and the plans of two circuits under each that loads.
#![no_main]

use libfuzzer_sys::fuzz_target;
use obscura_fhe_core::{ParameterSet, Plan};
use obscura_fuzz::{circuit, image_circuit};

fuzz_target!(|data: &[u8]| {
    let Ok(parameters) = ParameterSet::from_json(data) else {
        return;
    };
    assert!(parameters.security_bits() >= 128.0);
    assert_eq!(parameters.hash(), parameters.clone().hash());
    for circuit in [circuit(), image_circuit()] {
        if let Ok(plan) = Plan::new(circuit, &parameters) {
            assert!(plan.request_bytes() > 0 && plan.answer_bytes() > 0 && plan.evaluation_key_bytes() > 0);
            assert!(plan.table_error_entries() >= 0 && plan.memory_bytes() > 0);
            assert!(
                plan.output_sigma(0)
                    .is_some_and(|sigma| sigma.is_finite() && sigma > 0.0)
            );
            assert_eq!(plan.figures().delta.len(), circuit.layers().len() + 1);
        }
    }
});
