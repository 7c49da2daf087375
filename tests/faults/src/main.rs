//! `obscura-faults`: runs rounds and prints a report; `obscura-faults observe` is the observer they start.

use std::{
    io::Write as _,
    path::PathBuf,
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use clap::{Parser, Subcommand};
use obscura_faults::{Campaign, FaultsError, Subject, Summary, observe};
use obscura_system_tests::interrupt;

/// Runs the real programs under faults; each round follows from its seed. Prints a report as one JSON object.
#[derive(Parser)]
#[command(
    version,
    after_help = "Exit codes: 0 nothing was lost, wrong or accepted twice; 1 something was, or the campaign broke; 2 usage."
)]
struct Arguments {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// How many rounds.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..))]
    rounds: u64,
    /// The seed of the first; "now" takes the time, for seeds nobody ran before.
    #[arg(long, default_value = "0", value_parser = first)]
    first: u64,
    /// Images of 49 items instead of records.
    #[arg(long)]
    images: bool,
    /// Sites side by side.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=16))]
    lanes: u8,
}

#[derive(Subcommand)]
enum Verb {
    /// Watches one site from outside; orders come on standard input, verdicts go to standard output.
    #[command(hide = true)]
    Observe {
        /// The site's folder.
        #[arg(long)]
        site: PathBuf,
        /// TCP port of its broker.
        #[arg(long)]
        port: u16,
    },
}

fn first(text: &str) -> Result<u64, std::num::ParseIntError> {
    if text == "now" {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        return Ok(since.as_secs() << 20);
    }
    text.parse()
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match &arguments.verb {
        Some(Verb::Observe { site, port }) => observe(site, *port).map(|()| true),
        None => campaign(&arguments),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            tell(&format!("obscura-faults: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// One line for people; a closed output is not worth failing for.
fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn campaign(arguments: &Arguments) -> Result<bool, FaultsError> {
    interrupt::install()?;
    let campaign = Campaign {
        subject: if arguments.images {
            Subject::Image
        } else {
            Subject::Records
        },
        first: arguments.first,
        rounds: arguments.rounds,
        lanes: arguments.lanes.into(),
        program: std::env::current_exe().unwrap_or_default(),
    };
    tell(&format!(
        "{} rounds from seed {} on, {} sites side by side",
        campaign.rounds, campaign.first, campaign.lanes
    ));
    let (summary, seconds) = campaign.run(&tell)?;
    let report = Summary::report(&summary, &campaign, seconds);
    // As above.
    let _ = writeln!(std::io::stdout(), "{report}");
    Ok(summary.failed.is_empty())
}
