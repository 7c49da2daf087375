//! `bench`: measures, prints a table and writes `target/reports/NAME.json`, one flat object of numbers.

use std::fs;

use serde_json::{Map, Value};

use crate::{
    demo,
    error::TaskError,
    run::{cargo, command, read, run, target},
    ui::{bytes, say, table},
};

/// The benchmarks there are.
const AVAILABLE: &str = "record";

/// What `record` must reach: name, limit, and how the figure is shown.
const RECORD: [(&str, Option<f64>, Unit); 17] = [
    ("keygen_s", Some(2.0), Unit::Plain("s")),
    ("load_keys_s", None, Unit::Plain("s")),
    ("encrypt_ms_per_record", None, Unit::Plain("ms")),
    ("box_ms_per_record", Some(50.0), Unit::Plain("ms")),
    ("score_only_ms_per_record", None, Unit::Plain("ms")),
    ("decrypt_ms_per_record", None, Unit::Plain("ms")),
    ("request_bytes", Some(32_768.0), Unit::Bytes),
    ("answer_bytes", Some(16_384.0), Unit::Bytes),
    ("eval_key_wire_bytes", Some(67_108_864.0), Unit::Bytes),
    ("eval_key_memory_bytes", None, Unit::Bytes),
    ("demo_s", Some(15.0), Unit::Plain("s")),
    ("demo_first_run_s", None, Unit::Plain("s")),
    ("tfhe_integers_ms_per_score", None, Unit::Plain("ms")),
    ("speedup_vs_tfhe_integers", None, Unit::Plain("times")),
    ("speedup_vs_tfhe_integers_score_only", None, Unit::Plain("times")),
    ("security_bits", None, Unit::Plain("bits")),
    ("cores", None, Unit::Plain("")),
];

#[derive(Clone, Copy)]
enum Unit {
    Bytes,
    Plain(&'static str),
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "sizes are whole and positive"
            )]
            Self::Bytes => bytes(value as u64),
            Self::Plain(unit) => format!("{value} {unit}").trim_end().to_owned(),
        }
    }
}

/// Runs the benchmark `name`.
///
/// # Errors
/// [`TaskError`].
pub(crate) fn bench(name: Option<&str>) -> Result<(), TaskError> {
    match name {
        Some("record") => record(),
        other => Err(TaskError::NoSuchName {
            verb: "bench",
            name: other.unwrap_or_default().to_owned(),
            available: AVAILABLE,
        }),
    }
}

fn record() -> Result<(), TaskError> {
    say(
        "Building with the settings of the demo and the tests (tfhe's integers need a build of their own) ...",
    );
    run(&mut cargo(&["build", "--locked", "-p", "obscura-bench"]))?;
    let program = target("debug/obscura-bench")?;
    let text = read(&mut command(&program.to_string_lossy()))?;
    let mut report: Map<String, Value> =
        serde_json::from_str(&text).map_err(|_source| TaskError::BadReport {
            program: "obscura-bench",
        })?;
    say("\nNow the demo, for its time.");
    let summary = demo::demo(false, 5)?;
    for (name, seconds) in [
        ("demo_s", summary.total_s),
        ("demo_first_run_s", summary.first_run_s),
    ] {
        report.insert(name.to_owned(), Value::from((seconds * 100.0).round() / 100.0));
    }
    let rows: Vec<Vec<String>> = RECORD.iter().filter_map(|line| row(&report, *line)).collect();
    say("");
    table(&["figure", "measured", "at most", ""], &rows);
    let path = target("reports/record.json")?;
    fs::write(&path, Value::Object(report).to_string() + "\n").map_err(|source| TaskError::Io {
        path: path.clone(),
        source,
    })?;
    say(&format!("\nwritten: {}", path.display()));
    Ok(())
}

fn row(report: &Map<String, Value>, line: (&str, Option<f64>, Unit)) -> Option<Vec<String>> {
    let (name, limit, unit) = line;
    let value = report.get(name)?.as_f64()?;
    let verdict = match limit {
        Some(limit) if value > limit => "ABOVE",
        Some(_) => "ok",
        None => "",
    };
    let limit = limit.map(|limit| unit.show(limit)).unwrap_or_default();
    Some(vec![name.to_owned(), unit.show(value), limit, verdict.to_owned()])
}
