//! One item under one set of keys is answered with the same bytes: twice in one process, on any number of
//! threads, and in two processes; under both kernels.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod common;

use std::{env, fs, path::Path, process::Command};

use obscura_circuit::Circuit;
use obscura_fhe_core::{EvaluationKeyParts, Item, ParameterSet, Plan, SeededKey};
use obscura_fhe_server::{Control, EvaluationKeys, evaluate};

const ANSWER_TO: &str = "OBSCURA_TEST_ANSWER_TO";

/// Knuth's MMIX generator: any fixed words serve.
struct Words(u64);

impl Words {
    fn take(&mut self, count: usize) -> Vec<u64> {
        let step = |s: &mut u64| {
            *s = s
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            *s
        };
        (0..count).map(|_| step(&mut self.0)).collect()
    }
}

/// Answers to fixed words in the place of ciphertexts: what they encrypt does not matter here.
struct Fixed {
    circuit: Circuit,
    plan: Plan,
    keys: EvaluationKeys,
    item: Vec<u8>,
}

impl Fixed {
    fn new(circuit: Circuit, set: &ParameterSet) -> Self {
        let plan = Plan::new(&circuit, set).unwrap();
        let mut words = Words(1);
        let parts = EvaluationKeyParts {
            key_switch_seed: [1; 16],
            key_switch: words.take(EvaluationKeyParts::key_switch_len(set)),
            bootstrap_seed: [2; 16],
            bootstrap: words.take(EvaluationKeyParts::bootstrap_len(set)),
            packing: set.packing.as_ref().map(|_| SeededKey {
                seed: [4; 16],
                bodies: words.take(EvaluationKeyParts::packing_len(set)),
            }),
        };
        let keys = EvaluationKeys::from_bytes(set, &parts.to_bytes(set)).unwrap();
        assert_eq!(keys.memory_bytes(), EvaluationKeys::predicted_bytes(set));
        let item = Item {
            seeds: vec![[3; 16]; plan.input_ciphertexts()],
            bodies: words.take(plan.input_len()),
        };
        Self {
            item: item.to_bytes(&plan),
            circuit,
            plan,
            keys,
        }
    }

    fn answer(&self) -> Vec<u8> {
        evaluate(
            &self.plan,
            &self.circuit,
            &self.keys,
            &self.item,
            &Control::default(),
        )
        .unwrap()
    }

    fn answer_on(&self, threads: usize) -> Vec<u8> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| self.answer())
    }
}

fn record() -> Fixed {
    let payload = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shipped/cardio-lr/payload");
    let read = |name| fs::read(payload.join(name)).unwrap();
    let circuit = Circuit::from_parts(&read("circuit.json"), &read("weights.safetensors")).unwrap();
    Fixed::new(
        circuit,
        &ParameterSet::from_json(&read("parameters.json")).unwrap(),
    )
}

fn image() -> Fixed {
    Fixed::new(common::small_network(), &common::image_parameters())
}

/// Compares `own` with what two further processes answer, or is one of them.
fn same_in_other_processes(test: &str, own: &[u8]) {
    if let Some(path) = env::var_os(ANSWER_TO) {
        return fs::write(path, own).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    for run in ["first", "second"] {
        let path = folder.path().join(run);
        let ended = Command::new(env::current_exe().unwrap())
            .args(["--exact", test])
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

#[test]
fn two_processes_answer_with_the_same_bytes() {
    same_in_other_processes("two_processes_answer_with_the_same_bytes", &record().answer());
}

#[test]
fn two_processes_answer_in_batches_with_the_same_bytes() {
    let fixed = image();
    let own = fixed.answer();
    if env::var_os(ANSWER_TO).is_none() {
        assert!(fixed.answer() == own, "a second run answered with other bytes");
        assert!(fixed.answer_on(1) == own, "one thread answered with other bytes");
        assert!(
            fixed.answer_on(3) == own,
            "three threads answered with other bytes"
        );
    }
    same_in_other_processes("two_processes_answer_in_batches_with_the_same_bytes", &own);
}
