//! Choosing: every candidate planned, the frontier simulated.

use obscura_circuit::{Circuit, Operation};
use obscura_fhe_core::{OutputPlan, ParameterSet, Plan, PlanError};

use crate::{
    Assessed, Calibration, Candidate, CompileError, Trial, bisect, frontier, look_up_cost, search::try_all,
};

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
    /// Whether every candidate of the frontier is simulated, not only those that bisection asks for.
    pub every_set: bool,
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
    let Assessment {
        frontier,
        considered,
        refused,
    } = assess(circuit, calibration, settings)?;
    progress(&format!(
        "{considered} candidates, {refused} of them cannot evaluate the circuit"
    ));
    let mut simulate = |index: usize| {
        let Assessed {
            candidate,
            cost,
            noise,
            ..
        } = &frontier[index];
        let trial = simulated(circuit, calibration, settings, (index, candidate))?;
        progress(&format!(
            "cost {cost:.3e}, output noise {:.3} % of the range: {:.2} % of the decisions change",
            100.0 * noise,
            100.0 * trial.changed
        ));
        Ok::<_, CompileError>(trial)
    };
    let search = if settings.every_set { try_all } else { bisect };
    let (found, trials) = search(frontier.len(), settings.bound, &mut simulate)?;
    let Some(&chosen) = found.and_then(|index| trials.iter().find(|trial| trial.index == index)) else {
        let last = trials.iter().max_by_key(|trial| trial.index);
        return Err(CompileError::BoundOutOfReach {
            changed: last.map_or(1.0, |trial| trial.changed),
            bound: settings.bound,
        });
    };
    let candidate = frontier[chosen.index].candidate;
    let set = candidate.to_set(&settings.name)?;
    let plan = Plan::new(circuit, &set).map_err(CompileError::Infeasible)?;
    Ok(Choice {
        candidate,
        set,
        plan,
        changed: chosen.changed,
        accuracy: chosen.accuracy,
        frontier,
        index: chosen.index,
        trials,
        considered,
        refused,
    })
}

/// The candidates, planned.
struct Assessment {
    frontier: Vec<Assessed<Candidate>>,
    considered: usize,
    refused: usize,
}

fn assess(
    circuit: &Circuit,
    calibration: &Calibration,
    settings: &Settings,
) -> Result<Assessment, CompileError> {
    if circuit.look_ups() == 0 {
        return Err(CompileError::NoTable);
    }
    let outputs = circuit.outputs().iter();
    let elements: usize = outputs.map(|o| circuit.shape(o.reads).elements()).sum();
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
    if let (true, Some((_, error))) = (assessed.is_empty(), refusal) {
        return Err(CompileError::Infeasible(error));
    }
    Ok(Assessment {
        refused: considered - assessed.len(),
        frontier: frontier(assessed),
        considered,
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

/// What the noise of a candidate, number `index`, does: means over the draws.
fn simulated(
    circuit: &Circuit,
    calibration: &Calibration,
    settings: &Settings,
    (index, candidate): (usize, &Candidate),
) -> Result<Trial, CompileError> {
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
    Ok(Trial {
        index,
        changed: mean(changed),
        accuracy: accuracy.map(mean),
    })
}
