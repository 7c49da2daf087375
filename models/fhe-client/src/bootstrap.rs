//! Generation of the seeded bootstrapping key.
//!
//! The key is tfhe's: its masks are what tfhe expands from the seed, its bodies stand in tfhe's order. Only
//! the bodies are computed here, because tfhe multiplies polynomials on one path for all shapes, and that
//! took half of the time a person waits for new keys.

use obscura_fhe_core::ParameterSet;
use rayon::prelude::*;
use tfhe::core_crypto::{
    commons::math::random::RandomGenerator,
    prelude::{
        CiphertextModulus, DecompositionBaseLog, DecompositionLevelCount, DefaultRandomGenerator,
        GlweDimension, LweDimension, PolynomialSize, SeededLweBootstrapKey,
    },
    seeders::Seeder as _,
};
use zeroize::Zeroizing;

use crate::{
    ClientError, SecretKeys,
    entropy::{OsSeeder, seed, to_tfhe},
    evaluation::gaussian,
    product::add_product,
};

/// Key bits per progress step.
const CHUNK: usize = 50;

/// Progress steps of [`generate`].
pub(crate) fn steps(set: &ParameterSet) -> u32 {
    u32::try_from(set.lwe_dimension.div_ceil(CHUNK)).unwrap_or(u32::MAX)
}

/// The mask seed and the bodies `[n][levels][k + 1][N]` of a fresh bootstrapping key.
///
/// # Errors
/// [`ClientError::DeviceEntropy`].
pub(crate) fn generate(
    keys: &SecretKeys,
    set: &ParameterSet,
    progress: &mut dyn FnMut(u32),
) -> Result<([u8; 16], Vec<u64>), ClientError> {
    let mask_seed = seed()?;
    let expanded = masks(set, &mask_seed);
    let masks_per_bit = set.rotation_levels as usize * (set.glwe_dimension + 1) * set.large_glwe_words();
    let bodies_per_bit = masks_per_bit / (set.glwe_dimension + 1);
    let mut bodies = vec![0_u64; set.lwe_dimension * bodies_per_bit];
    let mut seeder = OsSeeder::new()?;
    let chunks = bodies
        .chunks_mut(CHUNK * bodies_per_bit)
        .zip(expanded.chunks(CHUNK * masks_per_bit));
    for ((bodies, masks), (chunk, done)) in chunks.zip((0..).zip(1..)) {
        let bits = &keys.small_bits()[chunk * CHUNK..];
        // Noise of each key bit has a seed of its own, drawn apart from the masks' seed.
        let noise_seeds: Vec<_> = bits.iter().take(CHUNK).map(|_| seeder.seed()).collect();
        bodies
            .par_chunks_mut(bodies_per_bit)
            .zip(masks.par_chunks(masks_per_bit))
            .zip(bits.par_iter().zip(noise_seeds))
            .for_each(|((bodies, masks), (&bit, noise_seed))| {
                encrypt_bit(
                    keys,
                    set,
                    bit,
                    masks,
                    bodies,
                    &mut RandomGenerator::new(noise_seed),
                );
            });
        progress(done);
    }
    Ok((mask_seed, bodies))
}

/// What tfhe expands a key with zero bodies to: `[n][levels][k + 1][k + 1][N]`, the last polynomial zero.
fn masks(set: &ParameterSet, mask_seed: &[u8; 16]) -> Vec<u64> {
    SeededLweBootstrapKey::new(
        0_u64,
        GlweDimension(set.glwe_dimension).to_glwe_size(),
        PolynomialSize(set.polynomial_size),
        DecompositionBaseLog(set.rotation_base_log2 as usize),
        DecompositionLevelCount(set.rotation_levels as usize),
        LweDimension(set.lwe_dimension),
        to_tfhe(mask_seed).into(),
        CiphertextModulus::new_native(),
    )
    .par_decompress_into_lwe_bootstrap_key()
    .into_container()
}

/// Fills in the bodies of the GGSW ciphertext of one key bit.
///
/// Row r of level l (the finest level first, as tfhe stores them) encrypts, with q / B^l the weight of the
/// level: for r < k the polynomial `-bit * S_r * q / B^l`, for r = k the constant `bit * q / B^l`.
fn encrypt_bit(
    keys: &SecretKeys,
    set: &ParameterSet,
    bit: u64,
    masks: &[u64],
    bodies: &mut [u64],
    noise: &mut RandomGenerator<DefaultRandomGenerator>,
) {
    let (size, rows) = (set.polynomial_size, set.glwe_dimension + 1);
    let secrets = || keys.large_bits().chunks_exact(size);
    let mut errors = Zeroizing::new(vec![0_u64; size]);
    let rows_of_levels = bodies
        .chunks_exact_mut(size)
        .zip(masks.chunks_exact(set.large_glwe_words()));
    for (index, (body, mask)) in rows_of_levels.enumerate() {
        let level = set.rotation_levels as usize - index / rows;
        let weight = bit << (64 - set.rotation_base_log2 as usize * level);
        noise.fill_slice_with_random_from_distribution_custom_mod(
            &mut errors,
            gaussian(set.glwe_noise_log2),
            CiphertextModulus::new_native(),
        );
        body.copy_from_slice(&errors);
        match secrets().nth(index % rows) {
            Some(secret) => {
                for (b, &s) in body.iter_mut().zip(secret) {
                    *b = b.wrapping_sub(weight.wrapping_mul(s));
                }
            }
            None => body[0] = body[0].wrapping_add(weight),
        }
        for (mask, secret) in mask.chunks_exact(size).zip(secrets()) {
            add_product(body, mask, secret);
        }
    }
}

#[cfg(test)]
mod tests {
    use tfhe::core_crypto::prelude::{
        GlweCiphertext, PlaintextCount, PlaintextList, decrypt_glwe_ciphertext,
    };

    use super::*;
    use crate::testing::parameters;

    /// Deviation, in torus units, of what tfhe decrypts from what should be there, over the given key bits.
    fn measured_deviation(keys: &SecretKeys, set: &ParameterSet, bits: std::ops::Range<usize>) -> f64 {
        let (mask_seed, bodies) = generate(keys, set, &mut |_| {}).unwrap();
        let mut key = masks(set, &mask_seed);
        let (size, glwe, rows) = (
            set.polynomial_size,
            set.large_glwe_words(),
            set.glwe_dimension + 1,
        );
        let levels = set.rotation_levels as usize;
        let mut squares = (0.0, 0.0);
        for bit in bits {
            for row in 0..levels * rows {
                let index = bit * levels * rows + row;
                let ciphertext = &mut key[index * glwe..][..glwe];
                ciphertext[glwe - size..].copy_from_slice(&bodies[index * size..][..size]);
                let ciphertext = GlweCiphertext::from_container(
                    &*ciphertext,
                    PolynomialSize(size),
                    CiphertextModulus::new_native(),
                );
                let mut phase = PlaintextList::new(0_u64, PlaintextCount(size));
                decrypt_glwe_ciphertext(&keys.large_glwe(), &ciphertext, &mut phase);
                let weight =
                    keys.small_bits()[bit] << (64 - set.rotation_base_log2 as usize * (levels - row / rows));
                for (i, &got) in phase.as_ref().iter().enumerate() {
                    let want = match keys.large_bits().chunks_exact(size).nth(row % rows) {
                        Some(secret) => weight.wrapping_mul(secret[i]).wrapping_neg(),
                        None if i == 0 => weight,
                        None => 0,
                    };
                    #[expect(clippy::cast_precision_loss, reason = "a small difference")]
                    let error = got.wrapping_sub(want).cast_signed() as f64 * (-64.0_f64).exp2();
                    squares = (squares.0 + error * error, squares.1 + 1.0);
                }
            }
        }
        (squares.0 / squares.1).sqrt()
    }

    #[test]
    fn tfhe_decrypts_every_row_to_its_message_with_the_stated_noise() {
        let set = parameters();
        let keys = SecretKeys::generate(&set).unwrap();
        let deviation = measured_deviation(&keys, &set, 880..900) / set.glwe_noise_log2.exp2();
        // 163,840 samples estimate a deviation to 0.2 %.
        assert!(
            (0.98..1.02).contains(&deviation),
            "{deviation} times the stated noise"
        );
    }
}
