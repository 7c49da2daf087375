//! Measured noise of key switch and position switch against its prediction.

use std::sync::LazyLock;

use obscura_fhe_client::{SecretKeys, measure};
use obscura_fhe_core::{EvaluationKeyParts, Noise, ParameterSet};

use super::BatchedKeys;
use crate::key_switch::KeySwitchKey;

const SAMPLES: usize = 1024;

struct Bench {
    set: ParameterSet,
    secret: SecretKeys,
    keys: BatchedKeys,
}

static BENCH: LazyLock<Bench> = LazyLock::new(|| {
    let json = include_bytes!("../../../fhe-core/parameters/image-1024.json");
    let set = ParameterSet::from_json(json).unwrap();
    let secret = SecretKeys::generate(&set).unwrap();
    let object = secret.evaluation_keys(&mut |_, _| {}).unwrap();
    let parts = EvaluationKeyParts::from_bytes(&set, &object).unwrap();
    let key_switch = (parts.key_switch, parts.key_switch_seed);
    let bootstrap = (parts.bootstrap, parts.bootstrap_seed);
    let keys = BatchedKeys::new(&set, key_switch, bootstrap).unwrap();
    Bench { set, secret, keys }
});

/// Random words: a ciphertext of some phase under any secret.
fn ciphertexts(count: usize) -> Vec<u32> {
    let mut state = 7_u64;
    let next = |state: &mut u64| {
        *state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (*state >> 32) as u32
    };
    (0..count).map(|_| next(&mut state)).collect()
}

/// Mean and deviation of differences of phases, which are modulo 1.
fn moments(pairs: &[(f64, f64)]) -> (f64, f64) {
    let count = f64::from(u32::try_from(pairs.len()).unwrap());
    let errors: Vec<f64> = pairs.iter().map(|(a, b)| (a - b) - (a - b).round()).collect();
    let mean = errors.iter().sum::<f64>() / count;
    let variance = errors.iter().map(|e| (e - mean).powi(2)).sum::<f64>() / count;
    (mean, variance.sqrt())
}

#[test]
fn key_switch_and_position_switch_are_as_noisy_as_predicted() {
    let bench = &*BENCH;
    let size = bench.set.large_dimension() + 1;
    let key: &KeySwitchKey = &bench.keys.key_switch;
    let large = ciphertexts(SAMPLES * size);
    let mut small = vec![0; SAMPLES * key.outputs()];
    key.switch(&large, &mut small);
    let dropped = 31 - bench.set.polynomial_size.ilog2();
    let (mut switched, mut positioned) = (Vec::new(), Vec::new());
    for (large, small) in large.chunks_exact(size).zip(small.chunks_exact(key.outputs())) {
        let before = measure::large_phase(&bench.secret, large).unwrap();
        let between = measure::small_phase(&bench.secret, small).unwrap();
        let mut positions = vec![0; small.len()];
        bench.keys.positions.switch(small, &mut positions);
        let positions: Vec<u32> = positions.iter().map(|&p| u32::from(p) << dropped).collect();
        let after = measure::small_phase(&bench.secret, &positions).unwrap();
        switched.push((before, between));
        positioned.push((between, after));
    }
    let predictions = [
        ("key switch", switched, Noise::key_switch(&bench.set)),
        ("position switch", positioned, Noise::rotation_switch(&bench.set)),
    ];
    for (name, pairs, predicted) in predictions {
        let (mean, measured) = moments(&pairs);
        let predicted = predicted.sigma();
        let ratio = measured / predicted;
        println!(
            "{name}: measured 2^{:.2}, predicted 2^{:.2}",
            measured.log2(),
            predicted.log2()
        );
        // 1,024 samples estimate a deviation to 2.2 %, so 15 % is nearly seven of its own deviations.
        assert!((0.85..1.15).contains(&ratio), "{name}: {ratio}");
        assert!(mean.abs() < 6.0 * predicted / 32.0, "{name}: mean {mean}");
    }
}
