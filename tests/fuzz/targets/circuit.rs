//! Circuits: a 16-bit length, the JSON, the weights.
#![no_main]

use libfuzzer_sys::fuzz_target;
use obscura_circuit::Circuit;
use obscura_fhe_core::Plan;
use obscura_fuzz::{image_plan, plan, split};

fuzz_target!(|data: &[u8]| {
    let (json, weights) = split(data);
    let Ok(circuit) = Circuit::from_parts(json, weights) else {
        return;
    };
    for end in [0, 1] {
        let inputs: Vec<i64> = circuit
            .input_ranges()
            .iter()
            .map(|range| if end == 0 { range.min } else { range.max })
            .collect();
        let outputs = circuit.evaluate(&inputs).expect("inputs within their ranges");
        assert_eq!(outputs.len(), circuit.outputs().len());
    }
    for parameters in [plan().parameters(), image_plan().parameters()] {
        let _ = Plan::new(&circuit, parameters);
    }
});
