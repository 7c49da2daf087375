//! `obscura-bench`: measures one encrypted record, and the same score with tfhe's own integers.
//!
//! Prints one flat JSON object of numbers; `cargo xtask bench record` adds the demo's time and shows the
//! table. Both sides of the comparison have the same compiler settings and all cores, one after the other;
//! tfhe's integers run in a process of their own, so that what we fix in our process (the transform plan)
//! is not fixed for them.

mod ours;
mod rival;
mod timing;

use std::process::{Command, ExitCode, Stdio};

use serde_json::{Map, Value};

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
enum BenchError {
    /// The shipped circuit does not load.
    #[error(transparent)]
    Circuit(#[from] obscura_circuit::CircuitError),
    /// The shipped parameters do not load.
    #[error(transparent)]
    Parameters(#[from] obscura_fhe_core::ParameterError),
    /// Circuit and parameters do not fit.
    #[error(transparent)]
    Plan(#[from] obscura_fhe_core::PlanError),
    /// The client side failed.
    #[error(transparent)]
    Client(#[from] obscura_fhe_client::ClientError),
    /// The server side failed.
    #[error(transparent)]
    Server(#[from] obscura_fhe_server::ServerError),
    /// tfhe's integers failed.
    #[error(transparent)]
    Rival(#[from] tfhe::Error),
    /// A result was wrong, so its time means nothing.
    #[error("{who} computed the score {got} instead of {want}")]
    WrongScore {
        /// Whose result.
        who: &'static str,
        /// What came out.
        got: i64,
        /// What is right.
        want: i64,
    },
    /// The process of the comparison could not be started.
    #[error("the process that measures tfhe's integers does not start: {source}")]
    Process {
        /// The operating system's error.
        source: std::io::Error,
    },
    /// The process of the comparison failed; it has said why.
    #[error("tfhe's integers were not measured")]
    NoFigure,
    /// The shipped circuit has no linear layer to compare.
    #[error("the circuit has no linear layer")]
    NoScore,
}

/// Argument of the process that measures tfhe's integers; it prints milliseconds.
const RIVAL: &str = "tfhe-integers";

fn main() -> ExitCode {
    let rival_only = std::env::args().nth(1).is_some_and(|argument| argument == RIVAL);
    let outcome = if rival_only {
        ours::Model::load()
            .and_then(|model| rival::measure_ms(&model))
            .map(|ms| ms.to_string())
    } else {
        measure().map(|report| Value::Object(report).to_string())
    };
    match outcome {
        Ok(text) => match std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::from(70),
        },
        Err(error) => {
            eprintln!("obscura-bench: {error}");
            ExitCode::from(70)
        }
    }
}

/// Milliseconds of tfhe's integers, from a process of their own.
fn rival_ms() -> Result<f64, BenchError> {
    let output = std::env::current_exe()
        .and_then(|own| Command::new(own).arg(RIVAL).stderr(Stdio::inherit()).output())
        .map_err(|source| BenchError::Process { source })?;
    String::from_utf8_lossy(&output.stdout)
        .trim()
        .parse()
        .map_err(|_source| BenchError::NoFigure)
}

fn measure() -> Result<Map<String, Value>, BenchError> {
    let model = ours::Model::load()?;
    eprintln!("measuring one encrypted record ...");
    let ours = ours::measure(&model)?;
    eprintln!("measuring the same score with tfhe's integers ...");
    let rival_ms = rival_ms()?;
    let mut report = Map::new();
    let mut put = |name: &str, value: f64| report.insert(name.to_owned(), Value::from(round(value)));
    put("keygen_s", ours.keygen_s);
    put("box_ms_per_record", ours.box_ms);
    put("score_only_ms_per_record", ours.score_only_ms);
    put("encrypt_ms_per_record", ours.encrypt_ms);
    put("decrypt_ms_per_record", ours.decrypt_ms);
    put("load_keys_s", ours.load_keys_s);
    put("tfhe_integers_ms_per_score", rival_ms);
    put("speedup_vs_tfhe_integers", rival_ms / ours.box_ms);
    put(
        "speedup_vs_tfhe_integers_score_only",
        rival_ms / ours.score_only_ms,
    );
    put("security_bits", model.parameters.security_bits());
    for (name, bytes) in [
        ("request_bytes", model.plan.request_bytes()),
        ("answer_bytes", model.plan.answer_bytes()),
        ("eval_key_wire_bytes", model.plan.evaluation_key_bytes()),
        ("eval_key_memory_bytes", ours.eval_key_memory_bytes),
        (
            "cores",
            std::thread::available_parallelism().map_or(1, usize::from),
        ),
    ] {
        report.insert(name.to_owned(), Value::from(bytes));
    }
    Ok(report)
}

/// Four significant digits: more would be noise.
fn round(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_four_significant_digits() {
        assert_eq!(round(12.345_67).to_string(), "12.35");
        assert_eq!(round(0.0).to_string(), "0");
    }
}
