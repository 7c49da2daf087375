//! Decryption of an answer.

use obscura_circuit::Output;
use obscura_fhe_core::{Answer, Plan};
use zeroize::Zeroizing;

use crate::{ClientError, SecretKeys};

impl SecretKeys {
    /// Decrypts an answer: per output of the circuit its name, kind and integers.
    ///
    /// # Errors
    /// [`ClientError`] unless the bytes are exactly an answer of this plan.
    pub fn decrypt(&self, plan: &Plan, answer: &[u8]) -> Result<Vec<Output>, ClientError> {
        if plan.parameters() != self.parameters() {
            return Err(ClientError::MisuseParameters);
        }
        let answer = Answer::from_bytes(plan, answer)?;
        let mut ciphertexts = answer.ciphertexts.iter();
        let output = |o: &obscura_fhe_core::OutputPlan| Output {
            name: o.name.to_string(),
            values: ciphertexts
                .by_ref()
                .take(o.len)
                .map(|c| o.decode(*self.phase(c)))
                .collect(),
            kind: o.kind,
        };
        Ok(plan.outputs().iter().map(output).collect())
    }

    /// Body minus the scalar product of mask and secret.
    fn phase(&self, ciphertext: &[u64]) -> Zeroizing<u64> {
        let (mask, body) = ciphertext.split_at(self.large_bits().len());
        let products = mask
            .iter()
            .zip(self.large_bits())
            .map(|(&a, &s)| a.wrapping_mul(s));
        let body = body.first().copied().unwrap_or_default();
        Zeroizing::new(products.fold(body, u64::wrapping_sub))
    }
}
