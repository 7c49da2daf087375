//! One record through our own client and server.

use std::time::Instant;

use obscura_circuit::{Circuit, Linear, Operation};
use obscura_fhe_client::SecretKeys;
use obscura_fhe_core::{ParameterSet, Plan};
use obscura_fhe_server::{Control, EvaluationKeys, evaluate};

use crate::{BenchError, timing::median_ms};

const CIRCUIT: &[u8] = include_bytes!("../../../../models/shipped/cardio-lr/payload/circuit.json");
const WEIGHTS: &[u8] = include_bytes!("../../../../models/shipped/cardio-lr/payload/weights.safetensors");
const PARAMETERS: &[u8] = include_bytes!("../../../../models/shipped/cardio-lr/payload/parameters.json");

const NO_LINEAR: BenchError = BenchError::NoLayer { kind: "linear layer" };

/// The shipped model, and one record for it.
pub(crate) struct Model {
    pub(crate) circuit: Circuit,
    pub(crate) parameters: ParameterSet,
    pub(crate) plan: Plan,
    /// Inputs within their declared ranges.
    pub(crate) inputs: Vec<i64>,
}

impl Model {
    pub(crate) fn load() -> Result<Self, BenchError> {
        let circuit = Circuit::from_parts(CIRCUIT, WEIGHTS)?;
        let parameters = ParameterSet::from_json(PARAMETERS)?;
        let plan = Plan::new(&circuit, &parameters)?;
        let inputs = circuit
            .input_ranges()
            .iter()
            .map(|range| (range.min + 2 * range.max) / 3)
            .collect();
        Ok(Self {
            circuit,
            parameters,
            plan,
            inputs,
        })
    }

    /// The layer that computes the score.
    pub(crate) fn linear(&self) -> Result<&Linear, BenchError> {
        let layers = self.circuit.layers().iter();
        let mut linears = layers.filter_map(|layer| match &layer.operation {
            Operation::Linear(linear) => Some(linear),
            _ => None,
        });
        linears.next().ok_or(NO_LINEAR)
    }

    /// The score in the clear.
    pub(crate) fn score(&self) -> Result<i64, BenchError> {
        let (row, bias) = self.linear()?.rows().next().ok_or(NO_LINEAR)?;
        Ok(row
            .iter()
            .zip(&self.inputs)
            .map(|(&w, &x)| i64::from(w) * x)
            .sum::<i64>()
            + bias)
    }
}

/// What was measured.
pub(crate) struct Figures {
    pub(crate) keygen_s: f64,
    pub(crate) load_keys_s: f64,
    pub(crate) encrypt_ms: f64,
    pub(crate) box_ms: f64,
    /// The same without the table look-up.
    pub(crate) score_only_ms: f64,
    pub(crate) decrypt_ms: f64,
    pub(crate) eval_key_memory_bytes: usize,
}

/// Measures everything a record needs.
///
/// # Errors
/// [`BenchError`], also when the decrypted score is wrong.
pub(crate) fn measure(model: &Model) -> Result<Figures, BenchError> {
    let generate = || {
        let secret = SecretKeys::generate(&model.parameters)?;
        let wire = secret.evaluation_keys(&mut |_, _| {})?;
        Ok::<_, BenchError>((secret, wire))
    };
    let (keygen_ms, (secret, wire)) = median_ms(1, 3, generate)?;
    let start = Instant::now();
    let keys = EvaluationKeys::from_bytes(&model.parameters, &wire)?;
    let load_keys_s = start.elapsed().as_secs_f64();

    let (encrypt_ms, item) = median_ms(3, 21, || secret.encrypt(&model.plan, &model.inputs))?;
    let (box_ms, answer) = median_ms(3, 31, || {
        evaluate(&model.plan, &model.circuit, &keys, &item, &Control::default())
    })?;
    let (decrypt_ms, outputs) = median_ms(3, 21, || secret.decrypt(&model.plan, &answer))?;

    let want = model.score()?;
    let got = outputs
        .iter()
        .find(|o| o.name == "score")
        .and_then(|o| o.values.first())
        .copied()
        .unwrap_or(0);
    if got != want {
        return Err(BenchError::WrongResult {
            who: "obscura",
            got,
            want,
        });
    }
    Ok(Figures {
        keygen_s: keygen_ms / 1e3,
        load_keys_s,
        encrypt_ms,
        box_ms,
        score_only_ms: score_only_ms(model, &secret, &keys)?,
        decrypt_ms,
        eval_key_memory_bytes: keys.memory_bytes(),
    })
}

/// The circuit cut after the score: what tfhe's integers compute, without the probability.
fn score_only_ms(model: &Model, secret: &SecretKeys, keys: &EvaluationKeys) -> Result<f64, BenchError> {
    let mut json: serde_json::Value = serde_json::from_slice(CIRCUIT).map_err(|_source| NO_LINEAR)?;
    if let Some(nodes) = json["nodes"].as_array_mut() {
        nodes.retain(|node| node["name"] != "probability");
    }
    let circuit = Circuit::from_parts(json.to_string().as_bytes(), WEIGHTS)?;
    let plan = Plan::new(&circuit, &model.parameters)?;
    let item = secret.encrypt(&plan, &model.inputs)?;
    Ok(median_ms(3, 31, || {
        evaluate(&plan, &circuit, keys, &item, &Control::default())
    })?
    .0)
}
