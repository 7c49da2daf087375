//! Measured noise of every operation against its prediction, with fixed seeds: keys, ciphertexts and so every
//! figure are the same in each run.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex},
};

use obscura_circuit::Circuit;
use obscura_fhe_client::{SecretKeys, measure};
use obscura_fhe_core::{Item, Noise, ParameterSet, Plan, SEED_BYTES, pack};
use safetensors::{Dtype, tensor::TensorView};
use tfhe::core_crypto::{
    commons::{
        generators::DeterministicSeeder,
        math::random::{DefaultRandomGenerator, Seed},
    },
    prelude::{
        CiphertextModulus, DecompositionBaseLog, DecompositionLevelCount, Gaussian, GlweDimension,
        GlweSecretKey, LweDimension, LweSecretKey, PolynomialSize, SeededLweBootstrapKey,
        SeededLweKeyswitchKey, StandardDev, generate_seeded_lwe_keyswitch_key,
        par_generate_seeded_lwe_bootstrap_key,
    },
};

use super::{BatchedKeys, key_switch_key};
use crate::{
    Control,
    control::Watch,
    input::expand,
    keys::{Seeded, mask_seed},
    measure::Watch as Probe,
};

const SAMPLES: usize = 1024;
/// Side of the image whose pools and convolutions, two by two, are as many as the samples.
const SIDE: usize = 64;

struct Bench {
    set: ParameterSet,
    small: Vec<u64>,
    large: Vec<u64>,
    secret: SecretKeys,
    keys: BatchedKeys,
}

static BENCH: LazyLock<Bench> = LazyLock::new(|| {
    let json = include_bytes!("../../../fhe-core/parameters/image-1024.json");
    let set = ParameterSet::from_json(json).unwrap();
    let mut draw = Draw(11);
    let small: Vec<u64> = (0..set.lwe_dimension / set.lwe_block)
        .flat_map(|_| {
            let one = draw.below(set.lwe_block + 1);
            (0..set.lwe_block).map(move |bit| u64::from(bit == one))
        })
        .collect();
    let large: Vec<u64> = (0..set.large_dimension()).map(|_| draw.below(2) as u64).collect();
    let packing: Vec<u64> = (0..set.large_dimension()).map(|_| draw.below(2) as u64).collect();
    let bits = [small.as_slice(), &large, &packing].concat();
    let stored = [
        &b"OSK1"[..],
        &set.hash(),
        &pack(bits.iter().map(|bit| bit << 63), 1),
    ]
    .concat();
    let secret = SecretKeys::from_bytes(&set, &stored).unwrap();
    let mut seeder = DeterministicSeeder::<DefaultRandomGenerator>::new(Seed(5));
    let key_switch = key_switch(&set, &large, &small, &mut seeder);
    let bootstrap = bootstrap(&set, &small, &large, &mut seeder);
    let keys = BatchedKeys::new(&set, key_switch, bootstrap).unwrap();
    Bench {
        set,
        small,
        large,
        secret,
        keys,
    }
});

type Seeder = DeterministicSeeder<DefaultRandomGenerator>;

fn gaussian(sigma_log2: f64) -> Gaussian<f64> {
    Gaussian::from_dispersion_parameter(StandardDev(sigma_log2.exp2()), 0.0)
}

/// tfhe's own generation, from fixed seeds.
fn key_switch(set: &ParameterSet, large: &[u64], small: &[u64], seeder: &mut Seeder) -> Seeded {
    let seed = [1; SEED_BYTES];
    let mut key = SeededLweKeyswitchKey::new(
        0_u64,
        DecompositionBaseLog(set.key_switch_base_log2 as usize),
        DecompositionLevelCount(set.key_switch_levels as usize),
        LweDimension(large.len()),
        LweDimension(small.len()),
        mask_seed(&seed),
        CiphertextModulus::new_native(),
    );
    generate_seeded_lwe_keyswitch_key(
        &LweSecretKey::from_container(large),
        &LweSecretKey::from_container(small),
        &mut key,
        gaussian(set.lwe_noise_log2),
        seeder,
    );
    (key.into_container(), seed)
}

/// tfhe's own generation, from fixed seeds.
fn bootstrap(set: &ParameterSet, small: &[u64], large: &[u64], seeder: &mut Seeder) -> Seeded {
    let seed = [2; SEED_BYTES];
    let mut key = SeededLweBootstrapKey::new(
        0_u64,
        GlweDimension(set.glwe_dimension).to_glwe_size(),
        PolynomialSize(set.polynomial_size),
        DecompositionBaseLog(set.rotation_base_log2 as usize),
        DecompositionLevelCount(set.rotation_levels as usize),
        LweDimension(small.len()),
        mask_seed(&seed),
        CiphertextModulus::new_native(),
    );
    par_generate_seeded_lwe_bootstrap_key(
        &LweSecretKey::from_container(small),
        &GlweSecretKey::from_container(large, PolynomialSize(set.polynomial_size)),
        &mut key,
        gaussian(set.glwe_noise_log2),
        seeder,
    );
    (key.into_container(), seed)
}

/// Knuth's 64-bit linear congruential generator, its upper half.
struct Draw(u64);

impl Draw {
    fn word(&mut self) -> u32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 32) as u32
    }

    fn below(&mut self, end: usize) -> usize {
        self.word() as usize % end
    }

    fn seed(&mut self) -> [u8; SEED_BYTES] {
        std::array::from_fn(|_| self.word().to_le_bytes()[3])
    }

    /// Random words: ciphertexts of some phase under any secret.
    fn words(&mut self, count: usize) -> Vec<u32> {
        (0..count).map(|_| self.word()).collect()
    }
}

/// Mean and deviation of differences on the torus, which are modulo 1.
fn moments(differences: &[f64]) -> (f64, f64) {
    let count = f64::from(u32::try_from(differences.len()).unwrap());
    let errors: Vec<f64> = differences.iter().map(|d| d - d.round()).collect();
    let mean = errors.iter().sum::<f64>() / count;
    let variance = errors.iter().map(|e| (e - mean).powi(2)).sum::<f64>() / count;
    (mean, variance.sqrt())
}

/// Fails unless the differences deviate as predicted, around zero.
fn holds(name: &str, differences: &[f64], predicted: Noise) {
    assert!(differences.len() >= SAMPLES, "{name}");
    let (mean, measured) = moments(differences);
    let predicted = predicted.sigma();
    println!(
        "{name}: measured 2^{:.2}, predicted 2^{:.2}, {} samples",
        measured.log2(),
        predicted.log2(),
        differences.len()
    );
    // 1,024 samples estimate a deviation to 2.2 %, so 15 % is nearly seven of its own deviations.
    let ratio = measured / predicted;
    assert!((0.85..1.15).contains(&ratio), "{name}: {ratio}");
    assert!(mean.abs() < 6.0 * predicted / 32.0, "{name}: mean {mean}");
}

#[test]
fn key_switch_and_position_switch_are_as_noisy_as_predicted() {
    let bench = &*BENCH;
    let size = bench.set.large_dimension() + 1;
    let key = &bench.keys.key_switch;
    let large = Draw(7).words(SAMPLES * size);
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
        switched.push(before - between);
        positioned.push(between - after);
    }
    holds("key switch", &switched, Noise::key_switch(&bench.set));
    holds("position switch", &positioned, Noise::rotation_switch(&bench.set));
}

/// Inputs side by side in one ciphertext have masks that are shifts of each other. Were the errors of their key
/// switch not independent, a convolution behind a look-up would add them up.
#[test]
fn key_switches_of_neighbours_in_a_ciphertext_are_independent() {
    let bench = &*BENCH;
    // So few levels that what the digits drop rules.
    let set = ParameterSet {
        key_switch_levels: 6,
        ..bench.set.clone()
    };
    let mut seeder = Seeder::new(Seed(6));
    let key = key_switch(&set, &bench.large, &bench.small, &mut seeder);
    let key = key_switch_key(&set, key).unwrap();
    let mut draw = Draw(17);
    let (size, neighbours) = (set.large_dimension() + 1, 4);
    let count = SAMPLES * neighbours;
    let item = Item {
        seeds: (0..count.div_ceil(set.polynomial_size))
            .map(|_| draw.seed())
            .collect(),
        bodies: (0..count).map(|_| u64::from(draw.word()) << 32).collect(),
    };
    let mut large = vec![0_u32; count * size];
    expand(&set, &item, &mut large, super::to_word);
    let mut small = vec![0; count * key.outputs()];
    key.switch(&large, &mut small);
    let pairs = large.chunks_exact(size).zip(small.chunks_exact(key.outputs()));
    let errors: Vec<f64> = pairs
        .map(|(large, small)| {
            let before = measure::large_phase(&bench.secret, large).unwrap();
            before - measure::small_phase(&bench.secret, small).unwrap()
        })
        .collect();
    let sums: Vec<f64> = errors
        .chunks_exact(neighbours)
        .map(|errors| errors.iter().sum())
        .collect();
    holds(
        "sum of four neighbours",
        &sums,
        Noise::key_switch(&set).times(4.0),
    );
}

/// Weights of the convolution over windows that do not overlap; their squares sum up to 15.
const WEIGHTS: [i8; 4] = [1, -2, 3, -1];

/// A look-up of every pixel, and behind it sums over windows of two by two: plain, and under weights.
fn circuit() -> Circuit {
    let json = format!(
        r#"{{"format":1,"nodes":[
            {{"op":"input","name":"x","shape":[1,{SIDE},{SIDE}],"min":[-13],"max":[13]}},
            {{"op":"lut","name":"table","input":"x","table":"t","origin":-16,"step":2}},
            {{"op":"sumpool","name":"pool","input":"table","window":[2,2],"stride":[2,2]}},
            {{"op":"conv2d","name":"conv","input":"table","weights":"w","bias":"b","stride":[2,2],"padding":[0,0]}},
            {{"op":"output","name":"pooled","input":"pool"}},
            {{"op":"output","name":"summed","input":"conv"}}]}}"#
    );
    let table: Vec<u8> = (-8..8_i32).flat_map(i32::to_le_bytes).collect();
    let weights: Vec<u8> = WEIGHTS.iter().map(|w| w.cast_unsigned()).collect();
    let view = |dtype, shape: &[usize], bytes| TensorView::new(dtype, shape.to_vec(), bytes).unwrap();
    let tensors = HashMap::from([
        ("t", view(Dtype::I32, &[1, 16], &table)),
        ("w", view(Dtype::I8, &[1, 1, 2, 2], &weights)),
        ("b", view(Dtype::I64, &[1], &[0; 8])),
    ]);
    let weights = safetensors::serialize(tensors, None).unwrap();
    Circuit::from_parts(json.as_bytes(), &weights).unwrap()
}

#[test]
fn rotation_pool_and_convolution_are_as_noisy_as_predicted() {
    let bench = &*BENCH;
    let circuit = circuit();
    let plan = Plan::new(&circuit, &bench.set).unwrap();
    let mut draw = Draw(3);
    // Pixels of random phase: what each was looked up as, its result tells.
    let item = Item {
        seeds: vec![[3; SEED_BYTES]; plan.input_ciphertexts()],
        bodies: (0..SIDE * SIDE).map(|_| u64::from(draw.word()) << 32).collect(),
    };
    let phases = Mutex::new(vec![vec![f64::NAN; SIDE * SIDE]; 3]);
    let inspect = |layer: usize, element: usize, ciphertext: &[u32]| {
        phases.lock().unwrap()[layer][element] = measure::large_phase(&bench.secret, ciphertext).unwrap();
    };
    let probe = Probe {
        inspect: Some(&inspect),
        ..Probe::default()
    };
    let control = Control::default();
    super::evaluate(
        &plan,
        &circuit,
        &bench.keys,
        &item,
        &Watch::new(&control, &circuit, &probe),
    )
    .unwrap();
    let phases = phases.into_inner().unwrap();
    let delta = f64::from(u32::try_from(plan.delta(1) >> 32).unwrap()) / 2.0_f64.powi(32);
    let looked_up: Vec<f64> = phases[0].iter().map(|phase| (phase / delta).round()).collect();
    assert!((-8..8).all(|value| looked_up.contains(&f64::from(value))));
    let errors: Vec<f64> = phases[0]
        .iter()
        .zip(&looked_up)
        .map(|(phase, value)| phase - value * delta)
        .collect();
    holds("rotation", &errors, Noise::rotation(&bench.set));
    let norm = 15.0_f64.sqrt();
    let rotation = Noise::rotation(&bench.set);
    for (layer, name, weights, want) in [
        (1, "pool", [1; 4], rotation.times(4.0)),
        (2, "convolution", WEIGHTS, rotation.times_norm(norm)),
    ] {
        // What the plan says is what the formula says.
        assert!((plan.noise(layer + 1).sigma() / want.sigma() - 1.0).abs() < 1e-9);
        let window = |index: usize| {
            let (y, x) = (2 * (index / (SIDE / 2)), 2 * (index % (SIDE / 2)));
            [
                y * SIDE + x,
                y * SIDE + x + 1,
                (y + 1) * SIDE + x,
                (y + 1) * SIDE + x + 1,
            ]
        };
        let errors: Vec<f64> = (0..SAMPLES)
            .map(|index| {
                let terms = window(index)
                    .into_iter()
                    .zip(weights)
                    .map(|(at, w)| looked_up[at] * f64::from(w));
                phases[layer][index] - terms.sum::<f64>() * delta
            })
            .collect();
        holds(name, &errors, plan.noise(layer + 1));
    }
}
