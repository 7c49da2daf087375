//! Evaluation keys, expanded for computing.

use obscura_fhe_core::{EvaluationKeyParts, ParameterSet, SEED_BYTES, SeededKey, WordSize};
use tfhe::core_crypto::{
    commons::math::random::{CompressionSeed, Seed},
    prelude::{
        CiphertextModulus, DecompositionBaseLog, DecompositionLevelCount, GlweDimension,
        LweBootstrapKeyOwned, LweDimension, LweKeyswitchKeyOwned, LwePackingKeyswitchKeyOwned,
        PolynomialSize, SeededLweBootstrapKey, SeededLweKeyswitchKey, SeededLwePackingKeyswitchKey,
    },
};

use crate::{ServerError, batched::BatchedKeys, single::SingleKeys};

/// The public keys of one client for one parameter set, in the form its kernel computes with.
pub struct EvaluationKeys {
    parameters: ParameterSet,
    pub(crate) kernel: Kernel,
    /// Exactly where the parameters have a packing.
    pub(crate) packing: Option<LwePackingKeyswitchKeyOwned<u64>>,
}

/// The keys of one of the two kernels.
pub(crate) enum Kernel {
    /// Uniform binary small secret, 64-bit words.
    Single(SingleKeys),
    /// Block-binary small secret, 32-bit words.
    Batched(BatchedKeys),
}

impl EvaluationKeys {
    /// Expands an evaluation key object of `parameters`.
    ///
    /// Takes about a quarter of a second on two cores for `record-2048` and, while it runs, twice
    /// [`Self::memory_bytes`].
    ///
    /// # Errors
    /// [`ServerError::Peer`] unless the bytes are exactly such an object;
    /// [`ServerError::UnsupportedParameters`].
    pub fn from_bytes(parameters: &ParameterSet, bytes: &[u8]) -> Result<Self, ServerError> {
        let parts = EvaluationKeyParts::from_bytes(parameters, bytes)?;
        let (key_switch, bootstrap) = (
            (parts.key_switch, parts.key_switch_seed),
            (parts.bootstrap, parts.bootstrap_seed),
        );
        let kernel = match parameters.words() {
            WordSize::Bits64 => Kernel::Single(SingleKeys::new(parameters, key_switch, bootstrap)),
            WordSize::Bits32 => Kernel::Batched(
                BatchedKeys::new(parameters, key_switch, bootstrap)
                    .ok_or(ServerError::UnsupportedParameters)?,
            ),
        };
        Ok(Self {
            kernel,
            packing: parts.packing.and_then(|key| expand_packing(parameters, key)),
            parameters: parameters.clone(),
        })
    }

    /// The parameters.
    pub fn parameters(&self) -> &ParameterSet {
        &self.parameters
    }

    /// Memory the expanded keys hold, bytes.
    pub fn memory_bytes(&self) -> usize {
        let kernel = match &self.kernel {
            Kernel::Single(keys) => keys.memory_bytes(),
            Kernel::Batched(keys) => keys.memory_bytes(),
        };
        kernel + self.packing.as_ref().map_or(0, |key| size_of_val(key.as_ref()))
    }

    /// What [`Self::memory_bytes`] of keys for `parameters` will be.
    pub fn predicted_bytes(parameters: &ParameterSet) -> usize {
        let kernel = match parameters.words() {
            WordSize::Bits64 => SingleKeys::predicted_bytes(parameters),
            WordSize::Bits32 => BatchedKeys::predicted_bytes(parameters),
        };
        let packing = parameters.packing.as_ref().map_or(0, |packing| {
            let rows = parameters.large_dimension() * packing.levels as usize;
            rows * (packing.dimension() + packing.polynomial_size) * size_of::<u64>()
        });
        kernel + packing
    }
}

impl std::fmt::Debug for EvaluationKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EvaluationKeys")
            .field("parameters", &self.parameters.name)
            .finish_non_exhaustive()
    }
}

/// Bodies and mask seed of a key as it travels.
pub(crate) type Seeded = (Vec<u64>, [u8; SEED_BYTES]);

/// tfhe's form of a mask seed.
pub(crate) fn mask_seed(seed: &[u8; SEED_BYTES]) -> CompressionSeed {
    Seed(u128::from_le_bytes(*seed)).into()
}

/// The key-switching key, words `[k N][levels][n + 1]`, the finest level first.
pub(crate) fn expand_key_switch(set: &ParameterSet, (bodies, seed): Seeded) -> LweKeyswitchKeyOwned<u64> {
    SeededLweKeyswitchKey::from_container(
        bodies,
        DecompositionBaseLog(set.key_switch_base_log2 as usize),
        DecompositionLevelCount(set.key_switch_levels as usize),
        LweDimension(set.lwe_dimension).to_lwe_size(),
        mask_seed(&seed),
        CiphertextModulus::new_native(),
    )
    .par_decompress_into_lwe_keyswitch_key()
}

/// The bootstrapping key, words `[n][levels][k + 1][k + 1][N]`, the finest level first.
pub(crate) fn expand_bootstrap(set: &ParameterSet, (bodies, seed): Seeded) -> LweBootstrapKeyOwned<u64> {
    SeededLweBootstrapKey::from_container(
        bodies,
        GlweDimension(set.glwe_dimension).to_glwe_size(),
        PolynomialSize(set.polynomial_size),
        DecompositionBaseLog(set.rotation_base_log2 as usize),
        DecompositionLevelCount(set.rotation_levels as usize),
        mask_seed(&seed),
        CiphertextModulus::new_native(),
    )
    .par_decompress_into_lwe_bootstrap_key()
}

fn expand_packing(set: &ParameterSet, key: SeededKey) -> Option<LwePackingKeyswitchKeyOwned<u64>> {
    let packing = set.packing.as_ref()?;
    let seeded = SeededLwePackingKeyswitchKey::from_container(
        key.bodies,
        DecompositionBaseLog(packing.base_log2 as usize),
        DecompositionLevelCount(packing.levels as usize),
        GlweDimension(packing.glwe_dimension).to_glwe_size(),
        PolynomialSize(packing.polynomial_size),
        mask_seed(&key.seed),
        CiphertextModulus::new_native(),
    );
    Some(seeded.decompress_into_lwe_packing_keyswitch_key())
}
