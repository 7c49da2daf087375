//! The TFHE realisation: the scheme `tfhe-1`.

use obscura_circuit::Circuit;
use obscura_fhe_core::{ParameterSet, Plan};
use obscura_fhe_server::EvaluationKeys;

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
            key_memory_bytes: key_memory_bytes(model.plan.parameters()),
            evaluation_bytes: evaluation_bytes(model),
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
        let mut progress = |layers_done, layers| {
            (control.progress)(Progress {
                layers_done,
                layers,
                ..Progress::default()
            });
        };
        let evaluated = obscura_fhe_server::evaluate(&model.plan, &model.circuit, keys, item, &mut progress);
        evaluated.map_err(|error| {
            tracing::debug!(%error, "item refused");
            EngineFault::NonConforming
        })
    }
}

/// Key switch and bootstrap, expanded.
fn key_memory_bytes(set: &ParameterSet) -> usize {
    let key_switch = set.large_dimension() * set.key_switch_levels as usize * (set.lwe_dimension + 1);
    let matrix = (set.glwe_dimension + 1).pow(2) * set.rotation_levels as usize;
    let bootstrap = set.lwe_dimension * matrix * set.polynomial_size;
    (key_switch + bootstrap) * size_of::<u64>()
}

/// One ciphertext per element of every tensor.
fn evaluation_bytes(model: &TfheModel) -> usize {
    let tensors = 0..=model.circuit.layers().len();
    let elements: usize = tensors.map(|tensor| model.circuit.reach(tensor).len()).sum();
    elements * (model.plan.parameters().large_dimension() + 1) * size_of::<u64>()
}
