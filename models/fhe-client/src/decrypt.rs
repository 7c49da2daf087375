//! Decryption of an answer.

use obscura_circuit::Output;
use obscura_fhe_core::{Answer, Plan};
use zeroize::Zeroizing;

use crate::{ClientError, SecretKeys, product::add_product};

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
        let count = plan.output_len();
        let phases = self.phases(&answer, count)?;
        let mut phases = phases.iter();
        let output = |o: &obscura_fhe_core::OutputPlan| Output {
            name: o.name.to_string(),
            values: phases.by_ref().take(o.len).map(|&p| o.decode(p)).collect(),
            kind: o.kind,
        };
        Ok(plan.outputs().iter().map(output).collect())
    }

    /// The phases of all `count` elements of an answer, one after the other.
    fn phases(&self, answer: &Answer, count: usize) -> Result<Zeroizing<Vec<u64>>, ClientError> {
        // Of full size at once, because growing would leave copies behind.
        let mut phases = Zeroizing::new(Vec::with_capacity(count));
        for ciphertext in &answer.ciphertexts {
            if let Some(packing) = &self.parameters().packing {
                let of_one = glwe_phases(self.packing_bits(), packing.polynomial_size, ciphertext);
                phases.extend_from_slice(&of_one.ok_or(ClientError::MisuseCiphertext)?);
            } else {
                let phase = lwe_phase(self.large_bits(), ciphertext.iter().copied());
                phases.push(phase.ok_or(ClientError::MisuseCiphertext)?);
            }
        }
        Ok(phases)
    }
}

/// Bodies minus the products of masks and secret polynomials of `size` coefficients, modulo X^size + 1: as
/// many phases as there are bodies, 1 to `size`. `None` for any other length.
pub(crate) fn glwe_phases(secret: &[u64], size: usize, ciphertext: &[u64]) -> Option<Zeroizing<Vec<u64>>> {
    let (mask, bodies) = ciphertext.split_at_checked(secret.len())?;
    if !(1..=size).contains(&bodies.len()) {
        return None;
    }
    let mut phases = Zeroizing::new(vec![0_u64; size]);
    for (mask, secret) in mask.chunks_exact(size).zip(secret.chunks_exact(size)) {
        add_product(&mut phases, mask, secret);
    }
    phases.truncate(bodies.len());
    for (phase, body) in phases.iter_mut().zip(bodies) {
        *phase = body.wrapping_sub(*phase);
    }
    Some(phases)
}

/// The body, which is the last word, minus the scalar product of mask and secret. `None` for any other
/// length.
pub(crate) fn lwe_phase(
    secret: &[u64],
    mut words: impl DoubleEndedIterator<Item = u64> + ExactSizeIterator,
) -> Option<u64> {
    let body = words.next_back()?;
    if words.len() != secret.len() {
        return None;
    }
    let products = words.zip(secret).map(|(a, &s)| a.wrapping_mul(s));
    Some(products.fold(body, u64::wrapping_sub))
}
