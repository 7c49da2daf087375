//! The shipped parameters and what tests of several modules share.

use obscura_fhe_core::ParameterSet;
use tfhe::core_crypto::prelude::{
    CiphertextModulus, GlweCiphertext, GlweSecretKey, PlaintextCount, PlaintextList, decrypt_glwe_ciphertext,
};

pub(crate) fn parameters() -> ParameterSet {
    let json = include_bytes!("../../fhe-core/parameters/record-2048.json");
    ParameterSet::from_json(json).unwrap()
}

/// Root mean square, in units of the torus, of what tfhe decrypts from GLWE ciphertexts standing side by
/// side, less what `want` says of each.
pub(crate) fn row_deviation(
    secret: &GlweSecretKey<&[u64]>,
    ciphertexts: &[u64],
    want: impl Fn(usize) -> Vec<u64>,
) -> f64 {
    let size = secret.polynomial_size();
    let (mut squares, mut count) = (0.0, 0.0);
    for (index, ciphertext) in ciphertexts
        .chunks(secret.glwe_dimension().to_glwe_size().0 * size.0)
        .enumerate()
    {
        let ciphertext = GlweCiphertext::from_container(ciphertext, size, CiphertextModulus::new_native());
        let mut phase = PlaintextList::new(0_u64, PlaintextCount(size.0));
        decrypt_glwe_ciphertext(secret, &ciphertext, &mut phase);
        for (got, want) in phase.as_ref().iter().zip(want(index)) {
            #[expect(clippy::cast_precision_loss, reason = "a small difference")]
            let error = got.wrapping_sub(want).cast_signed() as f64 * (-64.0_f64).exp2();
            squares += error * error;
            count += 1.0;
        }
    }
    f64::sqrt(squares / count)
}

pub(crate) fn image_parameters() -> ParameterSet {
    let json = include_bytes!("../../fhe-core/parameters/image-1024.json");
    ParameterSet::from_json(json).unwrap()
}
