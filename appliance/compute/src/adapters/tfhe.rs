//! The TFHE realisation: the scheme `tfhe-1`.

use obscura_circuit::Circuit;
use obscura_fhe_core::{ParameterSet, Plan};
use obscura_fhe_server::{EvaluationKeys, ServerError, evaluation_bytes};

use crate::{
    domain::Progress,
    ports::{Control, Engine, EngineFault, Facts, NonConforming, OpenError, ReadFile},
};

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
            key_memory_bytes: EvaluationKeys::predicted_bytes(model.plan.parameters()),
            evaluation_bytes: evaluation_bytes(&model.plan, &model.circuit),
        }
    }

    fn layer_name<'m>(&self, model: &'m TfheModel, layer: usize) -> &'m str {
        model.circuit.layers().get(layer).map_or("", |layer| &layer.name)
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
        control: Control<'_>,
    ) -> Result<Vec<u8>, EngineFault> {
        let progress = |progress: obscura_fhe_server::Progress| {
            (control.progress)(Progress {
                layers_done: progress.layer,
                look_ups_done: progress.look_ups_done,
                layers: progress.layers,
                look_ups: progress.look_ups,
            });
        };
        let control = obscura_fhe_server::Control {
            progress: Some(&progress),
            cancel: Some(control.cancel),
            memory_bytes: Some(control.memory_bytes),
        };
        let evaluated = obscura_fhe_server::evaluate(&model.plan, &model.circuit, keys, item, &control);
        evaluated.map_err(|error| {
            // Says sizes and kinds only; a peer may cause it as often as it likes.
            tracing::debug!(%error, "no answer");
            match error {
                ServerError::Cancelled => EngineFault::Cancelled,
                ServerError::OutOfMemory { .. } => EngineFault::OutOfMemory,
                ServerError::Peer(_) => EngineFault::NonConforming,
                _ => EngineFault::Failed,
            }
        })
    }
}
