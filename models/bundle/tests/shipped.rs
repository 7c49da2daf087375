//! The shipped payload of `cardio-lr` against the contract code: the same integers as the exporter's.
#![expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]

use std::{collections::BTreeMap, fs, path::Path};

use obscura_bundle::{Contract, FieldProblem, FieldValue, Golden, RecordContract, Wrong, record};
use serde_json::Value;

fn read(path: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)).unwrap()
}

fn contract() -> RecordContract {
    let contract = Contract::from_json(&read("models/shipped/cardio-lr/payload/contract.json")).unwrap();
    assert_eq!(contract.model_id(), "cardio-lr");
    assert!(!contract.warning().is_empty() && !contract.intended_use().is_empty());
    contract.record().unwrap().clone()
}

fn parsed(record: &Value) -> BTreeMap<String, FieldValue> {
    record::from_json(record.to_string().as_bytes()).unwrap()
}

#[test]
fn the_shipped_contract_is_acceptable() {
    let contract = contract();
    assert_eq!(contract.input_len(), 9);
    assert_eq!(
        (contract.score_scale(), contract.probability_scale()),
        (1 << 24, 4096)
    );
}

#[test]
fn golden_vectors_quantise_exactly_and_the_reference_persons_come_out_the_right_way_round() {
    let contract = contract();
    let golden = Golden::from_json(&read("models/shipped/cardio-lr/payload/golden.json")).unwrap();
    for vector in golden.records() {
        assert_eq!(
            contract.quantise(&vector.record).unwrap(),
            vector.inputs,
            "{}",
            vector.name
        );
    }
    let positive: Vec<(&str, bool)> = golden.records()[..2]
        .iter()
        .map(|vector| (vector.name.as_str(), contract.decision(vector.score).positive))
        .collect();
    assert_eq!(positive, [("healthy-reference", false), ("ill-reference", true)]);
}

#[test]
fn four_hundred_real_records_quantise_exactly() {
    let contract = contract();
    let fixtures: Value = serde_json::from_slice(&read("tests/fixtures/nhanes-test-records.json")).unwrap();
    let records = fixtures["records"].as_array().unwrap();
    assert_eq!(records.len(), 400);
    for entry in records {
        let expected: Vec<i64> = serde_json::from_value(entry["inputs"].clone()).unwrap();
        assert_eq!(
            contract.quantise(&parsed(&entry["record"])).unwrap(),
            expected,
            "{}",
            entry["seqn"]
        );
    }
}

#[test]
fn demo_records_are_acceptable() {
    let demo: Value = serde_json::from_slice(&read("tests/fixtures/demo-records.json")).unwrap();
    for entry in demo.as_array().unwrap() {
        assert!(
            contract().quantise(&parsed(&entry["record"])).is_ok(),
            "{}",
            entry["name"]
        );
    }
}

#[test]
fn each_field_left_out_or_out_of_range_is_named_with_what_is_allowed() {
    let contract = contract();
    let golden = Golden::from_json(&read("models/shipped/cardio-lr/payload/golden.json")).unwrap();
    let healthy = &golden.records()[0].record;
    let only = |record: &BTreeMap<String, FieldValue>| -> FieldProblem {
        let problems = contract.quantise(record).unwrap_err();
        assert_eq!(problems.len(), 1);
        problems[0].clone()
    };
    for field in contract.fields() {
        let mut without = healthy.clone();
        without.remove(field.name());
        let problem = only(&without);
        assert_eq!(
            (problem.field.as_str(), problem.wrong),
            (field.name(), Wrong::Missing)
        );
        let outside: Vec<FieldValue> = match field.range() {
            Some((min, max)) => vec![FieldValue::Number(min - 0.01), FieldValue::Number(max + 0.01)],
            None => vec![FieldValue::Code("perhaps".to_owned())],
        };
        for value in outside {
            let mut bad = healthy.clone();
            bad.insert(field.name().to_owned(), value);
            let line = only(&bad).to_string();
            assert!(
                line.starts_with(field.name()) && line.contains("allowed: "),
                "{line}"
            );
        }
    }
}
