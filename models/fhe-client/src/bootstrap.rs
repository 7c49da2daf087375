//! Generation of the seeded bootstrapping key: GGSW ciphertexts of the small secret's bits.

use obscura_fhe_core::ParameterSet;

use crate::{SecretKeys, rows::Rows};

/// Key bits per progress step.
const BITS_PER_STEP: usize = 50;

/// The key's rows, `[n][levels][k + 1]`, under the large secret.
pub(crate) fn rows<'a>(keys: &'a SecretKeys, set: &ParameterSet) -> Rows<'a> {
    Rows {
        secret: keys.large_bits(),
        polynomial_size: set.polynomial_size,
        noise_log2: set.glwe_noise_log2,
        bits: keys.small_bits(),
        per_bit: set.rotation_levels as usize * (set.glwe_dimension + 1),
        bits_per_step: BITS_PER_STEP,
    }
}

/// Adds the message of one row of the GGSW ciphertext of `bit`.
///
/// Row r of level l (the finest level first, as tfhe stores them) encrypts, with q / B^l the weight of the
/// level: for r < k the polynomial `-bit * S_r * q / B^l`, for r = k the constant `bit * q / B^l`.
pub(crate) fn add_message(keys: &SecretKeys, set: &ParameterSet, bit: u64, row: usize, body: &mut [u64]) {
    let rows = set.glwe_dimension + 1;
    let level = set.rotation_levels as usize - row / rows;
    let weight = bit << (64 - set.rotation_base_log2 as usize * level);
    match keys.large_bits().chunks_exact(body.len()).nth(row % rows) {
        Some(secret) => {
            for (b, &s) in body.iter_mut().zip(secret) {
                *b = b.wrapping_sub(weight.wrapping_mul(s));
            }
        }
        None => body[0] = body[0].wrapping_add(weight),
    }
}

#[cfg(test)]
mod tests {
    use tfhe::core_crypto::prelude::{
        CiphertextModulus, DecompositionBaseLog, DecompositionLevelCount, GlweDimension, PolynomialSize,
        SeededLweBootstrapKey,
    };

    use super::*;
    use crate::{
        entropy::to_tfhe,
        testing::{image_parameters, parameters, row_deviation},
    };
    use obscura_fhe_core::SeededKey;

    /// Deviation of what tfhe decrypts from what should be there, in stated deviations.
    fn measured_deviation(set: &ParameterSet) -> f64 {
        let keys = SecretKeys::generate(set).unwrap();
        let rows = Rows {
            bits: &keys.small_bits()[..16],
            bits_per_step: 5,
            ..rows(&keys, set)
        };
        let message = |bit, row, body: &mut [u64]| add_message(&keys, set, bit, row, body);
        let SeededKey { seed, bodies } = rows.encrypt(message, &mut || {}).unwrap();
        let expanded = SeededLweBootstrapKey::from_container(
            bodies,
            GlweDimension(set.glwe_dimension).to_glwe_size(),
            PolynomialSize(set.polynomial_size),
            DecompositionBaseLog(set.rotation_base_log2 as usize),
            DecompositionLevelCount(set.rotation_levels as usize),
            to_tfhe(&seed).into(),
            CiphertextModulus::new_native(),
        )
        .decompress_into_lwe_bootstrap_key();
        let (size, glwe) = (set.polynomial_size, set.glwe_dimension + 1);
        let want = |index: usize| {
            let (bit, row) = (index / rows.per_bit, index % rows.per_bit);
            let level = set.rotation_levels as usize - row / glwe;
            let weight = rows.bits[bit] << (64 - set.rotation_base_log2 as usize * level);
            let mut want = vec![0; size];
            match keys.large_bits().chunks_exact(size).nth(row % glwe) {
                Some(secret) => want
                    .iter_mut()
                    .zip(secret)
                    .for_each(|(w, s)| *w = weight.wrapping_mul(*s).wrapping_neg()),
                None => want[0] = weight,
            }
            want
        };
        row_deviation(&keys.large_glwe(), expanded.as_ref(), want) / set.glwe_noise_log2.exp2()
    }

    #[test]
    fn tfhe_decrypts_every_row_to_its_message_with_the_stated_noise() {
        for set in [parameters(), image_parameters()] {
            let deviation = measured_deviation(&set);
            // At least 98,304 samples estimate a deviation to 0.25 %.
            assert!(
                (0.98..1.02).contains(&deviation),
                "{}: {deviation} times the stated noise",
                set.name
            );
        }
    }
}
