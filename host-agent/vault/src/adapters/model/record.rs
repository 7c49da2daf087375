//! A verified model of records: fields in, an exact score and a probability out.

use std::collections::BTreeMap;

use obscura_bundle::{FieldValue, GoldenMismatch, GoldenVector, Kind, RecordContract};
use obscura_circuit::{Circuit, Lut, Operation, Output, OutputKind};
use obscura_local::agent::{FieldTakes, FieldView, Problem, Reading, Record, Value};

use super::{Cryptography, ModelError, failure};
use crate::{
    domain::bounds::TableBounds,
    ports::{DecisionText, ModelFailure, RecordReader},
};

const SCORE: &str = "score";
const PROBABILITY: &str = "probability";

/// A contract for records on a circuit that fits it.
#[derive(Debug)]
pub(super) struct TfheRecords {
    contract: RecordContract,
    cryptography: Cryptography,
    probability_scale: i64,
    table: Lut,
}

impl TfheRecords {
    /// # Errors
    /// [`ModelError::Contradiction`] when the circuit has no exact score with a probability table on it.
    pub(super) fn new(contract: &RecordContract, cryptography: Cryptography) -> Result<Self, ModelError> {
        let contradiction = |what| ModelError::Contradiction { what };
        let table = probability_table(&cryptography.circuit)
            .ok_or_else(|| contradiction("the circuit has no exact score with a probability table on it"))?;
        Ok(Self {
            probability_scale: i64::try_from(contract.probability_scale())
                .map_err(|_overflow| contradiction("the probability's scale is too large"))?,
            table: table.clone(),
            contract: contract.clone(),
            cryptography,
        })
    }

    pub(super) fn cryptography(&self) -> &Cryptography {
        &self.cryptography
    }

    pub(super) fn view(&self) -> Vec<FieldView> {
        self.contract.fields().iter().map(field_view).collect()
    }

    /// Checks what contract and circuit make of the golden records.
    ///
    /// # Errors
    /// [`ModelFailure`], which names the golden vector.
    pub(super) fn check_vectors(&self, vectors: &[GoldenVector]) -> Result<(), ModelFailure> {
        for vector in vectors {
            let inputs = self.contract.quantise(&vector.record).ok();
            let part = match inputs.filter(|inputs| *inputs == vector.inputs) {
                None => Some("inputs"),
                Some(inputs) => {
                    let reading = RecordReader::reference(self, &inputs)?;
                    let right = (reading.score, reading.probability) == (vector.score, vector.probability);
                    (!right).then_some("outputs")
                }
            };
            if let Some(part) = part {
                let vector = vector.name.clone();
                let wrong = ModelError::from(GoldenMismatch { vector, part });
                return Err(failure("checking the golden vectors", wrong));
            }
        }
        Ok(())
    }

    fn reading(&self, operation: &'static str, outputs: &[Output]) -> Result<Reading, ModelFailure> {
        let single = |name: &str| match outputs.iter().find(|output| output.name == name)?.values[..] {
            [value] => Some(value),
            _ => None,
        };
        let (Some(score), Some(probability)) = (single(SCORE), single(PROBABILITY)) else {
            let what = "score and probability are not one number each";
            return Err(failure(operation, ModelError::Contradiction { what }));
        };
        Ok(Reading {
            score,
            probability,
            probability_scale: self.probability_scale,
            positive: self.contract.decision(score).positive,
        })
    }
}

/// The table of the output `probability`, when it reads the very tensor that leaves as the exact `score`.
fn probability_table(circuit: &Circuit) -> Option<&Lut> {
    let reads = |name: &str| {
        Some(
            circuit
                .outputs()
                .iter()
                .find(|output| &*output.name == name)?
                .reads,
        )
    };
    let (score, probability) = (reads(SCORE)?, reads(PROBABILITY)?);
    let layer = circuit.layers().get(probability.checked_sub(1)?)?;
    match &layer.operation {
        Operation::Lut(lut) if layer.reads == score && circuit.kind(score) == OutputKind::Exact => Some(lut),
        _ => None,
    }
}

impl RecordReader for TfheRecords {
    fn quantise(&self, record: &Record) -> Result<Vec<i64>, Vec<Problem>> {
        let mut fields = BTreeMap::new();
        let mut repeated = Vec::new();
        for (name, value) in &record.0 {
            let value = match value {
                Value::Number(number) => FieldValue::Number(*number),
                Value::Code(word) => FieldValue::Code(word.clone()),
            };
            if fields.insert(name.clone(), value).is_some() {
                repeated.push(Problem {
                    field: name.clone(),
                    text: "is given more than once".to_owned(),
                });
            }
        }
        let quantised = self.contract.quantise(&fields);
        let problems = quantised.as_ref().err().into_iter().flatten();
        repeated.extend(problems.map(|problem| Problem {
            field: problem.field.clone(),
            text: format!("{}; {}", problem.wrong, problem.allowed),
        }));
        quantised.ok().filter(|_| repeated.is_empty()).ok_or(repeated)
    }

    fn decrypt(&self, secret: &[u8], answer: &[u8]) -> Result<Reading, ModelFailure> {
        let outputs = self.cryptography.decrypt(secret, answer)?;
        self.reading("decrypting", &outputs)
    }

    fn reference(&self, inputs: &[i64]) -> Result<Reading, ModelFailure> {
        let evaluated = self.cryptography.circuit.evaluate(inputs);
        let outputs = evaluated.map_err(|error| failure("evaluating in the clear", error))?;
        self.reading("evaluating in the clear", &outputs)
    }

    fn decision(&self, score: i64) -> DecisionText {
        let decision = self.contract.decision(score);
        DecisionText {
            label: decision.label.to_owned(),
            text: decision.text.to_owned(),
        }
    }

    fn bounds(&self, score: i64) -> (i64, TableBounds) {
        let entries = self.cryptography.plan.table_error_entries();
        let around = TableBounds::around(self.table.channel(0), self.table.index(score), entries);
        // A loaded table is never empty; an impossible interval contains nothing.
        (entries, around.unwrap_or(TableBounds { low: 1, high: 0 }))
    }
}

fn field_view(field: &obscura_bundle::Field) -> FieldView {
    FieldView {
        name: field.name().to_owned(),
        label: field.label().to_owned(),
        unit: field.unit().to_owned(),
        help: field.help().to_owned(),
        takes: match field.kind() {
            Kind::Number { min, max } => FieldTakes::Number { min: *min, max: *max },
            Kind::Code(codes) => FieldTakes::Code {
                codes: codes
                    .iter()
                    .map(|code| (code.code().to_owned(), code.label().to_owned()))
                    .collect(),
            },
        },
    }
}
