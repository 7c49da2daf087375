//! Real image patches through the small stand-in networks: encrypted against the reference.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
#![expect(clippy::cast_precision_loss, reason = "logits of at most 20 bits")]
#![expect(clippy::print_stdout, reason = "figures for whoever runs it with --nocapture")]

use obscura_circuit::{Circuit, NoiseFigures};
use obscura_fhe_client::SecretKeys;
use obscura_fhe_core::{ParameterSet, Plan};
use obscura_fhe_server::{Control, EvaluationKeys, evaluate};
use safetensors::SafeTensors;

/// Circuit, weights and parameters.
const SMALL: [&[u8]; 3] = [
    include_bytes!("../../shipped/stand-in/derm-small/payload/circuit.json"),
    include_bytes!("../../shipped/stand-in/derm-small/payload/weights.safetensors"),
    include_bytes!("../../shipped/stand-in/derm-small/payload/parameters.json"),
];
const TINY: [&[u8]; 3] = [
    include_bytes!("../../shipped/stand-in/derm-tiny/payload/circuit.json"),
    include_bytes!("../../shipped/stand-in/derm-tiny/payload/weights.safetensors"),
    include_bytes!("../../shipped/stand-in/derm-tiny/payload/parameters.json"),
];
const PATCHES: &[u8] = include_bytes!("../../../tests/fixtures/patches/patches.safetensors");

/// Patches that are evaluated encrypted, one from each of as many images.
const ENCRYPTED: usize = 8;
/// Simulations of every patch.
const DRAWS: usize = 512;
/// Factor beyond the least and the largest of the simulations that the encrypted patches may show; that they lie
/// outside of them by chance has a probability of one in 256 without it.
const SLACK: f64 = 1.2;
/// Predicted deviations of a logit beyond which the distance of the two largest counts as clear.
const CLEAR_DEVIATIONS: f64 = 5.0;

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

/// Differences of logits from the clear ones.
fn errors(got: impl IntoIterator<Item = f64>, want: &[i64]) -> Vec<f64> {
    got.into_iter()
        .zip(want)
        .map(|(got, &want)| got - want as f64)
        .collect()
}

fn mean_square(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.map(|value| value * value).sum::<f64>() / count
}

/// What simulation predicts for one patch.
struct Prediction {
    /// Deviation of each logit: some are twice as noisy as others.
    sigmas: Vec<f64>,
    /// `[DRAWS]`: mean square over the logits, in their deviations.
    draws: Vec<f64>,
}

impl Prediction {
    fn new(circuit: &Circuit, figures: &NoiseFigures, patch: &[i64], want: &[i64]) -> Self {
        let simulated = circuit
            .simulate_values(figures, &vec![patch.to_vec(); DRAWS], 1)
            .unwrap();
        let draws: Vec<Vec<f64>> = simulated.into_iter().map(|logits| errors(logits, want)).collect();
        let of_logit = |logit: usize| mean_square(draws.iter().map(|errors| errors[logit])).sqrt();
        let sigmas = (0..want.len()).map(of_logit).collect();
        let mut prediction = Self {
            sigmas,
            draws: vec![],
        };
        prediction.draws = draws.iter().map(|errors| prediction.measure(errors)).collect();
        prediction
    }

    /// Mean square over the logits, in their deviations.
    fn measure(&self, errors: &[f64]) -> f64 {
        mean_square(
            errors
                .iter()
                .zip(&self.sigmas)
                .map(|(error, sigma)| error / sigma),
        )
    }

    /// Deviation of one logit, root mean square over all of them.
    fn sigma(&self) -> f64 {
        mean_square(self.sigmas.iter().copied()).sqrt()
    }
}

#[test]
fn eight_patches_keep_their_class_where_the_margin_is_clear() {
    keep_their_class(SMALL);
}

#[test]
fn eight_patches_keep_their_class_in_the_tiny_network_too() {
    keep_their_class(TINY);
}

fn keep_their_class([circuit, weights, parameters]: [&[u8]; 3]) {
    let circuit = Circuit::from_parts(circuit, weights).unwrap();
    let set = ParameterSet::from_json(parameters).unwrap();
    let plan = Plan::new(&circuit, &set).unwrap();
    let figures = plan.figures();
    let secret = SecretKeys::generate(&set).unwrap();
    let keys = EvaluationKeys::from_bytes(&set, &secret.evaluation_keys(&mut |_, _| {}).unwrap()).unwrap();
    let patches = patches(&circuit);
    let (mut measured, mut draws) = (0.0, vec![0.0; DRAWS]);
    let (mut agree, mut clear) = (0, 0);
    for patch in patches.iter().step_by(patches.len() / ENCRYPTED).take(ENCRYPTED) {
        let want = circuit.evaluate(patch).unwrap().remove(0).values;
        let prediction = Prediction::new(&circuit, &figures, patch, &want);
        let item = secret.encrypt(&plan, patch).unwrap();
        let answer = evaluate(&plan, &circuit, &keys, &item, &Control::default()).unwrap();
        assert!(item.len() <= 12 * 1024 && answer.len() <= 8 * 1024);
        let got = secret.decrypt(&plan, &answer).unwrap().remove(0).values;
        measured += prediction.measure(&errors(got.iter().map(|&got| got as f64), &want));
        for (sum, draw) in draws.iter_mut().zip(&prediction.draws) {
            *sum += draw;
        }
        let same = largest(&got) == largest(&want);
        agree += usize::from(same);
        let margin = margin(&want) / prediction.sigma();
        if margin > CLEAR_DEVIATIONS {
            clear += 1;
            assert!(same, "the class changed at a margin of {margin:.1} deviations");
        }
    }
    let ratio = |sum: f64| (sum / ENCRYPTED as f64).sqrt();
    let least = ratio(draws.iter().copied().fold(f64::INFINITY, f64::min));
    let most = ratio(draws.iter().copied().fold(0.0, f64::max));
    let measured = ratio(measured);
    println!(
        "{agree} of {ENCRYPTED} classes agree, {clear} are clear; logit noise {measured:.2} of its prediction, \
         {least:.2} to {most:.2} in {DRAWS} simulations"
    );
    assert!((least / SLACK..most * SLACK).contains(&measured), "{measured}");
}
