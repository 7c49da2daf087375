//! The shipped record model under real encryption: exactness, stated table error, predicted noise, refusals.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::sync::Mutex;

use obscura_circuit::{Circuit, Operation, OutputKind};
use obscura_fhe_client::SecretKeys;
use obscura_fhe_core::{ParameterSet, Plan};
use obscura_fhe_server::{Control, EvaluationKeys, Progress, ServerError, evaluate};

const CIRCUIT: &[u8] = include_bytes!("../../shipped/cardio-lr/payload/circuit.json");
const WEIGHTS: &[u8] = include_bytes!("../../shipped/cardio-lr/payload/weights.safetensors");
const PARAMETERS: &[u8] = include_bytes!("../../fhe-core/parameters/record-2048.json");

struct Bench {
    circuit: Circuit,
    plan: Plan,
    secret: SecretKeys,
    object: Vec<u8>,
    keys: EvaluationKeys,
}

fn bench() -> Bench {
    let circuit = Circuit::from_parts(CIRCUIT, WEIGHTS).unwrap();
    let set = ParameterSet::from_json(PARAMETERS).unwrap();
    let plan = Plan::new(&circuit, &set).unwrap();
    let secret = SecretKeys::generate(&set).unwrap();
    let object = secret.evaluation_keys(&mut |_, _| {}).unwrap();
    let keys = EvaluationKeys::from_bytes(&set, &object).unwrap();
    Bench {
        circuit,
        plan,
        secret,
        object,
        keys,
    }
}

/// Inputs of the golden vectors.
fn golden_inputs() -> Vec<Vec<i64>> {
    let json: serde_json::Value =
        serde_json::from_slice(include_bytes!("../../shipped/cardio-lr/payload/golden.json")).unwrap();
    let ints = |v: &serde_json::Value| {
        v["inputs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|x| x.as_i64().unwrap())
            .collect()
    };
    json["vectors"].as_array().unwrap().iter().map(ints).collect()
}

#[test]
fn scores_are_exact_and_probabilities_within_the_stated_error() {
    let b = bench();
    let Operation::Lut(lut) = &b.circuit.layers()[1].operation else {
        panic!("the second layer is the table")
    };
    let error = b.plan.table_error_entries();
    for inputs in golden_inputs() {
        let reference = b.circuit.evaluate(&inputs).unwrap();
        let item = b.secret.encrypt(&b.plan, &inputs).unwrap();
        assert_eq!(item.len(), b.plan.request_bytes());
        let steps = Mutex::new(Vec::new());
        let note = |p: Progress| {
            steps
                .lock()
                .unwrap()
                .push((p.layer, p.layers, p.look_ups_done, p.look_ups));
        };
        let control = Control {
            progress: Some(&note),
            ..Control::default()
        };
        let answer = evaluate(&b.plan, &b.circuit, &b.keys, &item, &control).unwrap();
        let told = steps.lock().unwrap().clone();
        assert_eq!(told, [(0, 2, 0, 1), (1, 2, 0, 1), (1, 2, 1, 1), (2, 2, 1, 1)]);
        assert_eq!(answer.len(), b.plan.answer_bytes());
        let outputs = b.secret.decrypt(&b.plan, &answer).unwrap();
        assert_eq!(outputs[0], reference[0]);
        assert_eq!(outputs[1].kind, OutputKind::Table);
        let score = reference[0].values[0];
        let bound = |entries: i64| i64::from(lut.channel(0)[lut.index(score + entries * lut.step)]);
        let probability = outputs[1].values[0];
        assert!(
            (bound(-error)..=bound(error)).contains(&probability),
            "{probability} at score {score}"
        );
    }
}

#[test]
fn wire_sizes_stay_inside_the_promised_bounds() {
    let b = bench();
    assert!(b.plan.request_bytes() <= 32_768);
    assert!(
        b.plan.answer_bytes() <= 16_384 - 1_024,
        "room for receipt and envelope"
    );
    assert_eq!(b.object.len(), b.plan.evaluation_key_bytes());
    assert!(b.object.len() <= 64 << 20);
}

#[test]
fn keys_and_items_of_other_lengths_kinds_or_parameters_are_refused() {
    let b = bench();
    let set = b.plan.parameters();
    let refused = |bytes: &[u8]| matches!(EvaluationKeys::from_bytes(set, bytes), Err(ServerError::Peer(_)));
    assert!(refused(&[]));
    assert!(refused(&b.object[..b.object.len() - 1]));
    let mut foreign = b.object.clone();
    foreign[10] ^= 1;
    assert!(refused(&foreign));
    let item = b.secret.encrypt(&b.plan, &golden_inputs()[0]).unwrap();
    assert!(refused(&item));
    let run = |bytes: &[u8]| evaluate(&b.plan, &b.circuit, &b.keys, bytes, &Control::default());
    assert!(run(&item[..item.len() - 1]).is_err());
    assert!(run(&[&item[..], &[0]].concat()).is_err());
    let mut other = set.clone();
    other.exact_answer_bits = 40;
    let other = Plan::new(&b.circuit, &other).unwrap();
    assert_eq!(
        evaluate(&other, &b.circuit, &b.keys, &item, &Control::default()),
        Err(ServerError::PeerParameters)
    );
}

#[test]
fn hostile_words_of_the_right_shape_never_panic() {
    let b = bench();
    let set = b.plan.parameters();
    let mut object = b.object.clone();
    object[37..].fill(0xff);
    let keys = EvaluationKeys::from_bytes(set, &object).unwrap();
    let mut item = b.secret.encrypt(&b.plan, &golden_inputs()[0]).unwrap();
    item[37..].fill(0xa5);
    let answer = evaluate(&b.plan, &b.circuit, &keys, &item, &Control::default()).unwrap();
    b.secret.decrypt(&b.plan, &answer).unwrap();
}

#[test]
fn the_same_item_and_keys_give_the_same_answer_bytes() {
    let b = bench();
    let item = b.secret.encrypt(&b.plan, &golden_inputs()[1]).unwrap();
    let run = || evaluate(&b.plan, &b.circuit, &b.keys, &item, &Control::default()).unwrap();
    assert_eq!(run(), run());
}

#[test]
fn two_encryptions_of_one_record_share_no_seed_and_no_body() {
    let b = bench();
    let inputs = &golden_inputs()[0];
    let [x, y] = [(); 2].map(|()| b.secret.encrypt(&b.plan, inputs).unwrap());
    assert_eq!(x[..37], y[..37], "headers are equal");
    assert_ne!(x[37..53], y[37..53], "mask seeds are fresh");
    assert_ne!(x[53..], y[53..]);
}
