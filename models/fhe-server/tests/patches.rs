//! Real image patches through the small stand-in network: encrypted against the reference.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
#![expect(clippy::cast_precision_loss, reason = "logits of at most 20 bits")]

use obscura_circuit::{Circuit, NoiseFigures};
use obscura_fhe_client::SecretKeys;
use obscura_fhe_core::{ParameterSet, Plan};
use obscura_fhe_server::{Control, EvaluationKeys, evaluate};
use safetensors::SafeTensors;

const CIRCUIT: &[u8] = include_bytes!("../../shipped/stand-in/derm-small/circuit.json");
const WEIGHTS: &[u8] = include_bytes!("../../shipped/stand-in/derm-small/weights.safetensors");
const PARAMETERS: &[u8] = include_bytes!("../../shipped/stand-in/derm-small/parameters.json");
const PATCHES: &[u8] = include_bytes!("../../../tests/fixtures/patches/patches.safetensors");

/// Patches that are evaluated encrypted, one from each of as many images.
const ENCRYPTED: usize = 8;
/// Simulations of one patch.
const DRAWS: usize = 64;
/// A logit further off than this many predicted deviations is an error, not noise: for 56 logits it happens
/// by chance with probability below 2^-13.
const DEVIATIONS: f64 = 5.0;

fn patches(circuit: &Circuit) -> Vec<Vec<i64>> {
    let file = SafeTensors::deserialize(PATCHES).unwrap();
    let view = file.tensor("patches").unwrap();
    view.data()
        .chunks_exact(circuit.input_len())
        .map(|patch| patch.iter().map(|&b| b.cast_signed().into()).collect())
        .collect()
}

fn largest(logits: &[i64]) -> usize {
    (0..logits.len()).max_by_key(|&i| logits[i]).unwrap()
}

/// Distance of the two largest.
fn margin(logits: &[i64]) -> f64 {
    let mut sorted = logits.to_vec();
    sorted.sort_unstable();
    (sorted[6] - sorted[5]) as f64
}

/// Predicted deviation of a patch's logits from the clear ones, by simulation: root mean square over all of them.
fn predicted_deviation(circuit: &Circuit, figures: &NoiseFigures, patch: &[i64], want: &[i64]) -> f64 {
    let simulated = circuit
        .simulate_values(figures, &vec![patch.to_vec(); DRAWS], 1)
        .unwrap();
    let squares = simulated.iter().flat_map(|logits| {
        logits
            .iter()
            .zip(want)
            .map(|(got, &want)| (got - want as f64).powi(2))
    });
    (squares.sum::<f64>() / (DRAWS * want.len()) as f64).sqrt()
}

#[test]
fn eight_patches_keep_their_class_where_the_margin_is_clear() {
    let circuit = Circuit::from_parts(CIRCUIT, WEIGHTS).unwrap();
    let set = ParameterSet::from_json(PARAMETERS).unwrap();
    let plan = Plan::new(&circuit, &set).unwrap();
    let figures = plan.figures();
    let secret = SecretKeys::generate(&set).unwrap();
    let keys = EvaluationKeys::from_bytes(&set, &secret.evaluation_keys(&mut |_, _| {}).unwrap()).unwrap();
    let patches = patches(&circuit);
    let (mut squares, mut agree, mut clear) = (0.0, 0, 0);
    for patch in patches.iter().step_by(patches.len() / ENCRYPTED).take(ENCRYPTED) {
        let want = circuit.evaluate(patch).unwrap().remove(0).values;
        let sigma = predicted_deviation(&circuit, &figures, patch, &want);
        let item = secret.encrypt(&plan, patch).unwrap();
        let answer = evaluate(&plan, &circuit, &keys, &item, &Control::default()).unwrap();
        assert!(item.len() <= 12 * 1024 && answer.len() <= 8 * 1024);
        let got = secret.decrypt(&plan, &answer).unwrap().remove(0).values;
        for (got, want) in got.iter().zip(&want) {
            let error = (got - want) as f64 / sigma;
            assert!(error.abs() < DEVIATIONS, "a logit is {error:.1} deviations off");
            squares += error * error;
        }
        let same = largest(&got) == largest(&want);
        agree += usize::from(same);
        if margin(&want) > DEVIATIONS * sigma {
            clear += 1;
            assert!(
                same,
                "the class changed at a margin of {:.1} deviations",
                margin(&want) / sigma
            );
        }
    }
    let ratio = (squares / (7 * ENCRYPTED) as f64).sqrt();
    println!(
        "{agree} of {ENCRYPTED} classes agree, {clear} are clear, logit noise {ratio:.2} of its prediction"
    );
    // Logits of one patch share their noise, so that 56 of them count as a few dozen.
    assert!((0.7..1.4).contains(&ratio), "{ratio}");
}
