//! Generation of the evaluation keys the box computes with.

use obscura_fhe_core::{EvaluationKeyParts, ParameterSet, SeededKey};
use tfhe::core_crypto::prelude::{
    CiphertextModulus, DecompositionBaseLog, DecompositionLevelCount, Gaussian, LweDimension,
    SeededLweKeyswitchKey, StandardDev, generate_seeded_lwe_keyswitch_key,
};

use crate::{
    ClientError, SecretKeys, bootstrap,
    entropy::{OsSeeder, seed, to_tfhe},
    packing,
};

/// The Gaussian of a noise given as log2 of its deviation in units of the torus.
pub(crate) fn gaussian(sigma_log2: f64) -> Gaussian<f64> {
    Gaussian::from_dispersion_parameter(StandardDev(sigma_log2.exp2()), 0.0)
}

impl SecretKeys {
    /// Generates the evaluation key object: `EvaluationKeyParts` as bytes, fresh seeds each time.
    ///
    /// `progress` hears steps done and steps in all, from 0 to all.
    ///
    /// # Errors
    /// [`ClientError::DeviceEntropy`].
    pub fn evaluation_keys(&self, progress: &mut dyn FnMut(u32, u32)) -> Result<Vec<u8>, ClientError> {
        let set = self.parameters();
        let bootstrap_rows = bootstrap::rows(self, set);
        let packing_rows = set.packing.as_ref().map(|p| (p, packing::rows(self, p)));
        let steps = 1 + bootstrap_rows.steps() + packing_rows.as_ref().map_or(0, |(_, rows)| rows.steps());
        let mut done = 0;
        let mut step = || {
            progress(done, steps);
            done += 1;
        };
        step();
        // tfhe generates the key-switching key on one core, so it runs beside the others.
        let (key_switch, bootstrap, packing) = std::thread::scope(|scope| {
            let key_switch = scope.spawn(|| self.key_switch(set));
            let message = |bit, row, body: &mut [u64]| bootstrap::add_message(self, set, bit, row, body);
            let bootstrap = bootstrap_rows.encrypt(message, &mut step);
            let packing = packing_rows.map(|(packing, rows)| {
                let message = |bit, row, body: &mut [u64]| packing::add_message(packing, bit, row, body);
                rows.encrypt(message, &mut step)
            });
            let key_switch = key_switch
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            (key_switch, bootstrap, packing)
        });
        let (key_switch, bootstrap) = (key_switch?, bootstrap?);
        let packing = packing.transpose()?;
        step();
        let parts = EvaluationKeyParts {
            key_switch_seed: key_switch.seed,
            key_switch: key_switch.bodies,
            bootstrap_seed: bootstrap.seed,
            bootstrap: bootstrap.bodies,
            packing,
        };
        Ok(parts.to_bytes(set))
    }

    fn key_switch(&self, set: &ParameterSet) -> Result<SeededKey, ClientError> {
        let mask_seed = seed()?;
        let mut key = SeededLweKeyswitchKey::new(
            0_u64,
            DecompositionBaseLog(set.key_switch_base_log2 as usize),
            DecompositionLevelCount(set.key_switch_levels as usize),
            LweDimension(set.large_dimension()),
            LweDimension(set.lwe_dimension),
            to_tfhe(&mask_seed).into(),
            CiphertextModulus::new_native(),
        );
        let noise = gaussian(set.lwe_noise_log2);
        generate_seeded_lwe_keyswitch_key(
            &self.large(),
            &self.small(),
            &mut key,
            noise,
            &mut OsSeeder::new()?,
        );
        Ok(SeededKey {
            seed: mask_seed,
            bodies: key.into_container(),
        })
    }
}
