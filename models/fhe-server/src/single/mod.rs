//! Evaluation one ciphertext at a time: uniform binary small secret, 64-bit words, tfhe's own key switch and
//! rotation.

mod linear;
mod table;
mod transform;

use obscura_circuit::{Circuit, Operation};
use obscura_fhe_core::{Item, ParameterSet, Plan};
use tfhe::core_crypto::prelude::{
    DecompositionBaseLog, DecompositionLevelCount, FourierLweBootstrapKeyOwned, GlweDimension, LweDimension,
    LweKeyswitchKeyOwned, PolynomialSize, par_convert_standard_lwe_bootstrap_key_to_fourier,
};

use crate::{
    ServerError,
    control::Watch,
    input::expand,
    keys::{Seeded, expand_bootstrap, expand_key_switch},
};
use linear::Tensor;

/// The key switch in the standard domain, the bootstrap in the Fourier domain.
pub(crate) struct SingleKeys {
    parameters: ParameterSet,
    key_switch: LweKeyswitchKeyOwned<u64>,
    bootstrap: FourierLweBootstrapKeyOwned,
}

impl SingleKeys {
    pub(crate) fn new(set: &ParameterSet, key_switch: Seeded, bootstrap: Seeded) -> Self {
        transform::fix_plan(set.polynomial_size);
        let key_switch = expand_key_switch(set, key_switch);
        let standard = expand_bootstrap(set, bootstrap);
        let mut bootstrap = FourierLweBootstrapKeyOwned::new(
            LweDimension(set.lwe_dimension),
            GlweDimension(set.glwe_dimension).to_glwe_size(),
            PolynomialSize(set.polynomial_size),
            DecompositionBaseLog(set.rotation_base_log2 as usize),
            DecompositionLevelCount(set.rotation_levels as usize),
        );
        par_convert_standard_lwe_bootstrap_key_to_fourier(&standard, &mut bootstrap);
        Self {
            parameters: set.clone(),
            key_switch,
            bootstrap,
        }
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        size_of_val(self.key_switch.as_ref()) + size_of_val(self.bootstrap.as_view().data())
    }

    pub(crate) fn predicted_bytes(set: &ParameterSet) -> usize {
        let key_switch = set.large_dimension() * set.key_switch_levels as usize * (set.lwe_dimension + 1);
        let matrix = (set.glwe_dimension + 1).pow(2) * set.rotation_levels as usize;
        let bootstrap = set.lwe_dimension * matrix * set.polynomial_size;
        (key_switch + bootstrap) * size_of::<u64>()
    }
}

/// Predicted memory of an evaluation: all tensors, and the outputs once more.
pub(crate) fn evaluation_bytes(plan: &Plan, circuit: &Circuit) -> usize {
    let tensors = 0..=circuit.layers().len();
    let elements: usize = tensors.map(|tensor| circuit.reach(tensor).len()).sum();
    (elements + plan.output_len()) * (plan.parameters().large_dimension() + 1) * size_of::<u64>()
}

/// The words of all outputs, in the circuit's order.
pub(crate) fn evaluate(
    plan: &Plan,
    circuit: &Circuit,
    keys: &SingleKeys,
    item: &Item,
    watch: &Watch<'_>,
) -> Result<Vec<u64>, ServerError> {
    let set = plan.parameters();
    let size = set.large_dimension() + 1;
    let mut words = vec![0; plan.input_len() * size];
    expand(set, item, &mut words, |word| word);
    let mut tensors = vec![Tensor::new(size, words)];
    for (index, layer) in circuit.layers().iter().enumerate() {
        watch.check()?;
        let x = tensors.get(layer.reads).ok_or(ServerError::MisusePlan)?;
        let y = match (&layer.operation, plan.table(index)) {
            (Operation::Lut(lut), Some(table)) => table::apply(lut, table, x, keys, watch)?,
            (Operation::Lut(_), None) => return Err(ServerError::MisusePlan),
            (Operation::SumPool(pool), _) => linear::sum(pool, x),
            (operation, _) => match operation.dense() {
                Some(dense) => linear::apply(dense, x, plan.delta(index + 1)),
                None => return Err(ServerError::MisusePlan),
            },
        };
        tensors.push(y);
        watch.finished(1);
    }
    let outputs = plan.outputs().iter().map(|o| tensors.get(o.reads));
    let outputs: Option<Vec<&Tensor>> = outputs.collect();
    let outputs = outputs.ok_or(ServerError::MisusePlan)?;
    Ok(outputs.into_iter().flat_map(Tensor::words).copied().collect())
}
