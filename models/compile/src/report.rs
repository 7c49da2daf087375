//! The report of a search, for people: what was chosen, why, and what it predicts.

use std::fmt::{self, Write as _};

use obscura_circuit::{Circuit, Operation};

use crate::{Calibration, Choice, CompileError, ESTIMATOR, Settings};

/// Samples that are traced for the observed ranges.
const TRACED: usize = 64;

/// Writes the report in Markdown.
///
/// # Errors
/// [`CompileError::Circuit`] when a calibration sample does not fit the circuit.
pub fn report(
    circuit: &Circuit,
    calibration: &Calibration,
    settings: &Settings,
    choice: &Choice,
) -> Result<String, CompileError> {
    let mut text = String::new();
    // Writing into a string cannot fail.
    let _ = header(&mut text, circuit, calibration, settings, choice);
    let _ = search(&mut text, choice);
    let observed = calibration.observed(circuit, TRACED)?;
    let _ = layers(&mut text, circuit, choice, &observed);
    Ok(text)
}

fn header(
    out: &mut String,
    circuit: &Circuit,
    calibration: &Calibration,
    settings: &Settings,
    choice: &Choice,
) -> fmt::Result {
    let (set, small, plan) = (&choice.set, &choice.candidate.small, &choice.plan);
    writeln!(out, "# Parameters of `{}`\n", set.name)?;
    writeln!(
        out,
        "Chosen for {} look-ups per item, so that noise changes at most {:.1} % of the decisions on {} calibration \
         samples ({} draws each): {:.2} % in simulation.\n",
        circuit.look_ups(),
        100.0 * settings.bound,
        calibration.samples.len(),
        settings.draws,
        100.0 * choice.changed
    )?;
    writeln!(out, "| what | value |\n|---|---|")?;
    let mut row = |what: &str, value: String| writeln!(out, "| {what} | {value} |");
    row(
        "rotation",
        format!(
            "k = {}, N = {}, {} levels of {} bits",
            set.glwe_dimension, set.polynomial_size, set.rotation_levels, set.rotation_base_log2
        ),
    )?;
    row(
        "small secret",
        format!(
            "n = {}, {} blocks of {}, noise 2^{}",
            set.lwe_dimension,
            set.lwe_dimension / set.lwe_block,
            set.lwe_block,
            set.lwe_noise_log2
        ),
    )?;
    row(
        "key switch",
        format!(
            "{} levels of {} bits",
            set.key_switch_levels, set.key_switch_base_log2
        ),
    )?;
    row("security", format!("{:.1} bits", set.security_bits()))?;
    row(
        "cheapest attacks on the small secret",
        format!(
            "uSVP {:.1}, BDD {:.1}, dual hybrid {:.1}, primal hybrid {:.1}",
            small.usvp, small.bdd, small.dual_hybrid, small.primal_hybrid
        ),
    )?;
    row("estimator", ESTIMATOR.to_owned())?;
    row(
        "evaluation keys on the wire",
        format!("{} bytes", plan.evaluation_key_bytes()),
    )?;
    row("request", format!("{} bytes", plan.request_bytes()))?;
    row("answer", format!("{} bytes", plan.answer_bytes()))
}

fn search(out: &mut String, choice: &Choice) -> fmt::Result {
    writeln!(
        out,
        "\n## Search\n\n{} candidates, {} of them unable to evaluate the circuit, {} neither beaten in cost nor in noise. \
         Cost is that of a look-up, relative to the chosen one; output noise is the predicted deviation of the outputs in \
         percent of their range on the calibration samples.\n",
        choice.considered,
        choice.refused,
        choice.frontier.len()
    )?;
    writeln!(
        out,
        "| n | block | k | N | rotation | key switch | cost | output noise, % | look-up noise, entries | decisions changed |\n\
         |---|---|---|---|---|---|---|---|---|---|"
    )?;
    let own = choice.frontier.get(choice.index).map_or(1.0, |a| a.cost);
    for (index, assessed) in choice.frontier.iter().enumerate() {
        let (c, mark) = (
            &assessed.candidate,
            if index == choice.index { " (chosen)" } else { "" },
        );
        let tried = choice.trials.iter().find(|t| t.index == index);
        let changed = tried.map_or_else(String::new, |t| format!("{:.2} %", 100.0 * t.changed));
        writeln!(
            out,
            "| {}{mark} | {} | {} | {} | {} x {} | {} x {} | {:.2} | {:.3} | {:.3} | {changed} |",
            c.small.dimension,
            c.small.block,
            c.glwe_dimension,
            c.polynomial_size,
            c.rotation.1,
            c.rotation.0,
            c.key_switch.1,
            c.key_switch.0,
            assessed.cost / own,
            100.0 * assessed.noise,
            assessed.look_up_entries
        )?;
    }
    Ok(())
}

fn layers(
    out: &mut String,
    circuit: &Circuit,
    choice: &Choice,
    observed: &[Option<obscura_circuit::Interval>],
) -> fmt::Result {
    writeln!(
        out,
        "\n## Tables\n\n| layer | look-ups | expected inputs | observed in calibration | predicted noise, entries |\n\
         |---|---|---|---|---|"
    )?;
    for (index, layer) in circuit.layers().iter().enumerate() {
        let (Operation::Lut(lut), Some(table)) = (&layer.operation, choice.plan.table(index)) else {
            continue;
        };
        let show =
            |i: Option<obscura_circuit::Interval>| i.map_or_else(|| "all".to_owned(), |i| i.to_string());
        writeln!(
            out,
            "| {} | {} | {} | {} | {:.3} |",
            layer.name,
            circuit.shape(index + 1).elements(),
            show(lut.calibrated),
            show(observed.get(index).copied().flatten()),
            table.noise.sigma_entries
        )?;
    }
    Ok(())
}
