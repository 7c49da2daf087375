//! Choosing: every candidate planned, the frontier simulated.

use obscura_circuit::{Circuit, Operation};
use obscura_fhe_core::{OutputPlan, ParameterSet, Plan, PlanError};

use crate::{Assessed, Calibration, Candidate, CompileError, Trial, bisect, frontier, look_up_cost};

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name of the parameter set.
    pub name: String,
    /// Largest share of decisions that noise may change, 0 to 1, as a mean over the draws.
    pub bound: f64,
    /// Noise draws per sample.
    pub draws: u32,
    /// First seed of the draws.
    pub seed: u64,
}

/// What was found.
#[derive(Debug)]
pub struct Choice {
    /// The chosen candidate.
    pub candidate: Candidate,
    /// Its checked set.
    pub set: ParameterSet,
    /// The circuit laid out under it.
    pub plan: Plan,
    /// Share of decisions it changes in simulation.
    pub changed: f64,
    /// Its balanced accuracy in simulation, a mean over the draws; `None` without labels.
    pub accuracy: Option<f64>,
    /// Candidates by rising cost and falling noise.
    pub frontier: Vec<Assessed<Candidate>>,
    /// Number of the chosen one on the frontier.
    pub index: usize,
    /// What was simulated, in order.
    pub trials: Vec<Trial>,
    /// Candidates in all.
    pub considered: usize,
    /// Candidates that cannot evaluate the circuit.
    pub refused: usize,
}

/// Searches the cheapest parameters whose simulated decisions stay within the bound.
///
/// `progress` hears what is being done, one line at a time.
///
/// # Errors
/// [`CompileError`], which says which figure is out of reach.
pub fn choose(
    circuit: &Circuit,
    calibration: &Calibration,
    settings: &Settings,
    progress: &mut dyn FnMut(&str),
) -> Result<Choice, CompileError> {
    if circuit.look_ups() == 0 {
        return Err(CompileError::NoTable);
    }
    let elements: usize = circuit
        .outputs()
        .iter()
        .map(|o| circuit.shape(o.reads).elements())
        .sum();
    let spans = calibration.spans();
    let (mut assessed, mut considered, mut refusal) = (Vec::new(), 0, None);
    for candidate in Candidate::all(elements > 1) {
        considered += 1;
        let set = candidate.to_set(&settings.name)?;
        match Plan::new(circuit, &set) {
            Ok(plan) => assessed.push(Assessed {
                candidate,
                cost: look_up_cost(&set),
                noise: output_noise(&plan, &spans),
                look_up_entries: look_up_entries(circuit, &plan),
            }),
            Err(error) => keep_quietest(&mut refusal, &set, error),
        }
    }
    let refused = considered - assessed.len();
    progress(&format!(
        "{considered} candidates, {refused} of them cannot evaluate the circuit"
    ));
    if let (true, Some((_, error))) = (assessed.is_empty(), refusal) {
        return Err(CompileError::Infeasible(error));
    }
    let frontier = frontier(assessed);
    let mut accuracies = Vec::new();
    let mut simulate = |index: usize| {
        let (share, accuracy) = simulated(circuit, calibration, settings, &frontier[index].candidate)?;
        accuracies.push((index, accuracy));
        let Assessed { cost, noise, .. } = frontier[index];
        progress(&format!(
            "cost {cost:.3e}, output noise {:.3} % of the range: {:.2} % of the decisions change",
            100.0 * noise,
            100.0 * share
        ));
        Ok::<_, CompileError>(share)
    };
    let (found, trials) = bisect(frontier.len(), settings.bound, &mut simulate)?;
    let Some(index) = found else {
        let last = frontier.len().saturating_sub(1);
        let tried = trials.iter().find(|t| t.index == last).map(|t| t.changed);
        return Err(CompileError::BoundOutOfReach {
            changed: tried.unwrap_or(1.0),
            bound: settings.bound,
        });
    };
    let candidate = frontier[index].candidate;
    let set = candidate.to_set(&settings.name)?;
    let plan = Plan::new(circuit, &set).map_err(CompileError::Infeasible)?;
    let changed = trials
        .iter()
        .find(|t| t.index == index)
        .map_or(0.0, |t| t.changed);
    let accuracy = accuracies.iter().find(|(tried, _)| *tried == index);
    Ok(Choice {
        accuracy: accuracy.and_then(|(_, accuracy)| *accuracy),
        candidate,
        set,
        plan,
        changed,
        frontier,
        index,
        trials,
        considered,
        refused,
    })
}

/// Keeps the refusal of the set with the least noise, which says most about the circuit.
fn keep_quietest(kept: &mut Option<(f64, PlanError)>, set: &ParameterSet, error: PlanError) {
    let noise = obscura_fhe_core::Noise::rotation(set).sigma();
    if kept.as_ref().is_none_or(|(least, _)| noise < *least) {
        *kept = Some((noise, error));
    }
}

/// Predicted deviation of the outputs as a share of their `spans`, the largest over the outputs.
///
/// The look-ups' own noise would not do: what the last rotation adds reaches no further look-up, only the outputs.
fn output_noise(plan: &Plan, spans: &[f64]) -> f64 {
    let shares = plan.outputs().iter().zip(spans);
    let share = |(output, span): (&OutputPlan, &f64)| output.sigma / span.max(1.0);
    shares.map(share).fold(0.0, f64::max)
}

/// Mean over all look-ups of the predicted deviation, in entries of their table.
fn look_up_entries(circuit: &Circuit, plan: &Plan) -> f64 {
    let mut sum = (0.0, 0.0);
    for (index, layer) in circuit.layers().iter().enumerate() {
        if let (Operation::Lut(_), Some(table)) = (&layer.operation, plan.table(index)) {
            let weight = u32::try_from(circuit.shape(index + 1).elements()).map_or(0.0, f64::from);
            sum = (sum.0 + weight * table.noise.sigma_entries, sum.1 + weight);
        }
    }
    sum.0 / f64::max(sum.1, 1.0)
}

/// Share of decisions that the noise of a candidate changes, and the balanced accuracy that is left: means over the
/// draws.
fn simulated(
    circuit: &Circuit,
    calibration: &Calibration,
    settings: &Settings,
    candidate: &Candidate,
) -> Result<(f64, Option<f64>), CompileError> {
    let set = candidate.to_set(&settings.name)?;
    let plan = Plan::new(circuit, &set).map_err(CompileError::Infeasible)?;
    let figures = plan.figures();
    let draws = settings.draws.max(1);
    let (mut changed, mut accuracy) = (0.0, Some(0.0));
    for draw in 0..draws {
        let seed = settings.seed.wrapping_add(draw.into());
        let noisy = circuit.simulate_values(&figures, &calibration.samples, seed)?;
        changed += calibration.changed(&noisy);
        accuracy = accuracy
            .zip(calibration.accuracy(&noisy))
            .map(|(sum, own)| sum + own);
    }
    let mean = |sum: f64| sum / f64::from(draws);
    Ok((mean(changed), accuracy.map(mean)))
}
