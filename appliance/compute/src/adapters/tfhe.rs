//! The TFHE realisation: the scheme `tfhe-1`.

use obscura_circuit::Circuit;
use obscura_fhe_core::{ParameterSet, Plan};
use obscura_fhe_server::EvaluationKeys;

use crate::ports::{Engine, Facts, NonConforming, OpenError, ReadFile};

/// Name of the scheme in manifests.
const SCHEME: &str = "tfhe-1";

/// Evaluates circuits under TFHE.
#[derive(Clone, Copy, Debug, Default)]
pub struct TfheEngine;

/// A circuit and the plan of its encrypted evaluation.
#[derive(Debug)]
pub struct TfheModel {
    circuit: Circuit,
    plan: Plan,
}

impl Engine for TfheEngine {
    type Model = TfheModel;
    type Keys = EvaluationKeys;

    fn open(&self, scheme: &str, read: ReadFile<'_>) -> Result<TfheModel, OpenError> {
        if scheme != SCHEME {
            return Err(OpenError::UnknownScheme {
                scheme: scheme.to_owned(),
            });
        }
        let bad = |file| {
            move |source: Box<dyn std::error::Error + Send + Sync>| OpenError::BadFile { file, source }
        };
        let (graph, weights) = (read("circuit.json")?, read("weights.safetensors")?);
        let circuit = Circuit::from_parts(&graph, &weights).map_err(|e| bad("circuit.json")(e.into()))?;
        let parameters = ParameterSet::from_json(&read("parameters.json")?);
        let parameters = parameters.map_err(|e| bad("parameters.json")(e.into()))?;
        let plan = Plan::new(&circuit, &parameters).map_err(|e| bad("parameters.json")(e.into()))?;
        Ok(TfheModel { circuit, plan })
    }

    fn facts(&self, model: &TfheModel) -> Facts {
        Facts {
            parameter_hash: model.plan.parameters().hash(),
            request_bytes: model.plan.request_bytes(),
            key_bytes: model.plan.evaluation_key_bytes(),
        }
    }

    fn load_keys(&self, model: &TfheModel, bytes: &[u8]) -> Result<EvaluationKeys, NonConforming> {
        EvaluationKeys::from_bytes(model.plan.parameters(), bytes).map_err(|error| {
            tracing::debug!(%error, "keys refused");
            NonConforming
        })
    }

    fn key_memory_bytes(&self, keys: &EvaluationKeys) -> usize {
        keys.memory_bytes()
    }

    fn evaluate(
        &self,
        model: &TfheModel,
        keys: &EvaluationKeys,
        item: &[u8],
        progress: &mut dyn FnMut(u32, u32),
    ) -> Result<Vec<u8>, NonConforming> {
        obscura_fhe_server::evaluate(&model.plan, &model.circuit, keys, item, progress).map_err(|error| {
            tracing::debug!(%error, "item refused");
            NonConforming
        })
    }
}
