//! `cargo xtask`: the developer verbs. `cargo xtask demo` shows the product, `cargo xtask test` is the gate.
//!
//! Each verb installs what it needs, says so before it does, and works again when run twice.

mod bench;
mod bench_figures;
mod demo;
mod error;
mod gate;
mod release;
mod run;
mod scan;
mod soak;
mod tools;
mod train;
mod ui;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

/// Developer verbs of Obscura.
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    after_help = "Exit codes: 0 done, 1 something failed, 2 usage, 130 stopped by Ctrl-C."
)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Shows the main job: records, or a picture, are diagnosed by a box that never sees them.
    Demo {
        /// What to show.
        #[arg(default_value = "records", value_parser = ["records", "scan"])]
        what: String,
        /// Keep the site and the logs afterwards, and say where they are.
        #[arg(long)]
        keep: bool,
        /// How many of the five records to send.
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=5))]
        records: u8,
    },
    /// Runs the whole gate: formatting, lints, documentation, dependencies, every test, and a clean tree.
    Test,
    /// Measures, prints a table and writes target/reports/NAME.json.
    Bench(bench::Options),
    /// Runs a long fault campaign, prints a table and writes target/reports/NAME.json.
    Soak(soak::Options),
    /// Trains a shipped model again; the same data give the same payload bytes.
    Train {
        /// Which model; derm-standin makes the dermoscopy stand-ins and the committed patches, derm-vgg11 installs a
        /// deep-learning framework and takes hours.
        #[arg(default_value = "cardio-lr", value_parser = ["cardio-lr", "derm-standin", "derm-vgg11"])]
        model: String,
        /// Folder that holds the training data (nhanes/; ham10000/ and imagenet-vgg/).
        #[arg(long, required_unless_present = "smoke")]
        data: Option<PathBuf>,
        /// Made-up data instead; writes under target/, not the shipped model.
        #[arg(long, conflicts_with = "data")]
        smoke: bool,
        /// For derm-vgg11: folder for checkpoints and the payload [default: target/derm-vgg11]. The same command goes on
        /// after a stop.
        #[arg(long, conflicts_with = "smoke")]
        work: Option<PathBuf>,
    },
    /// Runs the checks that are too long for the gate.
    ReleaseCheck {
        /// Folder that holds the training data (nhanes/), to train the shipped payload again and compare.
        #[arg(long)]
        data: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().verb {
        Verb::Demo { what, keep, records } => match what.as_str() {
            "scan" => scan::demo(keep),
            _ => demo::demo(keep, records.into()).map(|_summary| ()),
        },
        Verb::Test => gate::test(),
        Verb::Bench(options) => bench::bench(&options),
        Verb::Soak(options) => soak::soak(&options),
        Verb::Train {
            model,
            data,
            smoke: _,
            work,
        } => match model.as_str() {
            "derm-vgg11" => train::derm_vgg11(data.as_deref(), work.as_deref()),
            _ if work.is_some() => Err(error::TaskError::NoWorkFolder { model }),
            "derm-standin" => train::derm_standin(data.as_deref()),
            _ => train::train(data.as_deref()),
        },
        Verb::ReleaseCheck { data } => release::release_check(data.as_deref()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nxtask: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
