//! Evaluation of a circuit on one encrypted item.

use obscura_circuit::{Circuit, Operation};
use obscura_fhe_core::{Answer, Item, Plan};
use tfhe::core_crypto::prelude::{
    CiphertextModulus, GlweDimension, LweCiphertext, LweDimension, MonomialDegree, SeededGlweCiphertext,
    extract_lwe_sample_from_glwe_ciphertext,
};

use crate::{
    EvaluationKeys, ServerError,
    keys::mask_seed,
    linear::{self, Tensor},
    table,
};

/// Evaluates `circuit` under `plan`, which must have been made from it, on one encrypted item.
///
/// `progress` hears layers done and layers in all, from 0 to all. The answer's bytes are those of
/// [`Answer`].
///
/// # Errors
/// [`ServerError`] when item or keys are not of the plan's parameters.
pub fn evaluate(
    plan: &Plan,
    circuit: &Circuit,
    keys: &EvaluationKeys,
    item: &[u8],
    progress: &mut dyn FnMut(u32, u32),
) -> Result<Vec<u8>, ServerError> {
    if keys.parameters() != plan.parameters() {
        return Err(ServerError::PeerParameters);
    }
    let item = Item::from_bytes(plan, item)?;
    let layers = u32::try_from(circuit.layers().len()).unwrap_or(u32::MAX);
    progress(0, layers);
    let mut tensors = vec![expand(plan, &item)];
    for ((index, layer), done) in circuit.layers().iter().enumerate().zip(1..) {
        let x = &tensors[layer.reads];
        let y = match (&layer.operation, plan.table(index)) {
            (Operation::Linear(linear), _) => linear::apply(linear, x, plan.delta(index + 1)),
            (Operation::Lut(lut), Some(table)) => table::apply(lut, table, x, keys),
            (Operation::Lut(_), None) => return Err(ServerError::PeerParameters),
        };
        tensors.push(y);
        progress(done, layers);
    }
    let outputs = plan.outputs().iter().flat_map(|o| tensors[o.reads].ciphertexts());
    let answer = Answer {
        ciphertexts: outputs.map(<[u64]>::to_vec).collect(),
    };
    Ok(answer.to_bytes(plan))
}

/// Expands the seeded inputs into one LWE ciphertext each.
fn expand(plan: &Plan, item: &Item) -> Tensor {
    let set = plan.parameters();
    let size = set.large_dimension() + 1;
    let mut words = Vec::with_capacity(plan.input_len() * size);
    for (bodies, seed) in item.bodies.chunks(set.polynomial_size).zip(&item.seeds) {
        let mut padded = bodies.to_vec();
        padded.resize(set.polynomial_size, 0);
        let ciphertext = SeededGlweCiphertext::from_container(
            padded,
            GlweDimension(set.glwe_dimension).to_glwe_size(),
            mask_seed(seed),
            CiphertextModulus::new_native(),
        )
        .decompress_into_glwe_ciphertext();
        for coefficient in 0..bodies.len() {
            let large_size = LweDimension(set.large_dimension()).to_lwe_size();
            let mut sample = LweCiphertext::new(0_u64, large_size, CiphertextModulus::new_native());
            extract_lwe_sample_from_glwe_ciphertext(&ciphertext, &mut sample, MonomialDegree(coefficient));
            words.extend_from_slice(sample.as_ref());
        }
    }
    Tensor::new(size, words)
}
