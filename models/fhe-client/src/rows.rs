//! Bodies of seeded lists of GLWE ciphertexts, the shape of bootstrapping and packing keys.
//!
//! The lists are tfhe's: masks are what tfhe expands from the seed, bodies stand in tfhe's order. Only the
//! bodies are computed here, because tfhe multiplies polynomials on one path for all shapes, and that took
//! half of the time a person waits for new keys.

use obscura_fhe_core::SeededKey;
use rayon::prelude::*;
use tfhe::core_crypto::{
    commons::math::random::{RandomGenerator, Seed},
    prelude::DefaultRandomGenerator,
    seeders::Seeder as _,
};
use zeroize::Zeroizing;

use crate::{
    ClientError,
    entropy::{OsSeeder, seed, to_tfhe},
    product::add_product,
};

/// How the rows of a key are encrypted: all of them under one secret, so many per bit of another.
pub(crate) struct Rows<'a> {
    /// The encrypting secret, `[k][N]` bits.
    pub(crate) secret: &'a [u64],
    /// N, a multiple of eight.
    pub(crate) polynomial_size: usize,
    /// log2 of the noise's standard deviation, in units of the torus.
    pub(crate) noise_log2: f64,
    /// The encrypted secret.
    pub(crate) bits: &'a [u64],
    /// Rows per encrypted bit.
    pub(crate) per_bit: usize,
    /// Encrypted bits per progress step.
    pub(crate) bits_per_step: usize,
}

impl Rows<'_> {
    /// Progress steps of [`Self::encrypt`].
    pub(crate) fn steps(&self) -> u32 {
        u32::try_from(self.bits.len().div_ceil(self.bits_per_step)).unwrap_or(u32::MAX)
    }

    /// A fresh list, bodies `[bits][rows per bit][N]`.
    ///
    /// `add_message(bit, row, body)` adds the message of one row, `row` counting from 0 for each bit;
    /// `progress` hears of every step done.
    ///
    /// # Errors
    /// [`ClientError::DeviceEntropy`].
    pub(crate) fn encrypt(
        &self,
        add_message: impl Fn(u64, usize, &mut [u64]) + Sync,
        progress: &mut dyn FnMut(),
    ) -> Result<SeededKey, ClientError> {
        let mask_seed = seed()?;
        let mut masks = RandomGenerator::<DefaultRandomGenerator>::new(to_tfhe(&mask_seed));
        let mut seeder = OsSeeder::new()?;
        let bodies_per_bit = self.per_bit * self.polynomial_size;
        let mut bodies = vec![0_u64; self.bits.len() * bodies_per_bit];
        let steps = bodies
            .chunks_mut(self.bits_per_step * bodies_per_bit)
            .zip(self.bits.chunks(self.bits_per_step));
        for (bodies, bits) in steps {
            // Noise of each bit has a seed of its own, drawn apart from the masks' seed.
            let noises = Zeroizing::new(bits.iter().map(|_| seeder.seed().0).collect::<Vec<_>>());
            let mask_bytes = self.per_bit * size_of_val(self.secret);
            let masks = masks
                .par_try_fork(bits.len(), mask_bytes)
                .expect("a fresh generator holds 2^132 bytes, and every child takes some");
            bodies
                .par_chunks_mut(bodies_per_bit)
                .zip(bits)
                .zip(masks.zip(noises.par_iter()))
                .for_each(|((bodies, &bit), (masks, &noise))| {
                    self.encrypt_bit(
                        bit,
                        bodies,
                        &add_message,
                        masks,
                        RandomGenerator::new(Seed(noise)),
                    );
                });
            progress();
        }
        Ok(SeededKey {
            seed: mask_seed,
            bodies,
        })
    }

    /// Fills in the bodies of one bit's rows, each noise plus message plus mask times secret.
    fn encrypt_bit(
        &self,
        bit: u64,
        bodies: &mut [u64],
        add_message: &(impl Fn(u64, usize, &mut [u64]) + Sync),
        mut masks: RandomGenerator<DefaultRandomGenerator>,
        mut noise: RandomGenerator<DefaultRandomGenerator>,
    ) {
        let size = self.polynomial_size;
        let mut mask = vec![0_u64; self.secret.len()];
        for (row, body) in bodies.chunks_exact_mut(size).enumerate() {
            masks.fill_slice_with_random_uniform(&mut mask);
            noise.fill_slice_with_random_gaussian(body, 0.0, self.noise_log2.exp2());
            add_message(bit, row, body);
            for (mask, secret) in mask.chunks_exact(size).zip(self.secret.chunks_exact(size)) {
                add_product(body, mask, secret);
            }
        }
    }
}
