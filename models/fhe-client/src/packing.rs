//! Generation of the seeded packing key: what carries answers from the large to the packing secret.

use obscura_fhe_core::Packing;

use crate::{SecretKeys, rows::Rows};

/// Key bits per progress step.
const BITS_PER_STEP: usize = 512;

/// The key's rows, `[k N][levels]`, under the packing secret.
pub(crate) fn rows<'a>(keys: &'a SecretKeys, packing: &Packing) -> Rows<'a> {
    Rows {
        secret: keys.packing_bits(),
        polynomial_size: packing.polynomial_size,
        noise_log2: packing.noise_log2,
        bits: keys.large_bits(),
        per_bit: packing.levels as usize,
        bits_per_step: BITS_PER_STEP,
    }
}

/// Adds the message of one row: of level l (the finest first, as tfhe stores them) the constant
/// `bit * q / B^l`.
pub(crate) fn add_message(packing: &Packing, bit: u64, row: usize, body: &mut [u64]) {
    let level = packing.levels as usize - row;
    body[0] = body[0].wrapping_add(bit << (64 - packing.base_log2 as usize * level));
}

#[cfg(test)]
mod tests {
    use tfhe::core_crypto::prelude::{
        CiphertextModulus, DecompositionBaseLog, DecompositionLevelCount, GlweDimension, GlweSecretKey,
        PolynomialSize, SeededLwePackingKeyswitchKey,
    };

    use super::*;
    use crate::{
        entropy::to_tfhe,
        testing::{image_parameters, row_deviation},
    };
    use obscura_fhe_core::SeededKey;

    #[test]
    fn tfhe_decrypts_every_row_to_its_message_with_the_stated_noise() {
        let set = image_parameters();
        let packing = set.packing.as_ref().unwrap();
        let keys = SecretKeys::generate(&set).unwrap();
        let rows = Rows {
            bits: &keys.large_bits()[..200],
            bits_per_step: 77,
            ..rows(&keys, packing)
        };
        let message = |bit, row, body: &mut [u64]| add_message(packing, bit, row, body);
        let SeededKey { seed, bodies } = rows.encrypt(message, &mut || {}).unwrap();
        let expanded = SeededLwePackingKeyswitchKey::from_container(
            bodies,
            DecompositionBaseLog(packing.base_log2 as usize),
            DecompositionLevelCount(packing.levels as usize),
            GlweDimension(packing.glwe_dimension).to_glwe_size(),
            PolynomialSize(packing.polynomial_size),
            to_tfhe(&seed).into(),
            CiphertextModulus::new_native(),
        )
        .decompress_into_lwe_packing_keyswitch_key();
        let want = |index: usize| {
            let level = rows.per_bit - index % rows.per_bit;
            let mut want = vec![0; packing.polynomial_size];
            want[0] = rows.bits[index / rows.per_bit] << (64 - packing.base_log2 as usize * level);
            want
        };
        let secret =
            GlweSecretKey::from_container(keys.packing_bits(), PolynomialSize(packing.polynomial_size));
        let deviation = row_deviation(&secret, expanded.as_ref(), want) / packing.noise_log2.exp2();
        // 102,400 samples estimate a deviation to 0.2 %.
        assert!(
            (0.98..1.02).contains(&deviation),
            "{deviation} times the stated noise"
        );
    }
}
