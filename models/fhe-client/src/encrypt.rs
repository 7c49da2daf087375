//! Encryption of a circuit's inputs.

use obscura_fhe_core::{Item, Plan};
use tfhe::core_crypto::prelude::{
    CiphertextModulus, GlweDimension, PlaintextList, PolynomialSize, SeededGlweCiphertext,
    encrypt_seeded_glwe_ciphertext,
};
use zeroize::Zeroizing;

use crate::{
    ClientError, SecretKeys,
    entropy::{OsSeeder, seed, to_tfhe},
    evaluation::gaussian,
};

impl SecretKeys {
    /// Encrypts the inputs of one item, `[input_len]` integers in the ranges the circuit declares.
    ///
    /// N inputs share one seeded GLWE ciphertext, input i in coefficient i mod N; only the bodies of used
    /// coefficients are kept. Each ciphertext has its own mask seed and its own noise seed.
    ///
    /// # Errors
    /// [`ClientError`]; never names an input's value.
    pub fn encrypt(&self, plan: &Plan, inputs: &[i64]) -> Result<Vec<u8>, ClientError> {
        let set = self.parameters();
        if plan.parameters() != set {
            return Err(ClientError::MisuseParameters);
        }
        let (got, want) = (inputs.len(), plan.input_len());
        if got != want {
            return Err(ClientError::MisuseInputCount { got, want });
        }
        let mut item = Item {
            seeds: Vec::new(),
            bodies: Vec::with_capacity(want),
        };
        for block in inputs.chunks(set.polynomial_size) {
            let mask_seed = seed()?;
            let mut plaintext = Zeroizing::new(vec![0_u64; set.polynomial_size]);
            for (word, &x) in plaintext.iter_mut().zip(block) {
                *word = plan.delta(0).wrapping_mul(x.cast_unsigned());
            }
            let mut ciphertext = SeededGlweCiphertext::new(
                0_u64,
                GlweDimension(set.glwe_dimension).to_glwe_size(),
                PolynomialSize(set.polynomial_size),
                to_tfhe(&mask_seed).into(),
                CiphertextModulus::new_native(),
            );
            encrypt_seeded_glwe_ciphertext(
                &self.large_glwe(),
                &mut ciphertext,
                &PlaintextList::from_container(plaintext.as_slice()),
                gaussian(set.glwe_noise_log2),
                &mut OsSeeder::new()?,
            );
            item.seeds.push(mask_seed);
            item.bodies.extend_from_slice(&ciphertext.as_ref()[..block.len()]);
        }
        Ok(item.to_bytes(plan))
    }
}
