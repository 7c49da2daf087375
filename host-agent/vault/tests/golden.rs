//! Golden vectors on the device: a model that does not compute as its owner's gives no keys and no results.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{collections::BTreeMap, error::Error, fs, path::Path};

use obscura_bundle::{Bundle, Contract, Meta, Root, TrustedRoot, file_name};
use obscura_protocol::identity::Identity;
use obscura_vault::{
    adapters::model::{ModelError, TfheModel},
    ports::{Model, Reader},
};
use serde_json::{Value, json};
use zeroize::Zeroizing;

type Files = BTreeMap<String, Vec<u8>>;

fn payload(folder: &str) -> Files {
    let payload = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../models/shipped")
        .join(folder)
        .join("payload");
    let read = |name: &str| (name.to_owned(), fs::read(payload.join(name)).unwrap());
    file_name::ALL.into_iter().map(read).collect()
}

fn alter(files: &mut Files, name: &str, change: impl FnOnce(&mut Value)) {
    let mut value = serde_json::from_slice(&files[name]).unwrap();
    change(&mut value);
    files.insert(name.to_owned(), value.to_string().into_bytes());
}

fn model(model_id: &str, files: &Files) -> Result<TfheModel, ModelError> {
    let key = Identity::from_seed(&Zeroizing::new([1; 32]));
    let meta = Meta {
        model_id: model_id.to_owned(),
        version: "0.1.0".to_owned(),
        security_counter: 1,
        scheme: "tfhe-1".to_owned(),
        min_protocol: 1,
    };
    let root = Root::new(1, 1, vec![key.public()]).unwrap();
    let root = TrustedRoot::pinned(&root.to_bytes(), root.fingerprint()).unwrap();
    let bundle = Bundle::build(&meta, files.clone()).unwrap().sign(&[key]);
    TfheModel::from_bundle(&bundle, &root)
}

fn cause(error: &dyn Error) -> String {
    error.source().map_or_else(|| error.to_string(), cause)
}

/// Why no keys are made.
fn no_keys(model: &TfheModel) -> String {
    cause(&*model.generate(&mut |_, _| {}).map(drop).unwrap_err().source)
}

/// Outputs of 49 patches.
fn outputs() -> Vec<Vec<i64>> {
    let patch = |at| (0..7_i64).map(|class| 5000 * ((at * class) % 11)).collect();
    (0..49_i64).map(patch).collect()
}

/// The stand-in with an attention head over its logits, a threshold and one golden image.
fn with_head() -> Files {
    let mut files = payload("stand-in/derm-tiny");
    let rows = |scale: f64| -> Vec<Vec<f64>> {
        let cell = |row, column| if row == column { scale } else { 0.0 };
        (0..7)
            .map(|row| (0..7).map(|column| cell(row, column)).collect())
            .collect()
    };
    alter(&mut files, "contract.json", |contract| {
        contract["format"] = json!(3);
        contract["licence"] = json!({"name": "CC BY-NC 4.0", "text": "T.", "non_commercial": true});
        contract["scores"] = json!({
            "kind": "head", "output": "logits", "inputs": 7, "value_per_integer": 1e-4, "temperature": 1,
            "pool": {"mean": false, "max": false, "attention": [vec![0.5; 7]]},
            "classes": {"weights": rows(1.0), "bias": vec![0; 7]},
        });
        contract["thresholds"] = json!([
            {"class": "mel", "probability": 0.001, "text": "Melanoma is possible."},
            {"class": "nv", "probability": 0.999, "text": "Surely a mole."},
        ]);
    });
    let contract = Contract::from_json(&files["contract.json"]).unwrap();
    let scores = contract.image().unwrap().scores(&outputs()).unwrap();
    alter(&mut files, "golden.json", |golden| {
        golden["format"] = json!(3);
        golden["scans"] =
            json!([{"name": "made up", "outputs": outputs(), "probabilities": scores.probabilities}]);
    });
    files
}

#[test]
fn a_golden_image_that_does_not_come_out_stops_the_model_when_it_is_read() {
    let good = with_head();
    assert!(model("derm-tiny", &good).is_ok());
    let mut wrong = good.clone();
    alter(&mut wrong, "golden.json", |golden| {
        golden["scans"][0]["probabilities"][2] = json!(0.5);
    });
    let refused = model("derm-tiny", &wrong).unwrap_err();
    assert_eq!(
        cause(&refused),
        "golden vector made up has the wrong probabilities"
    );
    let mut none = good.clone();
    alter(&mut none, "golden.json", |golden| {
        golden["format"] = json!(2);
        golden.as_object_mut().unwrap().remove("scans");
    });
    let refused = model("derm-tiny", &none).unwrap_err();
    assert!(refused.to_string().contains("no golden image"), "{refused}");
    let mut narrow = good;
    alter(&mut narrow, "contract.json", |contract| {
        contract["scores"]["inputs"] = json!(6);
        contract["scores"]["pool"]["attention"] = json!([vec![0.5; 6]]);
        contract["scores"]["classes"]["weights"] = json!(vec![vec![0.5; 6]; 7]);
    });
    let refused = model("derm-tiny", &narrow).unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("as many numbers as the contract reads"),
        "{refused}"
    );
}

#[test]
fn golden_patches_and_records_that_do_not_come_out_are_named_before_keys_are_made() {
    let mut files = payload("stand-in/derm-tiny");
    alter(&mut files, "golden.json", |golden| {
        golden["vectors"][1]["outputs"][0] = json!(1);
        golden["vectors"][1]["name"] = json!("second");
    });
    let tiny = model("derm-tiny", &files).unwrap();
    assert_eq!(no_keys(&tiny), "golden vector second has the wrong outputs");
    for (key, part) in [("score", "outputs"), ("probability", "outputs")] {
        let mut files = payload("cardio-lr");
        alter(&mut files, "golden.json", |golden| {
            let number = &mut golden["vectors"][0][key];
            *number = json!(number.as_i64().unwrap() + 1);
        });
        let named = format!("golden vector healthy-reference has the wrong {part}");
        assert_eq!(no_keys(&model("cardio-lr", &files).unwrap()), named);
    }
    let mut files = payload("cardio-lr");
    alter(&mut files, "golden.json", |golden| {
        golden["vectors"][0]["inputs"][0] = json!(1);
    });
    let named = "golden vector healthy-reference has the wrong inputs";
    assert_eq!(no_keys(&model("cardio-lr", &files).unwrap()), named);
    let mut files = payload("cardio-lr");
    files.insert(
        "golden.json".to_owned(),
        payload("stand-in/derm-tiny")["golden.json"].clone(),
    );
    let refused = model("cardio-lr", &files).unwrap_err();
    assert!(
        refused.to_string().contains("not what the contract reads"),
        "{refused}"
    );
}

#[test]
fn a_reading_holds_what_the_head_says_its_weights_and_the_thresholds_it_reaches() {
    let model = model("derm-tiny", &with_head()).unwrap();
    let Reader::Image(images) = model.reader() else {
        panic!("reads images")
    };
    let reading = images.reading(&outputs()).unwrap();
    assert_eq!((reading.map.len(), reading.weights.len()), (49, 49));
    let sum: u32 = reading.weights.iter().map(|weight| u32::from(*weight)).sum();
    assert!(sum.abs_diff(1000) <= 25, "{sum} thousandths, each rounded");
    assert!(
        reading.weights.iter().any(|weight| *weight > 30),
        "patches count differently"
    );
    let notes: Vec<(u32, &str)> = reading
        .notes
        .iter()
        .map(|note| (note.class, &*note.text))
        .collect();
    assert_eq!(notes, [(4, "Melanoma is possible.")]);
    let licence = model.contract().licence.unwrap();
    assert_eq!(licence.line, "CC BY-NC 4.0: not for commercial use");
    let reading = |files: &Files| {
        let model = crate::model("derm-tiny", files).unwrap();
        let Reader::Image(images) = model.reader() else {
            panic!("reads images")
        };
        images.reading(&outputs()).unwrap()
    };
    let plain = reading(&payload("stand-in/derm-tiny"));
    assert!(plain.weights.is_empty() && plain.notes.is_empty());
}
