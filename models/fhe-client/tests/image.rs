//! Items, keys and packed answers of a set with blocks and packing, taken apart with tfhe instead of our
//! server.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::collections::HashSet;

use obscura_circuit::Circuit;
use obscura_fhe_client::{ClientError, SecretKeys, measure};
use obscura_fhe_core::{Answer, EvaluationKeyParts, Item, Noise, ParameterSet, Plan, SeededKey};
use tfhe::core_crypto::{
    commons::math::random::Seed,
    prelude::{
        CiphertextModulus, DecompositionBaseLog, DecompositionLevelCount, GlweCiphertext,
        GlweCiphertextOwned, GlweDimension, LweCiphertext, LweCiphertextList, LweDimension, MonomialDegree,
        PolynomialSize, SeededGlweCiphertext, SeededLweKeyswitchKey, SeededLwePackingKeyswitchKey,
        extract_lwe_sample_from_glwe_ciphertext, keyswitch_lwe_ciphertext,
        keyswitch_lwe_ciphertext_list_and_pack_in_glwe_ciphertext,
    },
};

const NATIVE: CiphertextModulus<u64> = CiphertextModulus::new_native();

fn image_set() -> ParameterSet {
    ParameterSet::from_json(include_bytes!("../../fhe-core/parameters/image-1024.json")).unwrap()
}

fn record_set() -> ParameterSet {
    ParameterSet::from_json(include_bytes!("../../fhe-core/parameters/record-2048.json")).unwrap()
}

/// A circuit that gives back its `count` inputs, each -100 to 100.
fn echo(count: usize) -> Circuit {
    let json = format!(
        r#"{{"format":1,"nodes":[
            {{"op":"input","name":"x","shape":[{count}],"min":[-100],"max":[100]}},
            {{"op":"output","name":"y","input":"x"}}]}}"#
    );
    let no_weights = [&2_u64.to_le_bytes()[..], b"{}"].concat();
    Circuit::from_parts(json.as_bytes(), &no_weights).unwrap()
}

fn inputs(count: usize) -> Vec<i64> {
    (0..count)
        .map(|i| i64::try_from(i * 37 % 201).unwrap() - 100)
        .collect()
}

fn tfhe_seed(seed: [u8; 16]) -> Seed {
    Seed(u128::from_le_bytes(seed))
}

/// The LWE ciphertexts of an item's inputs, side by side.
fn expand(set: &ParameterSet, item: &Item) -> Vec<u64> {
    let size = set.polynomial_size;
    let lwe_words = set.large_dimension() + 1;
    let mut out = vec![0; item.bodies.len() * lwe_words];
    let glwes: Vec<GlweCiphertextOwned<u64>> = item
        .bodies
        .chunks(size)
        .zip(&item.seeds)
        .map(|(bodies, &seed)| {
            let mut bodies = bodies.to_vec();
            bodies.resize(size, 0);
            let glwe_size = GlweDimension(set.glwe_dimension).to_glwe_size();
            SeededGlweCiphertext::from_container(bodies, glwe_size, tfhe_seed(seed).into(), NATIVE)
                .decompress_into_glwe_ciphertext()
        })
        .collect();
    for (i, lwe) in out.chunks_mut(lwe_words).enumerate() {
        let mut lwe = LweCiphertext::from_container(lwe, NATIVE);
        extract_lwe_sample_from_glwe_ciphertext(&glwes[i / size], &mut lwe, MonomialDegree(i % size));
    }
    out
}

/// Root mean square.
fn deviation(errors: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = f64::from(u32::try_from(errors.len()).unwrap());
    (errors.map(|e| e * e).sum::<f64>() / count).sqrt()
}

/// What `value` stands for, in units of the torus.
fn torus(plan: &Plan, value: i64) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a small multiple of a power of two in effect"
    )]
    let phase = plan.delta(0).wrapping_mul(value.cast_unsigned()).cast_signed() as f64;
    phase * (-64.0_f64).exp2()
}

#[test]
fn three_ciphertexts_of_24_bit_bodies_carry_3072_inputs_with_the_predicted_noise() {
    let (set, circuit) = (image_set(), echo(3072));
    assert_eq!(set.input_body_bits, 24);
    let plan = Plan::new(&circuit, &set).unwrap();
    let keys = SecretKeys::generate(&set).unwrap();
    let inputs = inputs(3072);
    let bytes = keys.encrypt(&plan, &inputs).unwrap();
    let item = Item::from_bytes(&plan, &bytes).unwrap();
    assert_eq!((item.seeds.len(), item.bodies.len()), (3, 3072));
    // Header, three seeds, three bytes a body.
    assert_eq!(bytes.len(), 37 + 3 * 16 + 3072 * 3);
    let words = expand(&set, &item);
    let errors: Vec<f64> = words
        .chunks(set.large_dimension() + 1)
        .zip(&inputs)
        .map(|(lwe, &x)| measure::large_phase(&keys, lwe).unwrap() - torus(&plan, x))
        .collect();
    let ratio = deviation(errors.iter().copied()) / plan.noise(0).sigma();
    // 3,072 samples estimate a deviation to 1.3 %.
    assert!((0.93..1.07).contains(&ratio), "{ratio} times the prediction");
    // Words cut to 32 bits say the same within the rounding of 2,049 words.
    let lwe: Vec<u32> = words[..=set.large_dimension()]
        .iter()
        .map(|w| u32::try_from(w >> 32).unwrap())
        .collect();
    let cut = measure::large_phase(&keys, &lwe).unwrap() - torus(&plan, inputs[0]);
    assert!((cut - errors[0]).abs() < 2049.0 * (-32.0_f64).exp2());
}

#[test]
fn two_encryptions_share_no_seed_and_no_body() {
    let plan = Plan::new(&echo(2048), &image_set()).unwrap();
    let keys = SecretKeys::generate(&image_set()).unwrap();
    let items = [(); 2].map(|()| {
        let bytes = keys.encrypt(&plan, &inputs(2048)).unwrap();
        Item::from_bytes(&plan, &bytes).unwrap()
    });
    let seeds: HashSet<_> = items.iter().flat_map(|item| item.seeds.clone()).collect();
    assert_eq!(seeds.len(), 4);
    let same = items[0]
        .bodies
        .iter()
        .zip(&items[1].bodies)
        .filter(|(a, b)| a == b);
    // Of 2,048 pairs of independent 24-bit words one is equal once in 8,000 runs.
    assert!(same.count() < 4);
}

#[test]
fn refuses_other_counts_lengths_and_parameters() {
    let (set, record) = (image_set(), record_set());
    let plan = Plan::new(&echo(10), &set).unwrap();
    let keys = SecretKeys::generate(&set).unwrap();
    for count in [0, 9, 11, 5000] {
        let error = keys.encrypt(&plan, &inputs(count)).unwrap_err();
        assert!(matches!(error, ClientError::MisuseInputCount { want: 10, .. }));
    }
    let answer = vec![0; plan.answer_bytes() + 1];
    for len in [0, 1, answer.len() - 2, answer.len()] {
        assert!(keys.decrypt(&plan, &answer[..len]).is_err());
    }
    let foreign = Plan::new(&echo(10), &record).unwrap();
    assert!(matches!(
        keys.encrypt(&foreign, &inputs(10)),
        Err(ClientError::MisuseParameters)
    ));
    assert!(matches!(
        keys.decrypt(&foreign, &answer),
        Err(ClientError::MisuseParameters)
    ));
    let other = SecretKeys::generate(&record).unwrap();
    assert!(matches!(
        other.decrypt(&plan, &answer),
        Err(ClientError::MisuseParameters)
    ));

    let packing = set.packing.as_ref().unwrap();
    let mask = packing.glwe_dimension * packing.polynomial_size;
    for bad in [0, 1, mask, mask + packing.polynomial_size + 1] {
        assert!(measure::packed_phases(&keys, &vec![0; bad]).is_err());
        assert!(measure::packed_phases(&other, &vec![0; bad]).is_err());
    }
    assert_eq!(
        measure::packed_phases(&keys, &vec![0; mask + 3]).unwrap(),
        [0.0; 3]
    );
    for bad in [0, 1, set.large_dimension(), set.large_dimension() + 2] {
        assert!(measure::large_phase(&keys, &vec![0_u32; bad]).is_err());
        assert!(measure::small_phase(&keys, &vec![0_u64; bad]).is_err());
    }
}

#[test]
fn keys_have_seeds_of_their_own_count_their_progress_and_let_tfhe_pack_an_answer() {
    let set = image_set();
    let keys = SecretKeys::generate(&set).unwrap();
    let mut heard = Vec::new();
    let key_bytes = keys
        .evaluation_keys(&mut |done, all| heard.push((done, all)))
        .unwrap();
    let all = heard[0].1;
    assert!(all > 10);
    assert_eq!(heard, (0..=all).map(|done| (done, all)).collect::<Vec<_>>());

    let parts = EvaluationKeyParts::from_bytes(&set, &key_bytes).unwrap();
    let packing_seed = parts.packing.as_ref().unwrap().seed;
    let seeds = HashSet::from([parts.key_switch_seed, parts.bootstrap_seed, packing_seed]);
    assert_eq!(seeds.len(), 3);
    // More inputs than coefficients: two packed ciphertexts, the second in part.
    let plan = Plan::new(&echo(320), &set).unwrap();
    let inputs = inputs(320);
    let item = keys.encrypt(&plan, &inputs).unwrap();
    let lwes = expand(&set, &Item::from_bytes(&plan, &item).unwrap());
    key_switched_phases_have_the_predicted_noise(&keys, &plan, &parts, &lwes, &inputs);
    let ciphertexts = pack(&set, &parts, &lwes);
    for (ciphertext, inputs) in ciphertexts.iter().zip(inputs.chunks(256)) {
        let phases = measure::packed_phases(&keys, ciphertext).unwrap();
        let errors: Vec<f64> = phases
            .iter()
            .zip(inputs)
            .map(|(p, &x)| p - torus(&plan, x))
            .collect();
        assert_eq!(errors.len(), inputs.len());
        let packing = Noise::packing(&set, set.packing.as_ref().unwrap(), inputs.len());
        let ratio = deviation(errors.into_iter()) / plan.noise(0).plus(packing).sigma();
        // 256 samples estimate a deviation to 4.4 %, 64 to 9 %.
        assert!((0.6..1.4).contains(&ratio), "{ratio} times the prediction");
    }
    let answer = Answer { ciphertexts }.to_bytes(&plan);
    assert_eq!(keys.decrypt(&plan, &answer).unwrap()[0].values, inputs);
}

/// Key switches the first ciphertexts with tfhe.
fn key_switched_phases_have_the_predicted_noise(
    keys: &SecretKeys,
    plan: &Plan,
    parts: &EvaluationKeyParts,
    lwes: &[u64],
    inputs: &[i64],
) {
    let set = plan.parameters();
    let key = SeededLweKeyswitchKey::from_container(
        parts.key_switch.clone(),
        DecompositionBaseLog(set.key_switch_base_log2 as usize),
        DecompositionLevelCount(set.key_switch_levels as usize),
        LweDimension(set.lwe_dimension).to_lwe_size(),
        tfhe_seed(parts.key_switch_seed).into(),
        NATIVE,
    )
    .decompress_into_lwe_keyswitch_key();
    let errors = lwes
        .chunks(set.large_dimension() + 1)
        .zip(inputs)
        .take(64)
        .map(|(lwe, &x)| {
            let mut out = LweCiphertext::new(0, LweDimension(set.lwe_dimension).to_lwe_size(), NATIVE);
            keyswitch_lwe_ciphertext(&key, &LweCiphertext::from_container(lwe, NATIVE), &mut out);
            measure::small_phase(keys, out.as_ref()).unwrap() - torus(plan, x)
        });
    let measured = deviation(errors.collect::<Vec<_>>().into_iter());
    let ratio = measured / plan.noise(0).plus(Noise::key_switch(set)).sigma();
    // 64 samples estimate a deviation to 9 %.
    assert!((0.6..1.4).contains(&ratio), "{ratio} times the prediction");
}

/// Packs LWE ciphertexts with tfhe: per GLWE ciphertext the mask and the used bodies.
fn pack(set: &ParameterSet, parts: &EvaluationKeyParts, lwes: &[u64]) -> Vec<Vec<u64>> {
    let packing = set.packing.as_ref().unwrap();
    let size = PolynomialSize(packing.polynomial_size);
    let glwe_size = GlweDimension(packing.glwe_dimension).to_glwe_size();
    let SeededKey { seed, bodies } = parts.packing.clone().unwrap();
    let key = SeededLwePackingKeyswitchKey::from_container(
        bodies,
        DecompositionBaseLog(packing.base_log2 as usize),
        DecompositionLevelCount(packing.levels as usize),
        glwe_size,
        size,
        tfhe_seed(seed).into(),
        NATIVE,
    )
    .decompress_into_lwe_packing_keyswitch_key();
    let lwe_size = LweDimension(set.large_dimension()).to_lwe_size();
    lwes.chunks(lwe_size.0 * size.0)
        .map(|lwes| {
            let mut glwe = GlweCiphertext::new(0, glwe_size, size, NATIVE);
            let list = LweCiphertextList::from_container(lwes, lwe_size, NATIVE);
            keyswitch_lwe_ciphertext_list_and_pack_in_glwe_ciphertext(&key, &list, &mut glwe);
            let mask = packing.glwe_dimension * size.0;
            glwe.as_ref()[..mask + lwes.len() / lwe_size.0].to_vec()
        })
        .collect()
}
