//! The report for people, to be committed beside the network.

use std::fmt::Write as _;

use super::{
    Findings, Patch,
    faithful::{MARGIN_DEVIATIONS, margin, real, top},
};
use crate::report::{cores, round};

/// The report.
pub(super) fn render(findings: &Findings) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = head(findings, &mut text);
    if let Some(patch) = findings.patches.first() {
        let _ = costs(findings, patch, &mut text);
        let _ = noise(findings, &mut text);
        let _ = logits(findings, &mut text);
    }
    let _ = simulation(findings, &mut text);
    text
}

fn head(findings: &Findings, text: &mut String) -> std::fmt::Result {
    let set = &findings.network.parameters;
    writeln!(text, "# Encrypted evaluation, measured\n")?;
    writeln!(
        text,
        "Made by `cargo xtask bench vgg11-patch`. Parameters `{}`: n = {} in blocks of {}, k = {}, N = {}, rotation \
         2^{} x {},\nkey switch 2^{} x {}, {:.1} bits of security. {} table look-ups per patch. Machine: {} cores, {}.\n",
        set.name,
        set.lwe_dimension,
        set.lwe_block,
        set.glwe_dimension,
        set.polynomial_size,
        set.rotation_base_log2,
        set.rotation_levels,
        set.key_switch_base_log2,
        set.key_switch_levels,
        set.security_bits(),
        findings.network.circuit.look_ups(),
        cores(),
        processor(),
    )
}

fn costs(findings: &Findings, patch: &Patch, text: &mut String) -> std::fmt::Result {
    let run = &patch.run;
    let share = |seconds: f64| 100.0 * run.share(seconds);
    writeln!(text, "## Time and memory of the first patch\n")?;
    writeln!(
        text,
        "{:.1} s, {:.1} core-seconds of work. Of the cores' time: rotation {:.1} %, key switch {:.1} %, dense layers and pools {:.1} \
         %.\nPeak memory of the server process {:.0} MiB, one client's keys included. Key generation {:.1} s, \
         loading keys {:.1} s.\n",
        run.wall_s,
        run.cpu_s,
        share(run.rotation_s),
        share(run.key_switch_s),
        share(run.linear_s),
        run.peak_rss_mib,
        findings.keygen_s,
        run.load_keys_s,
    )?;
    let names = findings.network.circuit.layer_names();
    writeln!(text, "| layers | s |\n|---|---|")?;
    for stretch in &run.stretches {
        let (first, last) = (names[stretch.first], names[stretch.last]);
        let label = if first == last {
            first.to_owned()
        } else {
            format!("{first} to {last}")
        };
        writeln!(text, "| {label} | {:.2} |", stretch.wall_s)?;
    }
    writeln!(text)
}

fn noise(findings: &Findings, text: &mut String) -> std::fmt::Result {
    writeln!(text, "## Deviation from the clear evaluation, layer by layer\n")?;
    writeln!(
        text,
        "Root mean square, everything that earlier tables passed on included; accumulators in entries of the \
         table that\nreads them, other tensors in their integers. Predicted by simulation of the same patches. The \
         last column is the plan's\nprediction of what a look-up's own way adds, in entries of its table.\n"
    )?;
    writeln!(
        text,
        "| layer | predicted | measured | ciphertexts | look-up |\n|---|---|---|---|---|"
    )?;
    let plan = &findings.network.plan;
    let layers = findings
        .network
        .circuit
        .layer_names()
        .into_iter()
        .zip(findings.layer_noise());
    for (index, (name, noise)) in layers.enumerate() {
        let measured = noise
            .measured()
            .map_or_else(|| "-".to_owned(), |steps| format!("{steps:.3}"));
        let own = plan
            .layer_noise(index)
            .and_then(|noise| noise.look_up)
            .map_or_else(String::new, |noise| format!("{:.2}", noise.sigma_entries));
        writeln!(
            text,
            "| {name} | {:.3} | {measured} | {} | {own} |",
            noise.predicted(),
            noise.count
        )?;
    }
    if let Some((measured, predicted)) = findings.rotation_noise() {
        writeln!(
            text,
            "\nA rotation itself adds 2^{measured:.2} of the torus, predicted 2^{predicted:.2}."
        )?;
    }
    writeln!(text)
}

fn logits(findings: &Findings, text: &mut String) -> std::fmt::Result {
    let encrypted = &findings.encrypted;
    writeln!(text, "## Logits of every patch evaluated encrypted\n")?;
    writeln!(
        text,
        "{} of {} keep their class; deviation of a logit {} measured, {} predicted. {} had a clear top-two margin over \
         {MARGIN_DEVIATIONS}\nof its own predicted deviations; {} of these changed class.\n",
        encrypted.agreeing,
        encrypted.patches,
        round(encrypted.deviation()),
        round(findings.predicted_deviation()),
        encrypted.clear_cases,
        encrypted.changes_beyond_margin,
    )?;
    writeln!(
        text,
        "| patch | class clear | class encrypted | margin in deviations | largest deviation of a logit | s |\n\
         |---|---|---|---|---|---|"
    )?;
    for (index, (patch, predicted)) in findings.patches.iter().zip(&findings.predicted).enumerate() {
        let (clear, noisy) = (real(&patch.clear), real(&patch.decrypted));
        let largest = clear
            .iter()
            .zip(&noisy)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f64::max);
        writeln!(
            text,
            "| {index} | {} | {} | {:.1} | {largest:.0} | {:.1} |",
            top(&clear).0,
            top(&noisy).0,
            margin(&patch.clear) / predicted,
            patch.run.wall_s,
        )?;
    }
    writeln!(text)
}

fn simulation(findings: &Findings, text: &mut String) -> std::fmt::Result {
    let Some(simulated) = &findings.simulated else {
        return Ok(());
    };
    writeln!(text, "## Simulation of {} patches\n", simulated.patches)?;
    writeln!(
        text,
        "Arg-max agreement {:.2} %; deviation of a logit {}. {} patches had a clear top-two margin over \
         {MARGIN_DEVIATIONS}\nof its own predicted deviations; {} of these changed class.",
        100.0 * simulated.agreement(),
        round(simulated.deviation()),
        simulated.clear_cases,
        simulated.changes_beyond_margin,
    )
}

/// The processor's name, as Linux gives it.
fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    let name = lines.find(|(key, _)| key.trim() == "model name");
    name.map_or_else(
        || "unknown processor".to_owned(),
        |(_, value)| value.trim().to_owned(),
    )
}
