//! The report of a search, for people: what was chosen, why, and what it predicts.

use std::fmt::{self, Write as _};

use obscura_circuit::{Circuit, Operation};
use serde_json::{Value, json};

use crate::{Calibration, Choice, CompileError, ESTIMATOR, Row, Settings, Sweep};

/// The rule of the choice, for both reports.
const RULE: &str = "Chosen is the lowest predicted cost of an item among all rows and parameters whose share of changed \
    decisions stays within the bound; of costs within a twentieth of it the finest tables.";
/// Samples that are traced for the observed ranges.
const TRACED: usize = 64;

/// Writes the report in Markdown.
///
/// # Errors
/// [`CompileError::NoTable`] for a sweep without a choice, [`CompileError::Circuit`] when a calibration sample does not fit
/// the circuit.
pub fn report(calibration: &Calibration, settings: &Settings, sweep: &Sweep) -> Result<String, CompileError> {
    let (row, choice) = sweep.chosen().ok_or(CompileError::NoTable)?;
    let circuit = &row.network.circuit;
    let mut text = String::new();
    // Writing into a string cannot fail.
    let _ = header(&mut text, circuit, calibration, settings, choice);
    if sweep.rows.len() + sweep.refused.len() > 1 {
        let _ = precisions(&mut text, calibration, settings, sweep);
    }
    let _ = search(&mut text, calibration, choice);
    let observed = calibration.observed(circuit, TRACED)?;
    let _ = layers(&mut text, circuit, choice, &observed);
    Ok(text)
}

/// The same report for programs.
pub fn json(calibration: &Calibration, settings: &Settings, sweep: &Sweep) -> Value {
    let row = |(at, row): (usize, &Row)| {
        let found = row.found.as_ref();
        json!({
            "table_bits": row.bits,
            "table_entries": row.entries(),
            "chosen": at == sweep.chosen,
            "look_ups": row.network.circuit.look_ups(),
            "cost": row.cost(),
            "changed_without_noise": row.changed_clear,
            "accuracy_without_noise": row.accuracy_clear,
            "changed": found.ok().map(|choice| choice.changed),
            "accuracy": found.ok().and_then(|choice| choice.accuracy),
            "error": found.err().map(CompileError::chain),
            "candidates": found.ok().map(candidates),
        })
    };
    json!({
        "format": 1,
        "name": settings.name,
        "rule": RULE,
        "bound": settings.bound,
        "draws": settings.draws,
        "seed": settings.seed,
        "decisions": calibration.decisions(),
        "decided_on": calibration.unit().many(),
        "accuracy_exported": calibration.clear_accuracy(),
        "rows": sweep.rows.iter().enumerate().map(row).collect::<Vec<_>>(),
        "refused": sweep.refused.iter().map(|(bits, error)| json!({
            "table_bits": bits, "error": error.chain(),
        })).collect::<Vec<_>>(),
    })
}

fn candidates(choice: &Choice) -> Vec<Value> {
    let candidate = |(index, assessed): (usize, &crate::Assessed<crate::Candidate>)| {
        let (c, tried) = (
            &assessed.candidate,
            choice.trials.iter().find(|t| t.index == index),
        );
        json!({
            "lwe_dimension": c.small.dimension,
            "lwe_block": c.small.block,
            "glwe_dimension": c.glwe_dimension,
            "polynomial_size": c.polynomial_size,
            "rotation_base_log2": c.rotation.0,
            "rotation_levels": c.rotation.1,
            "key_switch_base_log2": c.key_switch.0,
            "key_switch_levels": c.key_switch.1,
            "look_up_cost": assessed.cost,
            "output_noise": assessed.noise,
            "look_up_noise_entries": assessed.look_up_entries,
            "changed": tried.map(|trial| trial.changed),
            "accuracy": tried.and_then(|trial| trial.accuracy),
            "chosen": index == choice.index,
        })
    };
    choice.frontier.iter().enumerate().map(candidate).collect()
}

fn precisions(
    out: &mut String,
    calibration: &Calibration,
    settings: &Settings,
    sweep: &Sweep,
) -> fmt::Result {
    writeln!(out, "\n## Table precision\n\n{RULE}\n")?;
    writeln!(
        out,
        "Tables of b bits have at most 2^b entries and 2^b levels of values. Cost is the predicted one of an item, relative \
         to the chosen row; changed decisions are those on {} calibration {}, against the exporter's circuit in the \
         clear{}.\n",
        calibration.decisions(),
        calibration.unit().many(),
        match calibration.clear_accuracy() {
            Some(accuracy) => format!(", whose balanced accuracy is {accuracy:.4}"),
            None => String::new(),
        }
    )?;
    writeln!(
        out,
        "| tables | entries | cost | parameters | changed without noise | changed | balanced accuracy lost |\n\
         |---|---|---|---|---|---|---|"
    )?;
    let own = sweep.chosen().and_then(|(row, _)| row.cost()).unwrap_or(1.0);
    for (at, row) in sweep.rows.iter().enumerate() {
        let mark = if at == sweep.chosen { " (chosen)" } else { "" };
        write!(out, "| {}{mark} | {} |", row.name(), row.entries())?;
        match &row.found {
            Ok(choice) => {
                let lost = lost(calibration, choice.accuracy);
                let (set, cost) = (&choice.set, row.cost().unwrap_or(own) / own);
                writeln!(
                    out,
                    " {cost:.2} | n = {}, N = {}, rotation {} x {}, key switch {} x {} | {:.2} % | {:.2} % | {lost} |",
                    set.lwe_dimension,
                    set.polynomial_size,
                    set.rotation_levels,
                    set.rotation_base_log2,
                    set.key_switch_levels,
                    set.key_switch_base_log2,
                    100.0 * row.changed_clear,
                    100.0 * choice.changed,
                )?;
            }
            Err(error) => writeln!(
                out,
                " | none: {} | {:.2} % | over {:.1} % | |",
                error.chain(),
                100.0 * row.changed_clear,
                100.0 * settings.bound
            )?,
        }
    }
    for (bits, error) in &sweep.refused {
        writeln!(out, "| {bits} bits | | | refused: {} | | | |", error.chain())?;
    }
    Ok(())
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
         {} ({} draws each): {:.2} % in simulation.\n",
        circuit.look_ups(),
        100.0 * settings.bound,
        calibration.decisions(),
        calibration.unit().many(),
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

/// What is lost of the exporter's balanced accuracy; nothing to say without labels.
fn lost(calibration: &Calibration, accuracy: Option<f64>) -> String {
    let lost = calibration.clear_accuracy().zip(accuracy);
    lost.map_or_else(String::new, |(clear, own)| format!("{:+.4}", clear - own))
}

fn search(out: &mut String, calibration: &Calibration, choice: &Choice) -> fmt::Result {
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
        "| n | block | k | N | rotation | key switch | cost | output noise, % | look-up noise, entries | decisions changed | balanced \
         accuracy lost |\n|---|---|---|---|---|---|---|---|---|---|---|"
    )?;
    let own = choice.frontier.get(choice.index).map_or(1.0, |a| a.cost);
    for (index, assessed) in choice.frontier.iter().enumerate() {
        let (c, mark) = (
            &assessed.candidate,
            if index == choice.index { " (chosen)" } else { "" },
        );
        let tried = choice.trials.iter().find(|t| t.index == index);
        let changed = tried.map_or_else(String::new, |t| format!("{:.2} %", 100.0 * t.changed));
        let lost = lost(calibration, tried.and_then(|trial| trial.accuracy));
        writeln!(
            out,
            "| {}{mark} | {} | {} | {} | {} x {} | {} x {} | {:.2} | {:.3} | {:.3} | {changed} | {lost} |",
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
