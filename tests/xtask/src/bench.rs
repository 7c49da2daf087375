//! `bench`: measures, prints a table and writes `target/reports/NAME.json`, one flat object of numbers.

use std::{fs, path::PathBuf};

use serde_json::{Map, Value};

use crate::{
    bench_figures::{ENGINE, Figure, RECORD, SCAN, TRANSPORT, VGG11_PATCH, show},
    demo,
    error::TaskError,
    run::{cargo, command, read, run, target},
    scan,
    tools::{self, Debian},
    ui::say,
};

/// The benchmarks there are.
const AVAILABLE: &str = "record, engine, vgg11-patch, scan, transport";
/// The programs that the transport benchmark starts.
const TRANSPORT_PROGRAMS: [&str; 3] = ["obscura-gate", "obscura-provision", "obscura-sign"];

/// What `bench` is asked for.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// What to measure (record, engine, vgg11-patch, scan, transport); without it, the list.
    name: Option<String>,
    /// vgg11-patch: whole patches to evaluate encrypted.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    patches: u32,
    /// scan: leave out the patch of the large network, which takes minutes.
    #[arg(long)]
    without_vgg11: bool,
    /// vgg11-patch: folder or file of further patches (safetensors), for the simulation of thousands.
    #[arg(long)]
    data: Option<PathBuf>,
}

/// Runs the benchmark that is asked for.
///
/// # Errors
/// [`TaskError`].
pub(crate) fn bench(options: &Options) -> Result<(), TaskError> {
    match options.name.as_deref() {
        Some("record") => record(),
        Some("engine") => finish("engine", &measure(&["engine".to_owned()])?, &ENGINE),
        Some("vgg11-patch") => vgg11_patch(options),
        Some("scan") => scan(options),
        Some("transport") => transport(),
        other => Err(TaskError::NoSuchName {
            verb: "bench",
            name: other.unwrap_or_default().to_owned(),
            available: AVAILABLE,
        }),
    }
}

fn record() -> Result<(), TaskError> {
    say("tfhe's integers need a build of their own ...");
    run(&mut cargo(&["build", "--locked", "-p", "obscura-bench-integers"]))?;
    let mut report = measure(&["record".to_owned()])?;
    say("\nNow the demo, for its time.");
    let summary = demo::demo(false, 5)?;
    for (name, seconds) in [
        ("demo_s", summary.total_s),
        ("demo_first_run_s", summary.first_run_s),
    ] {
        report.insert(name.to_owned(), Value::from((seconds * 100.0).round() / 100.0));
    }
    finish("record", &report, &RECORD)
}

fn vgg11_patch(options: &Options) -> Result<(), TaskError> {
    let text = target("reports/vgg11-patch.md")?;
    let mut arguments = vec![
        "vgg11-patch".to_owned(),
        "--report".to_owned(),
        text.to_string_lossy().into_owned(),
        "--patches".to_owned(),
        options.patches.to_string(),
    ];
    if let Some(data) = &options.data {
        arguments.extend(["--data".to_owned(), data.to_string_lossy().into_owned()]);
    }
    let report = measure(&arguments)?;
    finish("vgg11-patch", &report, &VGG11_PATCH)?;
    say(&format!("for people: {}", text.display()));
    Ok(())
}

fn scan(options: &Options) -> Result<(), TaskError> {
    let mut report = scan::measure()?;
    if !options.without_vgg11 {
        say("\nNow one patch of derm-vgg11, for what a whole scan of it would take.");
        let patch = measure(&["vgg11-patch".to_owned()])?;
        let patch_s = patch.get("vgg11_patch_s").and_then(Value::as_f64);
        let whole = patch_s.and_then(|patch_s| scan::extrapolated_s(patch_s, &report));
        report.insert("vgg11_scan_extrapolated_s".to_owned(), Value::from(whole));
    }
    finish("scan", &report, &SCAN)
}

fn transport() -> Result<(), TaskError> {
    tools::debian(&[Debian::Mosquitto])?;
    for package in TRANSPORT_PROGRAMS {
        run(&mut cargo(&["build", "--locked", "-p", package]))?;
    }
    let report = measured_by("obscura-bench-transport", &[])?;
    finish("transport", &report, &TRANSPORT)
}

fn measure(arguments: &[String]) -> Result<Map<String, Value>, TaskError> {
    measured_by("obscura-bench", arguments)
}

/// Builds the program that measures and runs it; its report.
fn measured_by(program: &'static str, arguments: &[String]) -> Result<Map<String, Value>, TaskError> {
    say("Building with the settings of the demo and the tests ...");
    run(&mut cargo(&["build", "--locked", "-p", program]))?;
    let path = target(&format!("debug/{program}"))?;
    let text = read(command(&path.to_string_lossy()).args(arguments))?;
    serde_json::from_str(&text).map_err(|_source| TaskError::BadReport { program })
}

/// Shows and writes the report.
///
/// # Errors
/// [`TaskError::Io`].
pub(crate) fn finish(name: &str, report: &Map<String, Value>, figures: &[Figure]) -> Result<(), TaskError> {
    say("");
    show(report, figures);
    let path = target(&format!("reports/{name}.json"))?;
    let text = Value::Object(report.clone()).to_string() + "\n";
    fs::write(&path, text).map_err(|source| TaskError::Io {
        path: path.clone(),
        source,
    })?;
    say(&format!("\nwritten: {}", path.display()));
    Ok(())
}
