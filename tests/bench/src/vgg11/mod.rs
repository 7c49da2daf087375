//! Whole patches through the stand-in network: time, memory, noise, and whether the class survives.

mod exchange;
mod faithful;
mod markdown;
mod noise;
mod samples;
mod serve;

pub(crate) use exchange::SERVER;
pub(crate) use serve::serve;

use std::path::PathBuf;

use obscura_fhe_client::SecretKeys;

use exchange::{Exchange, Run};
use faithful::{Faithfulness, MARGIN_DEVIATIONS, margin, real};
use noise::LayerNoise;

use crate::{
    BenchError,
    report::{Report, cores},
    standin::{StandIn, fixtures, patches, write},
    timing::{median, time_ms},
};

const NETWORK: &str = "derm-vgg11";
/// Seed of the simulated patches; another than that of the prediction.
const SEED: u64 = 1;
/// First seed of the predicted deviations.
const PREDICTION_SEED: u64 = 2;
/// Simulations that predict a patch's deviation: of seven logits each, to about 6 %.
const MANY_DRAWS: u64 = 64;
/// The same for thousands of patches, to about a fifth.
const FEW_DRAWS: u64 = 4;

/// What the command line asks for.
pub(crate) struct Options {
    /// Patches to evaluate encrypted.
    patches: usize,
    /// Further patches to simulate.
    data: Option<PathBuf>,
    /// Where the report for people goes.
    report: Option<PathBuf>,
    /// Simulates only.
    simulate_only: bool,
    network: String,
}

impl Options {
    /// Reads `[--patches N] [--data PATH] [--report FILE] [--network NAME] [--simulate-only]`.
    ///
    /// # Errors
    /// [`BenchError::Usage`].
    pub(crate) fn parse(arguments: &[String]) -> Result<Self, BenchError> {
        let usage = || BenchError::Usage {
            usage: "obscura-bench vgg11-patch [--patches N] [--data PATH] [--report FILE] [--network NAME] \
                    [--simulate-only]",
        };
        let mut options = Self {
            patches: 1,
            data: None,
            report: None,
            simulate_only: false,
            network: NETWORK.to_owned(),
        };
        let mut arguments = arguments.iter();
        while let Some(name) = arguments.next() {
            if name == "--simulate-only" {
                options.simulate_only = true;
                continue;
            }
            let value = arguments.next().ok_or_else(usage)?;
            match name.as_str() {
                "--patches" => options.patches = value.parse().map_err(|_source| usage())?,
                "--data" => options.data = Some(value.into()),
                "--report" => options.report = Some(value.into()),
                "--network" => options.network.clone_from(value),
                _ => return Err(usage()),
            }
        }
        Ok(options)
    }
}

/// One patch that was evaluated encrypted.
struct Patch {
    /// Logits by the integer reference.
    clear: Vec<i64>,
    /// Logits decrypted.
    decrypted: Vec<i64>,
    run: Run,
    noise: Vec<LayerNoise>,
}

/// What was found; the reports are made of it.
struct Findings {
    network: StandIn,
    patches: Vec<Patch>,
    encrypted: Faithfulness,
    simulated: Option<Faithfulness>,
    /// Predicted deviation of one logit of each patch, in integers of the logits.
    predicted: Vec<f64>,
    keygen_s: f64,
}

/// Measures.
///
/// # Errors
/// [`BenchError`].
pub(crate) fn measure(options: &Options) -> Result<Report, BenchError> {
    let network = StandIn::load(&options.network)?;
    let inputs = patches(&fixtures(), network.plan.input_len())?;
    // Every sixteenth patch is of another image.
    let inputs: Vec<Vec<i64>> = spread(inputs, options.patches);
    // Read before anything takes time, so that a wrong path is heard of at once.
    let further = options.data.as_deref();
    let further = further
        .map(|path| patches(path, network.plan.input_len()))
        .transpose()?;
    eprintln!("predicting deviations by simulation ...");
    let predicted = predicted_deviations(&network, &inputs, &clear_logits(&network, &inputs)?, MANY_DRAWS)?;
    let simulated = further.map(|further| simulate(&network, &further)).transpose()?;
    let (mut done, mut keygen_s) = (Vec::new(), 0.0);
    if !options.simulate_only {
        (done, keygen_s) = evaluate(&network, &options.network, &inputs)?;
    }
    let mut encrypted = Faithfulness::default();
    for (patch, &predicted) in done.iter().zip(&predicted) {
        encrypted.add(&patch.clear, &real(&patch.decrypted), predicted);
    }
    let findings = Findings {
        network,
        patches: done,
        encrypted,
        simulated,
        predicted,
        keygen_s,
    };
    if let Some(path) = &options.report {
        write(path, markdown::render(&findings).as_bytes())?;
    }
    Ok(findings.report())
}

/// `count` patches, from as many images as there are.
fn spread(inputs: Vec<Vec<i64>>, count: usize) -> Vec<Vec<i64>> {
    let step = (inputs.len() / count.max(1)).max(1);
    inputs.into_iter().step_by(step).take(count).collect()
}

/// Noisy logits of patches by simulation, against the clear ones.
fn simulate(network: &StandIn, inputs: &[Vec<i64>]) -> Result<Faithfulness, BenchError> {
    eprintln!("simulating {} patches ...", inputs.len());
    let clear = clear_logits(network, inputs)?;
    let noisy = network
        .circuit
        .simulate_values(&network.plan.figures(), inputs, SEED)?;
    eprintln!("predicting the deviation of each by {FEW_DRAWS} more simulations ...");
    let mut predicted = predicted_deviations(network, inputs, &clear, FEW_DRAWS)?;
    // Few draws tell a deviation to a fifth: a class that changed is judged by many.
    let doubtful: Vec<usize> = (0..inputs.len())
        .filter(|&i| faithful::changes(&clear[i], &noisy[i]))
        .filter(|&i| margin(&clear[i]) > MARGIN_DEVIATIONS / 2.0 * predicted[i])
        .collect();
    let of = |all: &[Vec<i64>]| doubtful.iter().map(|&i| all[i].clone()).collect::<Vec<_>>();
    let many = predicted_deviations(network, &of(inputs), &of(&clear), MANY_DRAWS)?;
    for (i, deviation) in doubtful.into_iter().zip(many) {
        predicted[i] = deviation;
    }
    let mut faithfulness = Faithfulness::default();
    for ((clear, noisy), predicted) in clear.iter().zip(&noisy).zip(predicted) {
        faithfulness.add(clear, noisy, predicted);
    }
    Ok(faithfulness)
}

/// Root mean square deviation of a logit of each patch, by simulating it `draws` times.
#[expect(clippy::cast_precision_loss, reason = "hundreds")]
fn predicted_deviations(
    network: &StandIn,
    inputs: &[Vec<i64>],
    clear: &[Vec<i64>],
    draws: u64,
) -> Result<Vec<f64>, BenchError> {
    let mut squares = vec![0.0; inputs.len()];
    for draw in 0..draws {
        let noisy =
            network
                .circuit
                .simulate_values(&network.plan.figures(), inputs, PREDICTION_SEED + draw)?;
        for ((squares, clear), noisy) in squares.iter_mut().zip(clear).zip(&noisy) {
            *squares += faithful::deviation_squares(clear, noisy) / clear.len() as f64;
        }
    }
    Ok(squares
        .into_iter()
        .map(|squares| (squares / draws as f64).sqrt())
        .collect())
}

fn clear_logits(network: &StandIn, inputs: &[Vec<i64>]) -> Result<Vec<Vec<i64>>, BenchError> {
    let outputs = network.circuit.evaluate_batch(inputs)?;
    let logits = outputs.iter().map(|outputs| {
        let values = outputs.iter().flat_map(|output| output.values.iter().copied());
        values.collect()
    });
    Ok(logits.collect())
}

/// Client, server, client: the patches and the time key generation took.
fn evaluate(network: &StandIn, name: &str, inputs: &[Vec<i64>]) -> Result<(Vec<Patch>, f64), BenchError> {
    let exchange = Exchange::new()?;
    eprintln!("generating keys of {} ...", network.parameters.name);
    let generate = || {
        let secret = SecretKeys::generate(&network.parameters)?;
        let wire = secret.evaluation_keys(&mut |_, _| {})?;
        Ok::<_, BenchError>((secret, wire))
    };
    let (keygen_ms, (secret, wire)) = time_ms(generate)?;
    write(&exchange.keys(), &wire)?;
    for (patch, input) in inputs.iter().enumerate() {
        write(&exchange.item(patch), &secret.encrypt(&network.plan, input)?)?;
    }
    exchange.serve(name, inputs.len())?;
    let patches = inputs.iter().enumerate().map(|(index, input)| {
        let answer = crate::standin::read(&exchange.answer(index))?;
        let decrypted = secret.decrypt(&network.plan, &answer)?;
        let clear = network.circuit.evaluate(input)?;
        let values = |outputs: &[obscura_circuit::Output]| {
            outputs
                .iter()
                .flat_map(|output| output.values.iter().copied())
                .collect()
        };
        Ok(Patch {
            clear: values(&clear),
            decrypted: values(&decrypted),
            run: Run::read(&exchange.run(index))?,
            noise: noise::measure(network, &secret, input, &exchange.samples(index))?,
        })
    });
    Ok((patches.collect::<Result<_, BenchError>>()?, keygen_ms / 1e3))
}

impl Findings {
    /// Median over the patches of a figure of their runs.
    fn of_runs(&self, figure: impl Fn(&Run) -> f64) -> f64 {
        median(
            &mut self
                .patches
                .iter()
                .map(|patch| figure(&patch.run))
                .collect::<Vec<_>>(),
        )
    }

    /// Root mean square over the patches.
    #[expect(clippy::cast_precision_loss, reason = "hundreds")]
    fn predicted_deviation(&self) -> f64 {
        let squares: f64 = self.predicted.iter().map(|sigma| sigma * sigma).sum();
        (squares / self.predicted.len().max(1) as f64).sqrt()
    }

    fn report(&self) -> Report {
        let mut report = Report::default();
        report.count("vgg11_tables", self.network.circuit.look_ups());
        report.put("logit_deviation_predicted", self.predicted_deviation());
        if let Some(simulated) = &self.simulated {
            report.count("simulated_patches", simulated.patches);
            report.put("simulated_argmax_agreement", simulated.agreement());
            report.put("simulated_logit_deviation", simulated.deviation());
            report.count("simulated_margin_patches", simulated.clear_cases);
            report.count(
                "simulated_class_changes_beyond_margin",
                simulated.changes_beyond_margin,
            );
        }
        if let Some(first) = self.patches.first() {
            self.report_runs(&mut report);
            self.report_layers(first, &mut report);
        }
        report.count("eval_key_wire_bytes", self.network.plan.evaluation_key_bytes());
        report.count("cores", cores());
        report
    }

    #[expect(clippy::cast_precision_loss, reason = "some hundred thousand tables")]
    fn report_runs(&self, report: &mut Report) {
        let share = |part: fn(&Run) -> f64| self.of_runs(|run| run.share(part(run)));
        let wall_s = self.of_runs(|run| run.wall_s);
        report.count("patches", self.patches.len());
        report.put("vgg11_patch_s", wall_s);
        report.put(
            "table_ms",
            wall_s * 1e3 / self.network.circuit.look_ups().max(1) as f64,
        );
        report.put("linear_share", share(|run| run.linear_s));
        report.put("keyswitch_share", share(|run| run.key_switch_s));
        report.put("rotation_share", share(|run| run.rotation_s));
        report.put("peak_rss_mib", self.of_runs(|run| run.peak_rss_mib));
        report.put("load_keys_s", self.of_runs(|run| run.load_keys_s));
        report.put("keygen_s", self.keygen_s);
        report.put("argmax_agreement", self.encrypted.agreement());
        report.put("logit_deviation", self.encrypted.deviation());
        report.count(
            "class_changes_beyond_margin",
            self.encrypted.changes_beyond_margin,
        );
        let waiting = 1.0 - self.of_runs(|run| run.share(run.cpu_s));
        report.put("waiting_share", waiting.max(0.0));
    }

    /// Deviations of every layer, over all patches.
    fn layer_noise(&self) -> Vec<LayerNoise> {
        let mut layers = vec![LayerNoise::default(); self.network.circuit.layers().len()];
        for patch in &self.patches {
            for (layer, &noise) in layers.iter_mut().zip(&patch.noise) {
                layer.join(noise);
            }
        }
        layers
    }

    /// What rotations themselves added, measured and predicted, log2 in units of the torus.
    fn rotation_noise(&self) -> Option<(f64, f64)> {
        let figures = self.network.plan.figures();
        let layers = self.layer_noise().into_iter().zip(&figures.tables);
        let squares = layers.filter_map(|(noise, table)| {
            let (measured, predicted) = (noise.rotation()?, table.as_ref()?.after_sigma);
            Some((measured * measured, predicted * predicted))
        });
        let sums = |a: (f64, f64, f64), b: (f64, f64)| (a.0 + b.0, a.1 + b.1, a.2 + 1.0);
        let (measured, predicted, count) = squares.fold((0.0, 0.0, 0.0), sums);
        (measured > 0.0).then(|| ((measured / count).log2() / 2.0, (predicted / count).log2() / 2.0))
    }

    fn report_layers(&self, patch: &Patch, report: &mut Report) {
        if let Some((measured, predicted)) = self.rotation_noise() {
            report.put("rotation_noise_log2", measured);
            report.put("rotation_noise_log2_predicted", predicted);
        }
        let names = self.network.circuit.layer_names();
        for stretch in &patch.run.stretches {
            report.put(&format!("layer_{}_s", names[stretch.first]), stretch.wall_s);
        }
        for (name, noise) in names.iter().zip(self.layer_noise()) {
            if let Some(measured) = noise.measured() {
                report.put(&format!("layer_{name}_noise_measured_steps"), measured);
            }
            report.put(&format!("layer_{name}_noise_predicted_steps"), noise.predicted());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_are_spread_over_what_there_is() {
        let inputs: Vec<Vec<i64>> = (0..32).map(|x| vec![x]).collect();
        assert_eq!(spread(inputs.clone(), 2), [[0], [16]]);
        assert_eq!(spread(inputs.clone(), 1), [[0]]);
        assert_eq!(spread(inputs, 100).len(), 32);
    }

    #[test]
    fn options_are_read_and_unknown_ones_refused() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let options = Options::parse(&words("--patches 3 --simulate-only --data x")).unwrap();
        assert_eq!((options.patches, options.simulate_only), (3, true));
        assert!(Options::parse(&words("--patches")).is_err());
        assert!(Options::parse(&words("--patients 3")).is_err());
    }
}
