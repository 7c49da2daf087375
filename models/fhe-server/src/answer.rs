//! The way out: outputs as the ciphertexts of an answer.

use obscura_fhe_core::{Answer, Packing, ParameterSet};
use tfhe::core_crypto::prelude::{
    CiphertextModulus, GlweCiphertext, GlweDimension, LweCiphertextList, LweDimension,
    LwePackingKeyswitchKeyOwned, PolynomialSize,
    par_keyswitch_lwe_ciphertext_list_and_pack_in_glwe_ciphertext,
};

use crate::EvaluationKeys;

/// The answer that holds `outputs`, `[elements][k N + 1]` words under the large secret, in the circuit's
/// order.
pub(crate) fn answer(keys: &EvaluationKeys, outputs: &[u64]) -> Answer {
    let set = keys.parameters();
    let size = set.large_dimension() + 1;
    let ciphertexts = match (&set.packing, keys.packing.as_ref()) {
        (Some(packing), Some(key)) => outputs
            .chunks(packing.polynomial_size * size)
            .map(|outputs| pack(set, packing, key, outputs))
            .collect(),
        _ => outputs.chunks_exact(size).map(<[u64]>::to_vec).collect(),
    };
    Answer { ciphertexts }
}

/// Switches up to N_p ciphertexts to the packing secret, element i in coefficient i; unused bodies are dropped.
fn pack(
    set: &ParameterSet,
    packing: &Packing,
    key: &LwePackingKeyswitchKeyOwned<u64>,
    outputs: &[u64],
) -> Vec<u64> {
    let modulus = CiphertextModulus::new_native();
    let large_size = LweDimension(set.large_dimension()).to_lwe_size();
    let list = LweCiphertextList::from_container(outputs, large_size, modulus);
    let glwe_size = GlweDimension(packing.glwe_dimension).to_glwe_size();
    let mut packed = GlweCiphertext::new(0_u64, glwe_size, PolynomialSize(packing.polynomial_size), modulus);
    par_keyswitch_lwe_ciphertext_list_and_pack_in_glwe_ciphertext(key, &list, &mut packed);
    let mut words = packed.into_container();
    words.truncate(packing.dimension() + outputs.len() / large_size.0);
    words
}
