//! `soak`: runs a long fault campaign, prints a table and writes `target/reports/NAME.json`.

use serde_json::{Map, Value};

use crate::{
    bench::finish,
    bench_figures::{FAULTS, Figure, SIMULATE},
    error::TaskError,
    run::{cargo, command, read_whatever, run, target},
    tools::{self, Debian},
    ui::say,
};

/// The campaigns there are.
const AVAILABLE: &str = "faults, simulate";
/// What runs in a round of `faults`; its own program watches it.
const PROGRAMS: [&str; 11] = [
    "obscura-box",
    "obscura-gate",
    "obscura-compute",
    "obscura-trust",
    "obscura-agent",
    "obscura-vault",
    "obscura-link",
    "obscura-imaging",
    "obscura-sign",
    "obscura-provision",
    "obscura-faults",
];

/// One round of an image for so many rounds of records.
const IMAGE_SHARE: u64 = 5;

/// What `soak` is asked for.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Which campaign (faults, simulate); without it, the list.
    name: Option<String>,
    /// simulate: how many seeds.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// faults: how many rounds of the real programs.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..))]
    rounds: u64,
    /// The first seed; "now" for seeds nobody ran before.
    #[arg(long, default_value = "0")]
    first: String,
}

/// Runs the campaign that is asked for.
///
/// # Errors
/// [`TaskError`]; a broken rule is one, after the report was written.
pub(crate) fn soak(options: &Options) -> Result<(), TaskError> {
    match options.name.as_deref() {
        Some("faults") => faults(options),
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
    let numbers = ["--seeds", &options.seeds.to_string(), "--first", &options.first];
    campaign("simulate", "obscura-simulation", &numbers, &SIMULATE)
}

fn faults(options: &Options) -> Result<(), TaskError> {
    tools::debian(&[Debian::Mosquitto])?;
    say("Building the programs with the settings of the demo and the tests ...");
    let mut build = cargo(&["build", "--locked", "--bins"]);
    run(build.args(PROGRAMS.iter().flat_map(|package| ["-p", package])))?;
    let (rounds, images) = (
        options.rounds.to_string(),
        options.rounds.div_ceil(IMAGE_SHARE).to_string(),
    );
    let of_records = ["--rounds", &rounds, "--first", &options.first];
    let of_images = ["--images", "--rounds", &images, "--first", &options.first];
    say("Records ...");
    let (mut report, held) = played("obscura-faults", &of_records)?;
    say("Images of 49 items ...");
    let (more, images_held) = played("obscura-faults", &of_images)?;
    report.extend(
        more.into_iter()
            .map(|(name, value)| (format!("image_{name}"), value)),
    );
    finish("faults", &report, &FAULTS)?;
    held.and(images_held)
}

/// Runs a built campaign, and shows and keeps its report, also when rules were broken.
fn campaign(
    name: &str,
    program: &'static str,
    numbers: &[&str],
    figures: &[Figure],
) -> Result<(), TaskError> {
    let (report, held) = played(program, numbers)?;
    finish(name, &report, figures)?;
    held
}

/// A campaign's report, and whether every rule held.
type Played = (Map<String, Value>, Result<(), TaskError>);

/// Runs a built campaign.
fn played(program: &'static str, numbers: &[&str]) -> Result<Played, TaskError> {
    let path = target(&format!("debug/{program}"))?;
    let (text, held) = read_whatever(command(&path.to_string_lossy()).args(numbers))?;
    match (serde_json::from_str(&text), held) {
        (Ok(report), held) => Ok((report, held)),
        // A wrong call has no report, and was explained.
        (Err(_), Err(failed)) => Err(failed),
        (Err(_), Ok(())) => Err(TaskError::BadReport { program }),
    }
}
