//! `obscura-simulation`: runs seeds, says how far it is, prints a report, and replays one seed with its trace.

use std::{
    io::Write as _,
    process::ExitCode,
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use clap::Parser;
use obscura_simulation::{Campaign, Count, Failure, Outcome, PATIENCE_MS, Summary, run};
use serde_json::{Map, Value, json};

/// Simulates sessions, transfers and jobs between several agents and one box under faults. One seed is one run,
/// always the same. Prints a report as one JSON object.
#[derive(Parser)]
#[command(
    version,
    after_help = "Exit codes: 0 every rule held, 1 one was broken, 2 usage."
)]
struct Arguments {
    /// How many seeds.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// The first of them; without it 0. "now" takes the time, for seeds nobody ran before.
    #[arg(long, default_value = "0", value_parser = first)]
    first: u64,
    /// Runs this seed alone and prints everything that happens in it.
    #[arg(long, conflicts_with_all = ["seeds", "first", "threads"])]
    seed: Option<u64>,
    /// Threads; without it one per core.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
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
    let broken = match arguments.seed {
        Some(seed) => replay(seed),
        None => campaign(&arguments),
    };
    if broken {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// One line for people; a closed output is not worth failing for.
fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn campaign(arguments: &Arguments) -> bool {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let campaign = Campaign {
        first: arguments.first,
        seeds: arguments.seeds,
        threads: arguments.threads.map_or(cores, usize::from),
    };
    tell(&format!(
        "{} seeds from {} on, {} threads",
        campaign.seeds, campaign.first, campaign.threads
    ));
    let summary = campaign.run(|so_far| {
        #[expect(clippy::cast_precision_loss, reason = "for the eye")]
        let speed = so_far.seeds as f64 / so_far.seconds;
        tell(&format!(
            "{} of {} seeds, {} violations, {speed:.0} seeds/s",
            so_far.seeds, campaign.seeds, so_far.violations
        ));
    });
    for failure in &summary.failures {
        show(failure.seed, &failure.outcome);
    }
    let report = report(&campaign, &summary);
    // A closed output is not worth failing for.
    let _ = writeln!(std::io::stdout(), "{report}");
    summary.violations > 0
}

fn replay(seed: u64) -> bool {
    let outcome = run(seed, true);
    show(seed, &outcome);
    tell(&format!("trace hash {:016x}", outcome.trace_hash));
    outcome.broken.is_some()
}

fn show(seed: u64, outcome: &Outcome) {
    tell("");
    for line in &outcome.lines {
        tell(&line.to_string());
    }
    match outcome.broken {
        Some((at_ms, rule)) => tell(&format!(
            "seed {seed}, {}.{:03} s: {rule}\nreplay: obscura-simulation --seed {seed}",
            at_ms / 1000,
            at_ms % 1000
        )),
        None => tell(&format!(
            "seed {seed}: every rule held; finished {}.{:03} s after the faults",
            outcome.quiet_ms / 1000,
            outcome.quiet_ms % 1000
        )),
    }
}

/// One flat object of numbers.
fn report(campaign: &Campaign, summary: &Summary) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "rounded for the report")]
    let rounded = |number: u64, of: f64| (number as f64 / of * 10.0).round() / 10.0;
    let mut report: Map<String, Value> = Count::ALL
        .iter()
        .map(|(count, name)| ((*name).to_owned(), summary.counts.of(*count).into()))
        .collect();
    let figures = json!({
        "seeds": summary.seeds,
        "first_seed": campaign.first,
        "violations": summary.violations,
        "failed_seeds": summary.failures.iter().map(|Failure { seed, .. }| seed).collect::<Vec<_>>(),
        "restarts": summary.counts.restarts(),
        "longest_finish_s": rounded(summary.longest_quiet_ms, 1000.0),
        "mean_finish_s": rounded(summary.quiet_ms / summary.seeds.max(1), 1000.0),
        "patience_s": rounded(PATIENCE_MS, 1000.0),
        "seconds": (summary.seconds * 10.0).round() / 10.0,
        "seeds_per_s": rounded(summary.seeds, summary.seconds),
        "threads": campaign.threads,
    });
    if let Value::Object(figures) = figures {
        report.extend(figures);
    }
    Value::Object(report)
}
