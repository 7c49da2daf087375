//! `soak`: runs a long fault campaign, prints a table and writes `target/reports/NAME.json`.

use serde_json::{Map, Value};

use crate::{
    bench::finish,
    bench_figures::SIMULATE,
    error::TaskError,
    run::{cargo, command, read_whatever, run, target},
    ui::say,
};

/// The campaigns there are.
const AVAILABLE: &str = "simulate";

/// What `soak` is asked for.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Which campaign (simulate); without it, the list.
    name: Option<String>,
    /// simulate: how many seeds.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// simulate: the first seed; "now" for seeds nobody ran before.
    #[arg(long, default_value = "0")]
    first: String,
}

/// Runs the campaign that is asked for.
///
/// # Errors
/// [`TaskError`]; a broken rule is one, after the report was written.
pub(crate) fn soak(options: &Options) -> Result<(), TaskError> {
    match options.name.as_deref() {
        Some("simulate") => simulate(options),
        other => Err(TaskError::NoSuchName {
            verb: "soak",
            name: other.unwrap_or_default().to_owned(),
            available: AVAILABLE,
        }),
    }
}

fn simulate(options: &Options) -> Result<(), TaskError> {
    say("Building with the settings of the demo and the tests ...");
    run(&mut cargo(&["build", "--locked", "-p", "obscura-simulation"]))?;
    let program = target("debug/obscura-simulation")?;
    let mut simulation = command(&program.to_string_lossy());
    simulation.args(["--seeds", &options.seeds.to_string(), "--first", &options.first]);
    let (text, held) = read_whatever(&mut simulation)?;
    let report: Result<Map<String, Value>, _> = serde_json::from_str(&text);
    let (report, held) = match (report, held) {
        (Ok(report), held) => (report, held),
        // A wrong call has no report, and was explained.
        (Err(_), Err(failed)) => return Err(failed),
        (Err(_), Ok(())) => {
            return Err(TaskError::BadReport {
                program: "obscura-simulation",
            });
        }
    };
    finish("simulate", &report, &SIMULATE)?;
    held
}
