//! Results as one JSON document: flat names that carry their units.
//!
//! Probabilities are rounded and scores stay out, unless the reference in the clear was asked for: exact
//! outputs in exports would help whoever holds the evaluation keys.

use obscura_local::agent::{ContractView, FieldTakes, Outcome, Reading, VaultStatus};
use serde_json::{Map, Value, json};

use super::text::{floor, ms, percent};
use crate::{
    domain::report::{Fate, RecordReport, RunReport},
    error::CliError,
};

/// A run, with the error that ended it, if any.
pub(crate) fn run(report: &RunReport, error: Option<&CliError>) -> Value {
    let keys = &report.keys;
    json!({
        "device": report.device,
        "box": report.box_name,
        "model_id": report.model_id,
        "model_version": report.model_version,
        "records": report.records.iter().map(record).collect::<Vec<_>>(),
        "key_fingerprint": keys.fingerprint.map(|digest| digest.to_string()),
        "eval_key_bytes": keys.len_bytes,
        "keys_generated": keys.made_in.is_some(),
        "keys_reused": keys.reused,
        "keygen_ms": keys.made_in.map(ms),
        "upload_bytes": keys.upload_bytes,
        "upload_ms": ms(keys.upload_time),
        "encrypt_ms": ms(report.sum_time(|r| r.encrypt_time)),
        "request_bytes": report.sum_bytes(|r| r.request_bytes),
        "wait_ms": ms(report.sum_time(|r| r.wait_time)),
        "answer_bytes": report.sum_bytes(|r| r.answer_bytes),
        "accept_ms": ms(report.sum_time(|r| r.accept_time)),
        "total_ms": ms(report.total_time),
        "error": error.map(CliError::chain),
        "exit_code": error.map_or(0, CliError::exit_code),
    })
}

fn record(report: &RecordReport) -> Value {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    put("name", json!(report.name));
    put("encrypt_ms", json!(ms(report.encrypt_time)));
    put("request_bytes", json!(report.request_bytes));
    put("wait_ms", json!(ms(report.wait_time)));
    put("answer_bytes", json!(report.answer_bytes));
    put("accept_ms", json!(ms(report.accept_time)));
    match &report.fate {
        Fate::Open => drop(put("state", json!("open"))),
        Fate::Failed { reason, exit_code } => {
            put("state", json!("failed"));
            put("error", json!(reason));
            put("exit_code", json!(exit_code));
        }
        Fate::Shown(outcome) => {
            put("state", json!("answered"));
            fields.extend(shown(outcome));
        }
    }
    if let (Some(reference), Fate::Shown(outcome)) = (&report.reference, &report.fate) {
        fields.extend(with_reference(reference, outcome));
    }
    Value::Object(fields)
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

fn shown(outcome: &Outcome) -> Map<String, Value> {
    let reading = &outcome.reading;
    let in_percent = |steps| percent(steps, reading.probability_scale);
    let receipt = &outcome.receipt;
    object(json!({
        "probability_percent": in_percent(reading.probability),
        "probability_low_percent": in_percent(outcome.probability_low),
        "probability_high_percent": in_percent(outcome.probability_high),
        "table_error_entries": outcome.table_error_entries,
        "positive": reading.positive,
        "decision": outcome.decision,
        "decision_text": outcome.decision_text,
        "warning": outcome.warning,
        "receipt_job": receipt.job.to_string(),
        "receipt_item": receipt.item,
        "receipt_box": receipt.box_name.to_string(),
        "receipt_model_id": receipt.model_id,
        "receipt_model_hash": receipt.model_hash.to_string(),
        "receipt_security_counter": receipt.security_counter,
        "receipt_floor": floor(receipt.floor),
        "receipt_parameter_hash": receipt.parameter_hash.to_string(),
        "receipt_key_fingerprint": receipt.key_fingerprint.to_string(),
        "receipt_input_hash": receipt.input_hash.to_string(),
        "receipt_answer_hash": receipt.answer_hash.to_string(),
    }))
}

/// The exact numbers of both sides, for demonstrations and tests.
fn with_reference(reference: &Reading, outcome: &Outcome) -> Map<String, Value> {
    let reading = &outcome.reading;
    object(json!({
        "score": reading.score,
        "probability": reading.probability,
        "probability_low": outcome.probability_low,
        "probability_high": outcome.probability_high,
        "probability_scale": reading.probability_scale,
        "reference_score": reference.score,
        "reference_probability": reference.probability,
        "reference_probability_percent": percent(reference.probability, reference.probability_scale),
        "reference_positive": reference.positive,
        "score_equals_reference": reference.score == reading.score,
        "probability_within_bounds":
            (outcome.probability_low..=outcome.probability_high).contains(&reading.probability),
    }))
}

/// The contract.
pub(crate) fn fields(contract: &ContractView) -> Value {
    let field = |field: &obscura_local::agent::FieldView| {
        let mut value = json!({
            "name": field.name,
            "label": field.label,
            "unit": field.unit,
            "help": field.help,
        });
        match &field.takes {
            FieldTakes::Number { min, max } => {
                value["min"] = json!(min);
                value["max"] = json!(max);
            }
            FieldTakes::Code { codes } => {
                let code = |(code, label): &(String, String)| json!({"code": code, "label": label});
                value["codes"] = codes.iter().map(code).collect();
            }
        }
        value
    };
    json!({
        "model_id": contract.model_id,
        "title": contract.title,
        "intended_use": contract.intended_use,
        "not_for": contract.not_for,
        "warning": contract.warning,
        "fields": contract.fields.iter().map(field).collect::<Vec<_>>(),
    })
}

/// What the device holds.
pub(crate) fn status(status: &VaultStatus) -> Value {
    json!({
        "vault_exists": status.exists,
        "vault_open": status.open,
        "model_id": status.model_id,
        "model_version": status.model_version,
        "model_hash": status.model_hash.to_string(),
        "parameter_hash": status.parameter_hash.to_string(),
        "root_fingerprint": status.root_fingerprint.to_string(),
        "receipt_key_fingerprint": status.receipt_key_fingerprint.to_string(),
        "key_fingerprint": status.keys.map(|keys| keys.digest.to_string()),
        "client": status.keys.map(|keys| keys.client.to_string()),
        "eval_key_bytes": status.keys.map(|keys| keys.len_bytes),
        "open_records": status.open_jobs.len(),
    })
}
