//! The verified bundle, its contract and circuit, and the TFHE keys, as the vault's model.
//!
//! Everything here comes out of a bundle whose signatures were checked against the pinned root; nothing is
//! read from anywhere else.

use std::collections::BTreeMap;

use obscura_bundle::{Bundle, BundleError, Contract, FieldValue, Kind, Root, Verified, file_name, verify};
use obscura_circuit::{Circuit, CircuitError, Lut, Operation, Output, OutputKind};
use obscura_fhe_client::{ClientError, SecretKeys};
use obscura_fhe_core::{ParameterError, ParameterSet, Plan, PlanError};
use obscura_local::agent::{ContractView, FieldTakes, FieldView, Problem, Reading, Record, Value};
use obscura_protocol::identity::Digest;

use crate::{
    domain::bounds::TableBounds,
    ports::{DecisionText, Model, ModelFacts, ModelFailure, NewKeys},
};

const SCORE: &str = "score";
const PROBABILITY: &str = "probability";

/// Why a bundle cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// Not signed under the root, altered, or incomplete.
    #[error("the model bundle is refused")]
    Bundle(#[from] BundleError),
    /// The circuit.
    #[error("the bundle's circuit cannot be used")]
    Circuit(#[from] CircuitError),
    /// The cryptographic parameters.
    #[error("the bundle's parameters cannot be used")]
    Parameters(#[from] ParameterError),
    /// Circuit and parameters together.
    #[error("the bundle's circuit does not fit its parameters")]
    Plan(#[from] PlanError),
    /// Parts of the bundle contradict each other.
    #[error("the bundle contradicts itself: {what}")]
    Contradiction {
        /// What does not fit.
        what: &'static str,
    },
}

/// A verified model and its cryptography.
#[derive(Debug)]
pub struct TfheModel {
    facts: ModelFacts,
    contract: Contract,
    probability_scale: i64,
    circuit: Circuit,
    parameters: ParameterSet,
    plan: Plan,
    table: Lut,
}

impl TfheModel {
    /// Verifies `bytes` against `root` and takes the model out.
    ///
    /// # Errors
    /// [`ModelError`].
    pub fn from_bundle(bytes: &[u8], root: &Root) -> Result<Self, ModelError> {
        let bundle: Bundle<Verified> = verify(bytes, root)?;
        let contract = bundle.contract()?;
        let circuit = Circuit::from_parts(
            bundle.required_file(file_name::CIRCUIT)?,
            bundle.required_file(file_name::WEIGHTS)?,
        )?;
        let parameters = ParameterSet::from_json(bundle.required_file(file_name::PARAMETERS)?)?;
        let plan = Plan::new(&circuit, &parameters)?;
        let manifest = bundle.manifest();
        let contradiction = |what| ModelError::Contradiction { what };
        if contract.model_id() != manifest.model_id {
            return Err(contradiction("contract and manifest name different models"));
        }
        let bounds = contract.input_bounds();
        let fits = bounds
            .iter()
            .zip(circuit.input_ranges())
            .all(|(&(low, high), range)| range.contains(low) && range.contains(high));
        if bounds.len() != circuit.input_len() || !fits {
            return Err(contradiction("the contract's inputs are not the circuit's"));
        }
        let table = probability_table(&circuit)
            .ok_or_else(|| contradiction("the circuit has no exact score with a probability table on it"))?;
        Ok(Self {
            facts: ModelFacts {
                model_id: manifest.model_id.clone(),
                version: manifest.version.clone(),
                model_hash: bundle.model_hash(),
                security_counter: manifest.security_counter,
                parameter_hash: Digest(parameters.hash()),
                root_fingerprint: root.fingerprint(),
            },
            probability_scale: i64::try_from(contract.probability_scale())
                .map_err(|_overflow| contradiction("the probability's scale is too large"))?,
            table: table.clone(),
            contract,
            circuit,
            parameters,
            plan,
        })
    }

    fn keys(&self, secret: &[u8]) -> Result<SecretKeys, ModelFailure> {
        SecretKeys::from_bytes(&self.parameters, secret).map_err(|error| failure("reading keys", error))
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

fn failure(operation: &'static str, error: impl std::error::Error + Send + Sync + 'static) -> ModelFailure {
    let source = Box::new(error);
    ModelFailure { operation, source }
}

impl Model for TfheModel {
    fn facts(&self) -> &ModelFacts {
        &self.facts
    }

    fn contract(&self) -> ContractView {
        let contract = &self.contract;
        ContractView {
            model_id: contract.model_id().to_owned(),
            title: contract.title().to_owned(),
            intended_use: contract.intended_use().to_owned(),
            not_for: contract.not_for().to_owned(),
            warning: contract.warning().to_owned(),
            fields: contract.fields().iter().map(field_view).collect(),
        }
    }

    fn decision(&self, score: i64) -> DecisionText {
        let decision = self.contract.decision(score);
        DecisionText {
            label: decision.label.to_owned(),
            text: decision.text.to_owned(),
        }
    }

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

    fn generate(&self, progress: &mut dyn FnMut(u32, u32)) -> Result<NewKeys, ModelFailure> {
        let failed = |error: ClientError| failure("making keys", error);
        let keys = SecretKeys::generate(&self.parameters).map_err(failed)?;
        Ok(NewKeys {
            evaluation_keys: keys.evaluation_keys(progress).map_err(failed)?,
            secret: keys.to_bytes(),
        })
    }

    fn encrypt(&self, secret: &[u8], inputs: &[i64]) -> Result<Vec<u8>, ModelFailure> {
        let failed = |error: CircuitError| failure("encrypting", error);
        self.circuit.check_inputs(inputs).map_err(failed)?;
        let encrypted = self.keys(secret)?.encrypt(&self.plan, inputs);
        encrypted.map_err(|error| failure("encrypting", error))
    }

    fn decrypt(&self, secret: &[u8], answer: &[u8]) -> Result<Reading, ModelFailure> {
        let decrypted = self.keys(secret)?.decrypt(&self.plan, answer);
        let outputs = decrypted.map_err(|error| failure("decrypting", error))?;
        self.reading("decrypting", &outputs)
    }

    fn reference(&self, inputs: &[i64]) -> Result<Reading, ModelFailure> {
        let evaluated = self.circuit.evaluate(inputs);
        let outputs = evaluated.map_err(|error| failure("evaluating in the clear", error))?;
        self.reading("evaluating in the clear", &outputs)
    }

    fn bounds(&self, score: i64) -> (i64, TableBounds) {
        let entries = self.plan.table_error_entries();
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
