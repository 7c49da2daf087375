//! The real `obscura-compile`, from an exporter's folder to a payload.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output},
};

use common::{Draw, tensors, weights};
use obscura_bundle::{Contract, Golden};
use obscura_circuit::Circuit;
use obscura_fhe_core::{ParameterSet, Plan};
use serde_json::{Value, json};
use tempfile::TempDir;

const INPUTS: usize = 12;
const UNITS: usize = 12;
const FEATURES: usize = 6;
/// Patches of an image.
const PATCHES: usize = 4;
/// Images for calibration.
const IMAGES: usize = 60;

/// A folder as an exporter writes it: patches of two by two pixels, a table on twelve units, a head over six features.
struct Folder {
    temp: TempDir,
    circuit: Circuit,
}

fn circuit_json() -> Value {
    json!({"format": 1, "nodes": [
        {"op": "input", "name": "patch", "shape": [3, 2, 2], "min": [-102], "max": [127]},
        {"op": "linear", "name": "dense", "input": "patch", "weights": "dense.w", "bias": "dense.b"},
        {"op": "lut", "name": "relu", "input": "dense", "table": "relu.t", "origin": -2048, "step": 64,
         "calibrated": [-2500, 2500]},
        {"op": "linear", "name": "features", "input": "relu", "weights": "features.w", "bias": "features.b"},
        {"op": "output", "name": "vector", "input": "features"}
    ]})
}

fn network() -> (Vec<u8>, Vec<u8>) {
    use safetensors::{Dtype, tensor::TensorView};
    let table: Vec<u8> = (-32..32_i32)
        .map(|entry| (entry.clamp(-16, 16) + 16) * 8)
        .flat_map(i32::to_le_bytes)
        .collect();
    let (dense, features) = (weights(UNITS * INPUTS, 3), weights(FEATURES * UNITS, 4));
    let view = |dtype, shape: &[usize], bytes| TensorView::new(dtype, shape.to_vec(), bytes).unwrap();
    let tensors = [
        ("dense.w", view(Dtype::I8, &[UNITS, INPUTS], &dense)),
        ("dense.b", view(Dtype::I64, &[UNITS], &[0; 8 * UNITS])),
        ("relu.t", view(Dtype::I32, &[1, 64], &table)),
        ("features.w", view(Dtype::I8, &[FEATURES, UNITS], &features)),
        ("features.b", view(Dtype::I64, &[FEATURES], &[0; 8 * FEATURES])),
    ];
    let json = serde_json::to_vec(&circuit_json()).unwrap();
    (json, safetensors::serialize(tensors, None).unwrap())
}

fn contract() -> Value {
    let channel = |name, mean, deviation| json!({"name": name, "mean": mean, "deviation": deviation});
    let class = |name| json!({"name": name, "label": "L", "text": "T"});
    let mut draw = Draw(8);
    let mut rows = |height: usize, width: usize| -> Vec<Vec<i64>> {
        (0..height)
            .map(|_| (0..width).map(|_| draw.within(3)).collect())
            .collect()
    };
    json!({
        "format": 3, "model_id": "small", "title": "t", "intended_use": "i", "not_for": "n", "warning": "w",
        "licence": {"name": "CC0 1.0", "text": "Made up.", "non_commercial": false},
        "image": {
            "resize": {"side": 6, "filter": "lanczos3"}, "crop": 4, "patch": 2, "scale": 48,
            "channels": [channel("red", 0.485, 0.229), channel("green", 0.456, 0.224),
                         channel("blue", 0.406, 0.225)]
        },
        "classes": [class("a"), class("b"), class("c")],
        "scores": {
            "kind": "head", "output": "vector", "inputs": FEATURES, "value_per_integer": 0.001, "temperature": 1,
            "pool": {"mean": true, "max": true, "attention": rows(1, FEATURES)},
            "classes": {"weights": rows(3, 3 * FEATURES), "bias": [0, 0, 0]}
        }
    })
}

impl Folder {
    fn new() -> Self {
        let (circuit_json, weights) = network();
        let circuit = Circuit::from_parts(&circuit_json, &weights).unwrap();
        let folder = Self {
            temp: tempfile::tempdir().unwrap(),
            circuit,
        };
        let put = |name: &str, bytes: &[u8]| fs::write(folder.path(name), bytes).unwrap();
        fs::create_dir(folder.path("export")).unwrap();
        put("export/circuit.json", &circuit_json);
        put("export/weights.safetensors", &weights);
        put("export/contract.json", contract().to_string().as_bytes());
        put("export/card.md", b"# small\n");
        let patches = folder.patches();
        let column = |of: &dyn Fn(usize) -> usize| -> Vec<i64> {
            (0..patches.len())
                .map(|at| i64::try_from(of(at)).unwrap())
                .collect()
        };
        let count = vec![patches.len()];
        let classes = folder.classes(&patches);
        let calibration = [
            ("patches", vec![patches.len(), 3, 2, 2], patches.concat()),
            ("image", count.clone(), column(&|at| at / PATCHES)),
            ("position", count.clone(), column(&|at| at % PATCHES)),
            ("labels", count, column(&|at| classes[at / PATCHES])),
        ];
        put("export/calibration.safetensors", &tensors(&calibration));
        put(
            "export/golden.json",
            folder.golden(&patches).to_string().as_bytes(),
        );
        put("export/layers.safetensors", &folder.layers(&patches[..5]));
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }

    fn patches(&self) -> Vec<Vec<i64>> {
        let mut draw = Draw(9);
        // An image has a shade of its own, or all images would be of one class.
        let mut image = || -> Vec<Vec<i64>> {
            let shade: Vec<i64> = (0..self.circuit.input_len()).map(|_| draw.within(60)).collect();
            (0..PATCHES)
                .map(|_| shade.iter().map(|shade| shade + draw.within(30)).collect())
                .collect()
        };
        (0..IMAGES).flat_map(|_| image()).collect()
    }

    fn outputs(&self, patches: &[Vec<i64>]) -> Vec<Vec<i64>> {
        let evaluated = patches.iter().map(|patch| self.circuit.evaluate(patch).unwrap());
        evaluated.map(|mut outputs| outputs.remove(0).values).collect()
    }

    /// What the head says of each image in the clear.
    fn classes(&self, patches: &[Vec<i64>]) -> Vec<usize> {
        let contract = Contract::from_json(contract().to_string().as_bytes()).unwrap();
        let outputs = self.outputs(patches);
        let images = outputs.chunks(PATCHES);
        images
            .map(|image| contract.image().unwrap().scores(image).unwrap().class)
            .collect()
    }

    fn golden(&self, patches: &[Vec<i64>]) -> Value {
        let contract = Contract::from_json(contract().to_string().as_bytes()).unwrap();
        let outputs = self.outputs(&patches[..PATCHES]);
        let scores = contract.image().unwrap().scores(&outputs).unwrap();
        json!({
            "format": 3,
            "vectors": [{"name": "first patch", "inputs": patches[0], "outputs": outputs[0]}],
            "scans": [{"name": "first image", "outputs": outputs, "probabilities": scores.probabilities}]
        })
    }

    fn layers(&self, patches: &[Vec<i64>]) -> Vec<u8> {
        let traces: Vec<Vec<Vec<i64>>> = patches
            .iter()
            .map(|patch| self.circuit.trace(patch).unwrap())
            .collect();
        let names = ["patch", "dense", "relu", "features"];
        let all: Vec<_> = names
            .into_iter()
            .enumerate()
            .map(|(at, name)| {
                let values: Vec<i64> = traces.iter().flat_map(|trace| trace[at].clone()).collect();
                (name, vec![patches.len(), values.len() / patches.len()], values)
            })
            .collect();
        tensors(&all)
    }

    fn compile(&self, more: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_obscura-compile"))
            .current_dir(self.temp.path())
            .args(["export", "--out", "small/payload", "--bound", "0.2"])
            .args(more)
            .output()
            .unwrap()
    }

    fn refused(&self, code: i32, says: &str) {
        let output = self.compile(&["--table-bits", "8"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(says), "{said}");
        assert!(!self.path("small").exists(), "nothing is written");
    }

    fn alter(&self, name: &str, change: impl FnOnce(&mut Value)) {
        let path = self.path("export").join(name);
        let mut value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        change(&mut value);
        fs::write(path, value.to_string()).unwrap();
    }
}

#[test]
fn an_exporters_folder_becomes_a_whole_payload_with_reports_beside_it() {
    let folder = Folder::new();
    let done = folder.compile(&["--table-bits", "6,5,4"]);
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{said}");
    assert!(
        said.contains("every layer is bit-exact with the exporter on 5 samples"),
        "{said}"
    );
    let mut names: Vec<String> = fs::read_dir(folder.path("small/payload"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, obscura_bundle::file_name::ALL);
    let read = |name: &str| fs::read(folder.path("small/payload").join(name)).unwrap();
    let circuit = Circuit::from_parts(&read("circuit.json"), &read("weights.safetensors")).unwrap();
    let set = ParameterSet::from_json(&read("parameters.json")).unwrap();
    assert_eq!(set.name, "small");
    Plan::new(&circuit, &set).unwrap();
    assert_eq!(
        read("contract.json"),
        fs::read(folder.path("export/contract.json")).unwrap()
    );

    let report: Value =
        serde_json::from_slice(&fs::read(folder.path("small/compile.json")).unwrap()).unwrap();
    assert_eq!(
        (&report["decided_on"], &report["decisions"]),
        (&json!("images"), &json!(IMAGES))
    );
    // The labels are what the exporter's circuit says, so it is right always.
    assert_eq!(report["accuracy_exported"], 1.0);
    let rows = report["rows"].as_array().unwrap();
    assert_eq!(rows.iter().filter(|row| row["chosen"] == true).count(), 1);
    let number = |row: &Value, key: &str| row[key].as_f64().unwrap();
    let (exported, coarsest) = (&rows[0], &rows[rows.len() - 1]);
    assert_eq!(
        (&exported["table_bits"], &coarsest["table_bits"]),
        (&Value::Null, &json!(4))
    );
    assert!(number(exported, "accuracy_without_noise") >= 1.0);
    assert!(number(exported, "changed_without_noise") <= 0.0);
    assert!(number(coarsest, "accuracy_without_noise") < 1.0);
    assert!(number(coarsest, "changed_without_noise") > 0.0);
    let text = fs::read_to_string(folder.path("small/parameters.md")).unwrap();
    assert!(
        text.contains("whose balanced accuracy is 1.0000") && text.contains("60 calibration images"),
        "{text}"
    );
}

#[test]
fn a_chosen_coarser_circuit_has_golden_patches_of_its_own() {
    let folder = Folder::new();
    let exported = obscura_compile::Exported::read(&folder.path("export")).unwrap();
    let coarser = exported.network.with_table_bits(4).unwrap().unwrap();
    let files = exported.payload(&coarser, &json!({})).unwrap();
    let Golden::Images { patches, scans } = Golden::from_json(&files["golden.json"]).unwrap() else {
        panic!("patches")
    };
    let inputs = &patches[0].inputs;
    assert_eq!(
        patches[0].outputs,
        coarser.circuit.evaluate(inputs).unwrap()[0].values
    );
    assert_ne!(
        patches[0].outputs,
        exported.network.circuit.evaluate(inputs).unwrap()[0].values
    );
    assert_eq!(
        scans.len(),
        1,
        "outputs and probabilities of whole images stay as they are"
    );
    let same = exported.payload(&exported.network, &json!({})).unwrap();
    assert_eq!(
        same["golden.json"],
        fs::read(folder.path("export/golden.json")).unwrap()
    );
}

#[test]
fn what_does_not_come_out_or_fit_is_refused_by_name_and_nothing_is_written() {
    let folder = Folder::new();
    folder.alter("golden.json", |golden| {
        golden["vectors"][0]["outputs"][2] = json!(1);
    });
    folder.refused(65, "golden vector first patch has the wrong outputs");
    let folder = Folder::new();
    folder.alter("golden.json", |golden| {
        golden["scans"][0]["probabilities"][0] = json!(0.5);
    });
    folder.refused(65, "golden vector first image has the wrong probabilities");
    let folder = Folder::new();
    folder.alter("golden.json", |golden| {
        golden["format"] = json!(2);
        drop(golden.as_object_mut().unwrap().remove("scans"));
    });
    folder.refused(65, "golden.json has a whole image where");
    let folder = Folder::new();
    folder.alter("contract.json", |contract| {
        contract["scores"]["output"] = json!("logits");
    });
    folder.refused(65, "the circuit has the output the contract names");
    let folder = Folder::new();
    folder.alter("contract.json", |contract| contract["image"]["scale"] = json!(60));
    folder.refused(65, "the contract's inputs are those of the circuit");
    let folder = Folder::new();
    folder.alter("contract.json", |contract| {
        drop(contract.as_object_mut().unwrap().remove("licence"));
    });
    folder.refused(65, "contract.json is refused");
    let folder = Folder::new();
    let mut layers = folder.layers(&folder.patches()[..1]);
    // The lowest byte of the last number.
    let at = layers.len() - 4;
    layers[at] ^= 1;
    fs::write(folder.path("export/layers.safetensors"), layers).unwrap();
    folder.refused(65, "the exporter says");
    fs::remove_file(folder.path("export/layers.safetensors")).unwrap();
    fs::remove_file(folder.path("export/card.md")).unwrap();
    folder.refused(74, "card.md");
}

#[test]
fn patches_that_are_no_whole_images_decide_alone() {
    let folder = Folder::new();
    let patches = &folder.patches()[1..];
    let column = |of: &dyn Fn(usize) -> usize| -> Vec<i64> {
        (1..=patches.len())
            .map(|at| i64::try_from(of(at)).unwrap())
            .collect()
    };
    let calibration = [
        ("patches", vec![patches.len(), 12], patches.concat()),
        ("image", vec![patches.len()], column(&|at| at / PATCHES)),
        ("position", vec![patches.len()], column(&|at| at % PATCHES)),
    ];
    fs::write(
        folder.path("export/calibration.safetensors"),
        tensors(&calibration),
    )
    .unwrap();
    let done = folder.compile(&["--table-bits", "8", "--samples", "100"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let report: Value =
        serde_json::from_slice(&fs::read(folder.path("small/compile.json")).unwrap()).unwrap();
    assert_eq!(
        (&report["decided_on"], &report["decisions"]),
        (&json!("patches"), &json!(100))
    );
    assert!(report["accuracy_exported"].is_null());
    let short = [calibration[0].clone(), ("image", vec![3], vec![0; 3])];
    fs::write(folder.path("export/calibration.safetensors"), tensors(&short)).unwrap();
    let refused = folder.compile(&[]);
    assert_eq!(refused.status.code(), Some(65));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("not one integer per sample"));
}

#[test]
fn a_tensor_of_whole_images_needs_no_other_to_say_so() {
    let folder = Folder::new();
    let patches = folder.patches();
    let labels: Vec<i64> = folder
        .classes(&patches)
        .into_iter()
        .map(|class| i64::try_from(class).unwrap())
        .collect();
    let all = ("patches", vec![IMAGES, PATCHES, 3, 2, 2], patches.concat());
    let report = |labels: Vec<i64>| {
        let calibration = [all.clone(), ("labels", vec![labels.len()], labels)];
        fs::write(
            folder.path("export/calibration.safetensors"),
            tensors(&calibration),
        )
        .unwrap();
        let done = folder.compile(&["--table-bits", "8", "--samples", "50"]);
        (
            done.status.code(),
            String::from_utf8_lossy(&done.stderr).into_owned(),
        )
    };
    let (code, said) = report(labels.clone());
    assert_eq!(code, Some(0), "{said}");
    let read: Value = serde_json::from_slice(&fs::read(folder.path("small/compile.json")).unwrap()).unwrap();
    assert_eq!(
        (&read["decided_on"], &read["decisions"]),
        (&json!("images"), &json!(50))
    );
    assert!(read["accuracy_exported"].as_f64().unwrap() >= 1.0);
    let (code, said) = report(labels[1..].to_vec());
    assert!(
        code == Some(65) && said.contains("labels is not one integer per image"),
        "{said}"
    );
}
