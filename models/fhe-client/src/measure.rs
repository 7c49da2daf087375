//! Signed phases of ciphertexts, so that tests and benchmarks can measure noise.
//!
//! For tests and benchmarks only, and hidden from the documentation: a phase is a decrypted value before it
//! is rounded, and its noise tells about secret keys what no answer may tell. Nothing here belongs into a
//! program a person runs.

use crate::{
    ClientError, SecretKeys,
    decrypt::{glwe_phases, lwe_phase},
};

/// A word of a ciphertext on the torus: 32 or 64 bits.
pub trait Word: Copy {
    /// The word in units of 2^-64 of the torus.
    fn torus(self) -> u64;
}

impl Word for u32 {
    fn torus(self) -> u64 {
        u64::from(self) << 32
    }
}

impl Word for u64 {
    fn torus(self) -> u64 {
        self
    }
}

/// The phase of an LWE ciphertext under the large secret, k N mask words and the body.
///
/// In units of the torus, -0.5 to 0.5.
///
/// # Errors
/// [`ClientError::MisuseCiphertext`] for another length.
pub fn large_phase<W: Word>(keys: &SecretKeys, ciphertext: &[W]) -> Result<f64, ClientError> {
    of_lwe(keys.large_bits(), ciphertext)
}

/// The phase of an LWE ciphertext under the small secret, n mask words and the body.
///
/// In units of the torus, -0.5 to 0.5. Positions modulo 2N are words once shifted to the top.
///
/// # Errors
/// [`ClientError::MisuseCiphertext`] for another length.
pub fn small_phase<W: Word>(keys: &SecretKeys, ciphertext: &[W]) -> Result<f64, ClientError> {
    of_lwe(keys.small_bits(), ciphertext)
}

/// The phases of a GLWE ciphertext under the packing secret: `k_p * N_p` mask words and 1 to `N_p` bodies
/// give as many phases.
///
/// In units of the torus, -0.5 to 0.5.
///
/// # Errors
/// [`ClientError::MisuseCiphertext`] for another length or a set without packing.
pub fn packed_phases(keys: &SecretKeys, ciphertext: &[u64]) -> Result<Vec<f64>, ClientError> {
    let packing = keys
        .parameters()
        .packing
        .as_ref()
        .ok_or(ClientError::MisuseCiphertext)?;
    let phases = glwe_phases(keys.packing_bits(), packing.polynomial_size, ciphertext)
        .ok_or(ClientError::MisuseCiphertext)?;
    Ok(phases.iter().map(|&phase| signed(phase)).collect())
}

fn of_lwe<W: Word>(secret: &[u64], ciphertext: &[W]) -> Result<f64, ClientError> {
    let words = ciphertext.iter().map(|word| word.torus());
    lwe_phase(secret, words)
        .map(signed)
        .ok_or(ClientError::MisuseCiphertext)
}

#[expect(clippy::cast_precision_loss, reason = "noise needs no more than 53 bits")]
fn signed(phase: u64) -> f64 {
    phase.cast_signed() as f64 * (-64.0_f64).exp2()
}
