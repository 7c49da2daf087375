//! Expansion of an encrypted item into one ciphertext per input.

use obscura_fhe_core::{Item, ParameterSet, SEED_BYTES};
use rayon::prelude::*;
use tfhe::core_crypto::prelude::{
    CiphertextModulus, GlweCiphertextOwned, GlweDimension, LweCiphertext, LweDimension, MonomialDegree,
    SeededGlweCiphertext, extract_lwe_sample_from_glwe_ciphertext,
};

use crate::keys::mask_seed;

/// Writes the LWE ciphertexts of the item's inputs, of 64-bit words under the large secret, to `out`,
/// `[inputs][k N + 1]`, each word through `word`.
pub(crate) fn expand<W: Send>(
    set: &ParameterSet,
    item: &Item,
    out: &mut [W],
    word: impl Fn(u64) -> W + Sync,
) {
    let size = set.large_dimension() + 1;
    let blocks = item.bodies.chunks(set.polynomial_size).zip(&item.seeds);
    for ((bodies, seed), out) in blocks.zip(out.chunks_mut(set.polynomial_size * size)) {
        let ciphertext = decompress(set, bodies, seed);
        out.par_chunks_exact_mut(size)
            .enumerate()
            .for_each(|(coefficient, out)| {
                let large_size = LweDimension(set.large_dimension()).to_lwe_size();
                let mut sample = LweCiphertext::new(0_u64, large_size, CiphertextModulus::new_native());
                extract_lwe_sample_from_glwe_ciphertext(
                    &ciphertext,
                    &mut sample,
                    MonomialDegree(coefficient),
                );
                for (out, &sample) in out.iter_mut().zip(sample.as_ref()) {
                    *out = word(sample);
                }
            });
    }
}

fn decompress(set: &ParameterSet, bodies: &[u64], seed: &[u8; SEED_BYTES]) -> GlweCiphertextOwned<u64> {
    let mut padded = bodies.to_vec();
    padded.resize(set.polynomial_size, 0);
    SeededGlweCiphertext::from_container(
        padded,
        GlweDimension(set.glwe_dimension).to_glwe_size(),
        mask_seed(seed),
        CiphertextModulus::new_native(),
    )
    .decompress_into_glwe_ciphertext()
}
