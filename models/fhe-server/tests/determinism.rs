//! Two processes answer one item under one set of keys with the same bytes.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::{env, fs, path::Path, process::Command};

use obscura_circuit::Circuit;
use obscura_fhe_core::{EvaluationKeyParts, Item, ParameterSet, Plan};
use obscura_fhe_server::{EvaluationKeys, evaluate};

const ANSWER_TO: &str = "OBSCURA_TEST_ANSWER_TO";

/// The answer to fixed words in the place of ciphertexts: what they encrypt does not matter here.
fn answer() -> Vec<u8> {
    let payload = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shipped/cardio-lr/payload");
    let read = |name| fs::read(payload.join(name)).unwrap();
    let circuit = Circuit::from_parts(&read("circuit.json"), &read("weights.safetensors")).unwrap();
    let set = ParameterSet::from_json(&read("parameters.json")).unwrap();
    let plan = Plan::new(&circuit, &set).unwrap();
    let mut state = 1_u64;
    let mut words = |count: usize| -> Vec<u64> {
        // Knuth's MMIX generator: any fixed words serve.
        let step = |s: u64| {
            s.wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407)
        };
        (0..count)
            .map(|_| {
                state = step(state);
                state
            })
            .collect()
    };
    let parts = EvaluationKeyParts {
        key_switch_seed: [1; 16],
        key_switch: words(EvaluationKeyParts::key_switch_len(&set)),
        bootstrap_seed: [2; 16],
        bootstrap: words(EvaluationKeyParts::bootstrap_len(&set)),
        packing: None,
    };
    let keys = EvaluationKeys::from_bytes(&set, &parts.to_bytes(&set)).unwrap();
    let item = Item {
        seeds: vec![[3; 16]],
        bodies: words(plan.input_len()),
    };
    evaluate(&plan, &circuit, &keys, &item.to_bytes(&plan), &mut |_, _| {}).unwrap()
}

#[test]
fn two_processes_answer_with_the_same_bytes() {
    let own = answer();
    if let Some(path) = env::var_os(ANSWER_TO) {
        return fs::write(path, own).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    for run in ["first", "second"] {
        let path = folder.path().join(run);
        let test = ["--exact", "two_processes_answer_with_the_same_bytes"];
        let ended = Command::new(env::current_exe().unwrap())
            .args(test)
            .env(ANSWER_TO, &path)
            .output()
            .unwrap();
        assert!(ended.status.success());
        assert!(
            fs::read(path).unwrap() == own,
            "the {run} process answered with other bytes"
        );
    }
}
