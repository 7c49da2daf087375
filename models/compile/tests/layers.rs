//! Bit-exactness with the exporter, layer by layer.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod common;

use std::fs;

use common::{calibration, network, tensors};
use obscura_compile::{CompileError, check_layers};

const SAMPLES: usize = 3;
const NODES: [&str; 5] = ["x", "first", "mix", "second", "head"];

type Tensors = Vec<(&'static str, Vec<usize>, Vec<i64>)>;

/// What the reference gives for three samples: one tensor per node.
fn expected() -> Tensors {
    let circuit = network(8).circuit;
    let samples = calibration(&circuit).samples;
    let traces: Vec<Vec<Vec<i64>>> = samples[..SAMPLES]
        .iter()
        .map(|x| circuit.trace(x).unwrap())
        .collect();
    let tensor = |(at, name): (usize, &'static str)| {
        let values: Vec<i64> = traces.iter().flat_map(|trace| trace[at].clone()).collect();
        (name, vec![SAMPLES, values.len() / SAMPLES], values)
    };
    NODES.into_iter().enumerate().map(tensor).collect()
}

fn checked(bytes: &[u8]) -> Result<usize, CompileError> {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), bytes).unwrap();
    check_layers(&network(8).circuit, "x", file.path())
}

#[test]
fn what_the_reference_gives_is_accepted_with_and_without_outputs() {
    let mut all = expected();
    assert_eq!(checked(&tensors(&all)).unwrap(), SAMPLES);
    let logits = ("logits", all[4].1.clone(), all[4].2.clone());
    all.push(logits);
    assert_eq!(checked(&tensors(&all)).unwrap(), SAMPLES);
    all[5].2[7] += 1;
    let wrong = checked(&tensors(&all)).unwrap_err().to_string();
    assert!(
        wrong.starts_with("layer logits, sample 1, element 3: the exporter says"),
        "{wrong}"
    );
}

#[test]
fn a_number_that_differs_is_named_in_every_layer() {
    for layer in 1..NODES.len() {
        let mut all = expected();
        let width = all[layer].1[1];
        all[layer].2[2 * width + 1] += 1;
        let (want, got) = (all[layer].2[2 * width + 1], all[layer].2[2 * width + 1] - 1);
        let named = format!(
            "layer {}, sample 2, element 1: the exporter says {want}, the reference gives {got}",
            NODES[layer]
        );
        assert_eq!(checked(&tensors(&all)).unwrap_err().to_string(), named);
    }
}

#[test]
fn files_of_another_form_are_refused_with_the_tensor_at_fault() {
    let refused = |alter: &dyn Fn(&mut Tensors)| {
        let mut all = expected();
        alter(&mut all);
        let error = checked(&tensors(&all)).unwrap_err();
        assert!(matches!(error, CompileError::Layers { .. }), "{error}");
        error.to_string()
    };
    assert!(refused(&|all| drop(all.remove(2))).ends_with("has no tensor mix"));
    assert!(refused(&|all| drop(all.remove(0))).ends_with("has no tensor x"));
    let extra = |all: &mut Tensors| all.push(("conv9", vec![1], vec![1]));
    assert!(refused(&extra).ends_with("has a tensor conv9, which is no node of the circuit"));
    let short = |all: &mut Tensors| {
        all[3].2.truncate(16);
        all[3].1 = vec![1, 16];
    };
    assert!(refused(&short).ends_with("tensor second does not hold 3 samples"));
    let empty = |all: &mut Tensors| (all[0].1, all[0].2) = (vec![0, 8], Vec::new());
    assert!(refused(&empty).ends_with("tensor x holds no whole sample"));
    let outside = |all: &mut Tensors| all[0].2[0] = 16;
    let mut all = expected();
    outside(&mut all);
    assert!(matches!(checked(&tensors(&all)), Err(CompileError::Circuit(_))));
    assert!(
        checked(b"not tensors")
            .unwrap_err()
            .to_string()
            .ends_with("is not a safetensors file")
    );
}
