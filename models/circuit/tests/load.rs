//! Circuits that must not load, each refused with the layer at fault, and the reference against the exporter.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::collections::HashMap;

use obscura_circuit::{Circuit, CircuitError, OutputKind};
use safetensors::{Dtype, tensor::TensorView};
use serde_json::{Value, json};

const CIRCUIT: &[u8] = include_bytes!("../../shipped/cardio-lr/payload/circuit.json");
const WEIGHTS: &[u8] = include_bytes!("../../shipped/cardio-lr/payload/weights.safetensors");
const GOLDEN: &[u8] = include_bytes!("../../shipped/cardio-lr/payload/golden.json");
const RECORDS: &[u8] = include_bytes!("../../../tests/fixtures/nhanes-test-records.json");

/// Two inputs, one output, a table of 256 ascending entries.
fn weights() -> Vec<u8> {
    let bytes = |v: &[i32]| v.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    let (w, t, short) = (
        bytes(&[3, -2]),
        bytes(&(0..256).collect::<Vec<_>>()),
        bytes(&[1; 255]),
    );
    let b: Vec<u8> = 5_i64.to_le_bytes().to_vec();
    let view = |dtype, shape: &[usize], data| TensorView::new(dtype, shape.to_vec(), data).unwrap();
    let tensors = HashMap::from([
        ("w", view(Dtype::I32, &[1, 2], &w)),
        ("b", view(Dtype::I64, &[1], &b)),
        ("t", view(Dtype::I32, &[1, 256], &t)),
        ("short", view(Dtype::I32, &[255], &short)),
    ]);
    safetensors::serialize(tensors, None).unwrap()
}

fn sound() -> Value {
    json!({"format": 1, "nodes": [
        {"op": "input", "name": "x", "shape": [2], "min": [-10, -10], "max": [10, 10]},
        {"op": "linear", "name": "y", "input": "x", "weights": "w", "bias": "b"},
        {"op": "lut", "name": "z", "input": "y", "table": "t", "origin": -64, "step": 1},
        {"op": "output", "name": "y", "input": "y"},
        {"op": "output", "name": "z", "input": "z"}]})
}

fn load(description: &Value) -> Result<Circuit, CircuitError> {
    Circuit::from_parts(description.to_string().as_bytes(), &weights())
}

/// The refusal after replacing what `pointer` points at by `value`.
fn refusal(pointer: &str, value: Value) -> String {
    let mut description = sound();
    *description.pointer_mut(pointer).unwrap() = value;
    load(&description).unwrap_err().to_string()
}

#[test]
fn evaluates_layer_by_layer_and_saturates_tables() {
    let circuit = load(&sound()).unwrap();
    let outputs = circuit.evaluate(&[10, -10]).unwrap();
    assert_eq!(
        (outputs[0].values[0], outputs[0].kind),
        (3 * 10 + 2 * 10 + 5, OutputKind::Exact)
    );
    assert_eq!(
        (outputs[1].values[0], outputs[1].kind),
        (55 + 64, OutputKind::Table)
    );
    let obscura_circuit::Operation::Lut(lut) = &circuit.layers()[1].operation else {
        unreachable!()
    };
    assert_eq!(
        (lut.index(i64::MIN), lut.index(-65), lut.index(i64::MAX)),
        (0, 0, 255)
    );
}

#[test]
fn refuses_inputs_outside_their_range_without_naming_the_value() {
    let circuit = load(&sound()).unwrap();
    let error = circuit.evaluate(&[0, 777]).unwrap_err().to_string();
    assert_eq!(error, "input 1 is outside -10..=10");
    assert_eq!(
        circuit.evaluate(&[0]).unwrap_err().to_string(),
        "circuit takes 2 inputs, got 1"
    );
}

#[test]
fn names_the_layer_at_fault() {
    let cases = [
        ("/format", json!(2), "circuit format 2 is unknown"),
        (
            "/nodes/0/shape",
            json!([3]),
            "layer x: minimum has 2 elements, 3 are needed",
        ),
        (
            "/nodes/0/min",
            json!([11, -10]),
            "layer x: element 0 has minimum 11 above maximum 10",
        ),
        (
            "/nodes/0/max",
            json!([i64::MAX, 10]),
            "layer y: values can exceed",
        ),
        ("/nodes/0/shape", json!([usize::MAX, 2]), "layer x: input has"),
        (
            "/nodes/1/input",
            json!("q"),
            "layer y: reads q, which no earlier layer produces",
        ),
        (
            "/nodes/1/weights",
            json!("t"),
            "layer y: weights has 256 elements, 2 are needed",
        ),
        (
            "/nodes/1/weights",
            json!("b"),
            "layer y: tensor b is missing or not I32",
        ),
        (
            "/nodes/1/bias",
            json!("none"),
            "layer y: tensor none is missing or not I64",
        ),
        (
            "/nodes/1/name",
            json!("x"),
            "layer x: name is empty or used twice",
        ),
        ("/nodes/2/name", json!(""), "layer : name is empty or used twice"),
        (
            "/nodes/2/table",
            json!("short"),
            "layer z: table has 255 elements, 256 are needed",
        ),
        ("/nodes/2/step", json!(0), "layer z: values can exceed"),
        ("/nodes/2/step", json!(-4), "layer z: values can exceed"),
        ("/nodes/2/step", json!(i64::MAX), "layer z: values can exceed"),
        ("/nodes/2/origin", json!(i64::MIN), "layer z: "),
        (
            "/nodes/2/origin",
            json!(0),
            "layer z: table covers 0..=255, inputs reach -45..=55",
        ),
        (
            "/nodes/4/name",
            json!("y"),
            "layer y: name is empty or used twice",
        ),
        (
            "/nodes/4/input",
            json!("w"),
            "layer z: reads w, which no earlier layer produces",
        ),
        ("/nodes", json!([]), "circuit needs one input first"),
    ];
    for (pointer, value, want) in cases {
        let got = refusal(pointer, value.clone());
        assert!(got.starts_with(want), "{pointer} = {value}: {got}");
    }
}

#[test]
fn refuses_unknown_operations_fields_and_truncated_weights() {
    assert!(matches!(
        load(&json!({"format": 1, "nodes": [{"op": "conv3d"}]})),
        Err(CircuitError::Json(_))
    ));
    let mut extra = sound();
    extra["nodes"][1]["stride"] = json!(2);
    assert!(matches!(load(&extra), Err(CircuitError::Json(_))));
    let weights = weights();
    for len in [0, 7, 8, weights.len() - 1] {
        let error = Circuit::from_parts(sound().to_string().as_bytes(), &weights[..len]).unwrap_err();
        assert!(matches!(error, CircuitError::Weights(_)), "{error}");
    }
}

#[test]
fn the_reference_agrees_with_the_exporter_on_every_golden_vector_and_test_record() {
    let circuit = Circuit::from_parts(CIRCUIT, WEIGHTS).unwrap();
    let golden: Value = serde_json::from_slice(GOLDEN).unwrap();
    let records: Value = serde_json::from_slice(RECORDS).unwrap();
    let cases: Vec<&Value> = golden["vectors"]
        .as_array()
        .unwrap()
        .iter()
        .chain(records["records"].as_array().unwrap())
        .collect();
    assert_eq!(cases.len(), 16 + 400);
    for case in cases {
        let inputs: Vec<i64> = case["inputs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|x| x.as_i64().unwrap())
            .collect();
        let outputs = circuit.evaluate(&inputs).unwrap();
        assert_eq!(outputs[0].values, [case["score"].as_i64().unwrap()]);
        assert_eq!(outputs[1].values, [case["probability"].as_i64().unwrap()]);
    }
}
