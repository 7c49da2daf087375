//! One encrypted record, and the same score with tfhe's high-level integers.

mod ours;

use std::process::{Command, Stdio};

use crate::{
    BenchError,
    report::{Report, cores},
};

/// The program beside ours that measures tfhe's integers; it prints milliseconds.
const RIVAL: &str = "obscura-bench-integers";

/// Measures both sides.
///
/// # Errors
/// [`BenchError`].
pub(crate) fn measure() -> Result<Report, BenchError> {
    let model = ours::Model::load()?;
    eprintln!("measuring one encrypted record ...");
    let ours = ours::measure(&model)?;
    eprintln!("measuring the same score with tfhe's integers ...");
    let rival_ms = rival_ms()?;
    let mut report = Report::default();
    report.put("keygen_s", ours.keygen_s);
    report.put("box_ms_per_record", ours.box_ms);
    report.put("score_only_ms_per_record", ours.score_only_ms);
    report.put("encrypt_ms_per_record", ours.encrypt_ms);
    report.put("decrypt_ms_per_record", ours.decrypt_ms);
    report.put("load_keys_s", ours.load_keys_s);
    report.put("tfhe_integers_ms_per_score", rival_ms);
    report.put("speedup_vs_tfhe_integers", rival_ms / ours.box_ms);
    report.put(
        "speedup_vs_tfhe_integers_score_only",
        rival_ms / ours.score_only_ms,
    );
    report.put("security_bits", model.parameters.security_bits());
    report.count("request_bytes", model.plan.request_bytes());
    report.count("answer_bytes", model.plan.answer_bytes());
    report.count("eval_key_wire_bytes", model.plan.evaluation_key_bytes());
    report.count("eval_key_memory_bytes", ours.eval_key_memory_bytes);
    report.count("cores", cores());
    Ok(report)
}

/// Milliseconds of tfhe's integers, from a process of their own.
fn rival_ms() -> Result<f64, BenchError> {
    let output = std::env::current_exe()
        .and_then(|own| {
            Command::new(own.with_file_name(RIVAL))
                .stderr(Stdio::inherit())
                .output()
        })
        .map_err(|source| BenchError::Process { name: RIVAL, source })?;
    String::from_utf8_lossy(&output.stdout)
        .trim()
        .parse()
        .map_err(|_source| BenchError::NoFigure { name: RIVAL })
}
