//! Evaluation keys, expanded for computing.

use obscura_fhe_core::{EvaluationKeyParts, ParameterSet, SEED_BYTES};
use tfhe::core_crypto::{
    commons::math::random::{CompressionSeed, Seed},
    prelude::{
        CiphertextModulus, DecompositionBaseLog, DecompositionLevelCount, FourierLweBootstrapKeyOwned,
        GlweDimension, LweDimension, LweKeyswitchKeyOwned, PolynomialSize, SeededLweBootstrapKey,
        SeededLweKeyswitchKey, par_convert_standard_lwe_bootstrap_key_to_fourier,
    },
};

use crate::{ServerError, transform};

/// The public keys of one client for one parameter set: the key switch in the standard domain, the bootstrap
/// in the Fourier domain.
pub struct EvaluationKeys {
    parameters: ParameterSet,
    pub(crate) key_switch: LweKeyswitchKeyOwned<u64>,
    pub(crate) bootstrap: FourierLweBootstrapKeyOwned,
}

impl EvaluationKeys {
    /// Expands an evaluation key object of `parameters`.
    ///
    /// Takes about a quarter of a second on two cores for `record-2048` and, while it runs, twice
    /// [`Self::memory_bytes`].
    ///
    /// # Errors
    /// [`ServerError::Peer`] unless the bytes are exactly such an object.
    pub fn from_bytes(parameters: &ParameterSet, bytes: &[u8]) -> Result<Self, ServerError> {
        let parts = EvaluationKeyParts::from_bytes(parameters, bytes)?;
        transform::fix_plan(parameters.polynomial_size);
        Ok(Self {
            key_switch: expand_key_switch(parameters, parts.key_switch, &parts.key_switch_seed),
            bootstrap: expand_bootstrap(parameters, parts.bootstrap, &parts.bootstrap_seed),
            parameters: parameters.clone(),
        })
    }

    /// The parameters.
    pub fn parameters(&self) -> &ParameterSet {
        &self.parameters
    }

    /// Memory the expanded keys hold, bytes.
    pub fn memory_bytes(&self) -> usize {
        size_of_val(self.key_switch.as_ref()) + size_of_val(self.bootstrap.as_view().data())
    }
}

impl std::fmt::Debug for EvaluationKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EvaluationKeys")
            .field("parameters", &self.parameters.name)
            .finish_non_exhaustive()
    }
}

/// tfhe's form of a mask seed.
pub(crate) fn mask_seed(seed: &[u8; SEED_BYTES]) -> CompressionSeed {
    Seed(u128::from_le_bytes(*seed)).into()
}

fn expand_key_switch(
    set: &ParameterSet,
    bodies: Vec<u64>,
    seed: &[u8; SEED_BYTES],
) -> LweKeyswitchKeyOwned<u64> {
    SeededLweKeyswitchKey::from_container(
        bodies,
        DecompositionBaseLog(set.key_switch_base_log2 as usize),
        DecompositionLevelCount(set.key_switch_levels as usize),
        LweDimension(set.lwe_dimension).to_lwe_size(),
        mask_seed(seed),
        CiphertextModulus::new_native(),
    )
    .par_decompress_into_lwe_keyswitch_key()
}

fn expand_bootstrap(
    set: &ParameterSet,
    bodies: Vec<u64>,
    seed: &[u8; SEED_BYTES],
) -> FourierLweBootstrapKeyOwned {
    let glwe_size = GlweDimension(set.glwe_dimension).to_glwe_size();
    let polynomial_size = PolynomialSize(set.polynomial_size);
    let base_log = DecompositionBaseLog(set.rotation_base_log2 as usize);
    let levels = DecompositionLevelCount(set.rotation_levels as usize);
    let standard = SeededLweBootstrapKey::from_container(
        bodies,
        glwe_size,
        polynomial_size,
        base_log,
        levels,
        mask_seed(seed),
        CiphertextModulus::new_native(),
    )
    .par_decompress_into_lwe_bootstrap_key();
    let dimension = LweDimension(set.lwe_dimension);
    let mut fourier =
        FourierLweBootstrapKeyOwned::new(dimension, glwe_size, polynomial_size, base_log, levels);
    par_convert_standard_lwe_bootstrap_key_to_fourier(&standard, &mut fourier);
    fourier
}
