//! What a payload must show before it is signed: its parts are well formed, fit each other, and give the
//! golden results.

use std::collections::BTreeMap;

use obscura_bundle::{
    Contract, Golden, GoldenMismatch, GoldenPatch, GoldenVector, ImageContract, Reads, RecordContract,
    file_name,
};
use obscura_circuit::{Circuit, Operation};
use obscura_fhe_core::{ParameterSet, Plan};

use crate::error::SignError;

/// What was found out about a payload.
pub(crate) struct Checked {
    pub(crate) title: String,
    pub(crate) security_bits: f64,
    pub(crate) table_error_entries: i64,
    pub(crate) request_bytes: usize,
    pub(crate) answer_bytes: usize,
    pub(crate) evaluation_key_bytes: usize,
    pub(crate) golden_vectors: usize,
}

/// Checks the files of a payload for model `model_id`.
pub(crate) fn check(files: &BTreeMap<String, Vec<u8>>, model_id: &str) -> Result<Checked, SignError> {
    if let Some(name) = files.keys().find(|name| !file_name::ALL.contains(&name.as_str())) {
        return Err(SignError::PayloadUnexpected { name: name.clone() });
    }
    for name in file_name::ALL {
        part(files, name)?;
    }
    let contract =
        Contract::from_json(part(files, file_name::CONTRACT)?).map_err(SignError::PayloadContract)?;
    if contract.model_id() != model_id {
        return Err(SignError::PayloadModel {
            contract: contract.model_id().to_owned(),
            asked: model_id.to_owned(),
        });
    }
    let circuit = Circuit::from_parts(part(files, file_name::CIRCUIT)?, part(files, file_name::WEIGHTS)?)
        .map_err(SignError::PayloadCircuit)?;
    check_inputs(&contract, &circuit)?;
    let parameters =
        ParameterSet::from_json(part(files, file_name::PARAMETERS)?).map_err(SignError::PayloadParameters)?;
    let plan = Plan::new(&circuit, &parameters).map_err(SignError::PayloadPlan)?;
    let golden = Golden::from_json(part(files, file_name::GOLDEN)?).map_err(SignError::PayloadGolden)?;
    match (contract.reads(), &golden) {
        (Reads::Record(record), Golden::Records(vectors)) => {
            for vector in vectors {
                check_vector(vector, record, &circuit)?;
            }
        }
        (Reads::Image(image), Golden::Images { patches, scans }) => {
            check_output(image, &circuit)?;
            for patch in patches {
                check_patch(patch, image, &circuit)?;
            }
            for scan in scans {
                scan.check(image).map_err(SignError::PayloadGoldenResult)?;
            }
            // A head that no vector shows would be signed unseen.
            if image.has_head() && scans.is_empty() {
                return Err(SignError::PayloadNoScans);
            }
        }
        _ => return Err(SignError::PayloadGoldenKind),
    }
    Ok(Checked {
        title: contract.title().to_owned(),
        security_bits: parameters.security_bits(),
        table_error_entries: plan.table_error_entries(),
        request_bytes: plan.request_bytes(),
        answer_bytes: plan.answer_bytes(),
        evaluation_key_bytes: plan.evaluation_key_bytes(),
        golden_vectors: golden.len(),
    })
}

fn part<'a>(files: &'a BTreeMap<String, Vec<u8>>, name: &'static str) -> Result<&'a [u8], SignError> {
    files
        .get(name)
        .map(Vec::as_slice)
        .ok_or(SignError::PayloadMissing { name })
}

/// Every record or image the contract accepts must be one the circuit takes.
fn check_inputs(contract: &Contract, circuit: &Circuit) -> Result<(), SignError> {
    let bounds = contract.input_bounds();
    let ranges = circuit.input_ranges();
    if bounds.len() != ranges.len() {
        return Err(SignError::PayloadInputCount {
            contract: bounds.len(),
            circuit: ranges.len(),
        });
    }
    for (input, (&(low, high), range)) in bounds.iter().zip(ranges).enumerate() {
        if !range.contains(low) || !range.contains(high) {
            return Err(SignError::PayloadInputRange {
                input,
                low,
                high,
                allowed: range.to_string(),
            });
        }
    }
    Ok(())
}

/// The output the contract names must have one number per class, or as many as its clear head reads.
fn check_output(contract: &ImageContract, circuit: &Circuit) -> Result<(), SignError> {
    let mut outputs = circuit.outputs().iter();
    let output = outputs.find(|output| &*output.name == contract.output());
    let got = output.map_or(0, |output| circuit.shape(output.reads).elements());
    if got == contract.output_len() {
        return Ok(());
    }
    Err(SignError::PayloadOutput {
        output: contract.output().to_owned(),
        got,
        needed: contract.output_len(),
    })
}

fn check_patch(patch: &GoldenPatch, contract: &ImageContract, circuit: &Circuit) -> Result<(), SignError> {
    let outputs = circuit
        .evaluate(&patch.inputs)
        .map_err(SignError::PayloadCircuit)?;
    let mut outputs = outputs.iter();
    let output = outputs.find(|output| output.name == contract.output());
    let values = output.map_or(&[][..], |output| &output.values);
    patch.check(values).map_err(SignError::PayloadGoldenResult)
}

fn check_vector(
    vector: &GoldenVector,
    contract: &RecordContract,
    circuit: &Circuit,
) -> Result<(), SignError> {
    let wrong = |part| {
        let vector = vector.name.clone();
        SignError::PayloadGoldenResult(GoldenMismatch { vector, part })
    };
    let inputs = contract
        .quantise(&vector.record)
        .map_err(|problems| match problems.into_iter().next() {
            Some(problem) => SignError::PayloadGoldenRecord {
                vector: vector.name.clone(),
                problem: Box::new(problem),
            },
            None => wrong("record"),
        })?;
    if inputs != vector.inputs {
        return Err(wrong("inputs"));
    }
    let outputs = circuit.evaluate(&inputs).map_err(SignError::PayloadCircuit)?;
    let gives = |name: &str, value: i64| {
        outputs
            .iter()
            .any(|output| output.name == name && output.values == [value])
    };
    if !gives("score", vector.score) {
        return Err(wrong("score"));
    }
    if !gives("probability", vector.probability) {
        return Err(wrong("probability"));
    }
    let index = circuit.layers().iter().find_map(|layer| match &layer.operation {
        Operation::Lut(lut) => i64::try_from(lut.index(vector.score)).ok(),
        Operation::Linear(_) | Operation::Conv2d(_) | Operation::SumPool(_) => None,
    });
    if index == Some(vector.index) {
        Ok(())
    } else {
        Err(wrong("table index"))
    }
}
