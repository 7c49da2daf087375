//! `demo`: the main job for somebody who sees it for the first time, and what every demonstration has in common.
//!
//! Makes a throw-away site, runs the real programs on it, shows results beside the plaintext reference and
//! tears everything down, also on errors and Ctrl-C.

use std::{fs, path::PathBuf, time::Instant};

use obscura_system_tests::{
    AgentReport, AgentRun, BoxProcess, Broker, HarnessError, RecordOptions, RecordReport, Site,
    fixtures::{self, CARDIO_LR, DEMO_RECORDS, Payload},
    interrupt,
};

use crate::{
    error::TaskError,
    run::{cargo, run},
    tools::{self, Debian},
    ui::{Steps, bold, bytes, say, table},
};

/// Lines of each log that a failure shows.
const LOG_LINES: usize = 12;
/// Programs of the workspace that no demo starts.
const NOT_NEEDED: [&str; 5] = [
    "obscura-bench",
    "obscura-bench-integers",
    "obscura-bench-transport",
    "obscura-faults",
    "obscura-simulation",
];

/// How long the demo took after the build, seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Summary {
    /// From the first key to the last answer.
    pub(crate) total_s: f64,
    /// The agent's first run: keys, upload and all records.
    pub(crate) first_run_s: f64,
}

/// Runs the demo with `count` records.
///
/// # Errors
/// [`TaskError`], after the end of every log was printed.
pub(crate) fn demo(keep: bool, count: usize) -> Result<Summary, TaskError> {
    say(&bold(
        "Obscura demo: a box diagnoses clinical records that it never sees.",
    ));
    let (runs, steps, total_s) = on_throw_away_site(CARDIO_LR, keep, 8, |site, steps| {
        let running = start(site, steps)?;
        let runs = two_runs(site, steps, count)?;
        stop(running, steps);
        Ok(runs)
    })?;
    tables(&runs, &steps);
    say(&format!(
        "\nThe whole demo took {total_s:.1} s after the build. Everything it started has ended."
    ));
    Ok(Summary {
        total_s,
        first_run_s: runs.first.total_ms / 1e3,
    })
}

/// Builds the programs, makes the folder of a site for `model` and lets `act` use it; what `act` gave, the steps, and
/// seconds without the build. The folder is deleted unless it is to be kept, also on errors and Ctrl-C.
///
/// # Errors
/// [`TaskError`], after the end of every log was printed.
pub(crate) fn on_throw_away_site<T>(
    model: Payload,
    keep: bool,
    count: usize,
    act: impl FnOnce(&Site, &mut Steps) -> Result<T, TaskError>,
) -> Result<(T, Steps, f64), TaskError> {
    let mut steps = Steps::new(count);
    steps.next(
        "build",
        "the programs of this workspace (profile dev; the first time takes minutes)",
    );
    let mut build = cargo(&["build", "--locked", "--workspace", "--bins"]);
    build.args(NOT_NEEDED.iter().flat_map(|package| ["--exclude", package]));
    run(&mut build)?;
    tools::debian(&[Debian::Mosquitto])?;
    steps.end();
    let build_s = steps.total_s();
    interrupt::install()?;
    let mut site = Site::empty_for(model)?;
    let outcome = act(&site, &mut steps);
    if let Err(error) = &outcome {
        steps.finish();
        if !matches!(error, TaskError::Site(HarnessError::Interrupted)) {
            say(&format!(
                "\n{}\n{}",
                bold("This failed. The end of every log:"),
                site.log_tails(LOG_LINES)
            ));
        }
    }
    if keep {
        let folder;
        (site, folder) = site.keep();
        say(&format!("\nSite and logs are kept in {}", folder.display()));
    }
    drop(site);
    let outcome = outcome?;
    let total_s = steps.total_s() - build_s;
    Ok((outcome, steps, total_s))
}

/// Box and broker at work.
pub(crate) struct Running {
    box_process: BoxProcess,
    broker: Broker,
}

/// Signs the model, makes the site and starts broker and box: four steps.
///
/// # Errors
/// [`TaskError`].
pub(crate) fn start(site: &Site, steps: &mut Steps) -> Result<Running, TaskError> {
    steps.next("root and model", "a root key made for this run signs the model");
    site.sign_model()?;
    steps.next(
        "site",
        "certificates, keys and configuration for a broker, a box and one device",
    );
    site.provision()?;
    steps.next(
        "broker",
        "Mosquitto: TLS 1.3, client certificates, every topic denied that is not listed",
    );
    let broker = site.start_broker()?;
    steps.next(
        "box",
        "three processes: gate faces the network, compute evaluates, trust verifies and signs",
    );
    let box_process = site.start_box()?;
    Ok(Running { box_process, broker })
}

/// Stops both: one step.
pub(crate) fn stop(running: Running, steps: &mut Steps) {
    steps.next("end", "box and broker stop, the folder is deleted");
    drop(running.box_process);
    drop(running.broker);
    steps.end();
}

/// What the two runs of the agent reported.
struct Runs {
    first: AgentReport,
    second: AgentReport,
}

fn two_runs(site: &Site, steps: &mut Steps, count: usize) -> Result<Runs, TaskError> {
    steps.next(
        "device, first run",
        "makes its keys, uploads the public half, sends each record encrypted",
    );
    let input = some_records(site, count)?;
    let first = agent(site, "first-run", &input)?;
    for record in &first.records {
        show(record);
    }
    if let Some(warning) = first.records.iter().find_map(|record| record.warning.as_ref()) {
        say(&format!("\n      {}", bold(warning)));
    }
    steps.next(
        "device, second run",
        "another start of the agent: the box still has the keys, nothing is uploaded",
    );
    let second = agent(site, "second-run", &input)?;
    let reused = if second.keys_reused {
        "keys reused"
    } else {
        "keys NOT reused"
    };
    say(&format!(
        "      {} records answered, {reused}",
        second.records.len()
    ));
    for report in first.records.iter().chain(&second.records) {
        if !report.agrees() {
            return Err(TaskError::WrongResult {
                record: report.name.clone(),
            });
        }
    }
    Ok(Runs { first, second })
}

/// The first `count` demo records, as a file of the site.
fn some_records(site: &Site, count: usize) -> Result<PathBuf, TaskError> {
    let bad = |source| HarnessError::BadJson {
        what: DEMO_RECORDS.to_owned(),
        source,
    };
    let mut records: Vec<serde_json::Value> =
        serde_json::from_slice(&fixtures::read(DEMO_RECORDS)?).map_err(bad)?;
    records.truncate(count);
    let path = site.path("records.json");
    fs::write(&path, serde_json::Value::from(records).to_string()).map_err(|source| TaskError::Io {
        path: path.clone(),
        source,
    })?;
    Ok(path)
}

fn agent(site: &Site, name: &'static str, input: &std::path::Path) -> Result<AgentReport, TaskError> {
    let start = Instant::now();
    let report = AgentRun::record(
        site,
        &RecordOptions {
            live: true,
            ..RecordOptions::new(name, input)
        },
    )?
    .succeed()?;
    say(&format!(
        "      the agent ended after {:.1} s",
        start.elapsed().as_secs_f64()
    ));
    Ok(report)
}

fn show(record: &RecordReport) {
    let percent = |value: Option<f64>| value.map_or_else(|| "?".to_owned(), |value| format!("{value:.1} %"));
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let same = match record.score_equals_reference {
        Some(true) => "same score",
        _ => "OTHER SCORE",
    };
    say(&format!("\n      {}", bold(&record.name)));
    say(&format!(
        "        from the box    {} (stated bounds {} to {}), receipt signed by {}",
        percent(record.probability_percent),
        percent(record.probability_low_percent),
        percent(record.probability_high_percent),
        text(&record.receipt_box),
    ));
    say(&format!(
        "        in the clear    {}, {same} (computed on the device, to compare)",
        percent(record.reference_probability_percent)
    ));
    say(&format!(
        "        decision        {}: {}",
        text(&record.decision),
        text(&record.decision_text)
    ));
}

fn tables(runs: &Runs, steps: &Steps) {
    say("");
    let count = runs.first.records.len();
    let ms = |value: f64| format!("{value:.1}");
    let none = || "-".to_owned();
    let both = |name: &str, figures: fn(&AgentReport) -> (Option<u64>, Option<f64>)| {
        let mut row = vec![name.to_owned()];
        for report in [&runs.first, &runs.second] {
            let (size, time) = figures(report);
            row.push(size.map_or_else(none, bytes));
            row.push(time.map_or_else(none, ms));
        }
        row
    };
    let rows = [
        both("key generation", |r| {
            (r.keygen_ms.map(|_| r.eval_key_bytes), r.keygen_ms)
        }),
        both("key upload", |r| {
            (Some(r.upload_bytes), (!r.keys_reused).then_some(r.upload_ms))
        }),
        both("validate, encrypt", |r| {
            (Some(r.request_bytes), Some(r.encrypt_ms))
        }),
        both("box and way, answer", |r| (Some(r.answer_bytes), Some(r.wait_ms))),
        both("verify, decrypt", |r| (None, Some(r.accept_ms))),
        both("whole run", |r| (None, Some(r.total_ms))),
    ];
    table(
        &[&format!("{count} records"), "first run", "ms", "second run", "ms"],
        &rows,
    );
    say("");
    let times: Vec<Vec<String>> = steps
        .times()
        .iter()
        .map(|(title, seconds)| vec![title.clone(), format!("{seconds:.1}")])
        .collect();
    table(&["step of the demo", "s"], &times);
}
