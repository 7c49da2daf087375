//! Results as one JSON document: flat names that carry their units.
//!
//! Probabilities are rounded and scores stay out, unless the reference in the clear was asked for: exact
//! outputs in exports would help whoever holds the evaluation keys.

use obscura_local::agent::{
    Comparison, ContractView, FieldTakes, Outcome, Reading, ReadsView, ScanOutcome, ScanReading, VaultStatus,
};
use obscura_protocol::job::Receipt;
use serde_json::{Map, Value, json};

use super::text::{floor, ms, percent, permille};
use crate::{
    application::{Sent, SignedModel},
    domain::report::{Fate, JobReport, RunReport, Shown, Subject},
    error::CliError,
};

/// A run, with the error that ended it, if any.
pub(crate) fn run(report: &RunReport, error: Option<&CliError>) -> Value {
    let keys = &report.keys;
    let jobs = match report.subject {
        Subject::Record => "records",
        Subject::Image => "images",
    };
    json!({
        "device": report.device,
        "box": report.box_name,
        "model_id": report.model_id,
        "model_version": report.model_version,
        jobs: report.jobs.iter().map(job).collect::<Vec<_>>(),
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

fn job(report: &JobReport) -> Value {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    put("name", json!(report.name));
    put("items", json!(report.items));
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
        Fate::Shown(shown) => {
            put("state", json!("answered"));
            match shown {
                Shown::Record(outcome, reference) => {
                    fields.extend(record(outcome));
                    fields.extend(
                        reference
                            .iter()
                            .flat_map(|reference| with_reference(reference, outcome)),
                    );
                }
                Shown::Scan(outcome, comparison) => {
                    fields.extend(scan(outcome));
                    fields.insert("picture".to_owned(), json!(report.picture));
                    fields.extend(comparison.iter().flat_map(|compared| compared_with(compared)));
                }
            }
        }
    }
    Value::Object(fields)
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

fn record(outcome: &Outcome) -> Map<String, Value> {
    let reading = &outcome.reading;
    let in_percent = |steps| percent(steps, reading.probability_scale);
    let mut fields = object(json!({
        "probability_percent": in_percent(reading.probability),
        "probability_low_percent": in_percent(outcome.probability_low),
        "probability_high_percent": in_percent(outcome.probability_high),
        "table_error_entries": outcome.table_error_entries,
        "positive": reading.positive,
        "decision": outcome.decision,
        "decision_text": outcome.decision_text,
        "warning": outcome.warning,
    }));
    let receipt = &outcome.receipt;
    fields.extend(signed(receipt));
    fields.extend(object(json!({
        "receipt_item": receipt.item,
        "receipt_input_hash": receipt.input_hash.to_string(),
        "receipt_answer_hash": receipt.answer_hash.to_string(),
    })));
    fields
}

/// What all receipts of a job say.
fn signed(receipt: &Receipt) -> Map<String, Value> {
    object(json!({
        "receipt_job": receipt.job.to_string(),
        "receipt_box": receipt.box_name.to_string(),
        "receipt_model_id": receipt.model_id,
        "receipt_model_hash": receipt.model_hash.to_string(),
        "receipt_security_counter": receipt.security_counter,
        "receipt_floor": floor(receipt.floor),
        "receipt_parameter_hash": receipt.parameter_hash.to_string(),
        "receipt_key_fingerprint": receipt.key_fingerprint.to_string(),
    }))
}

fn scan(outcome: &ScanOutcome) -> Map<String, Value> {
    let reading = &outcome.reading;
    let name = |class: u32| {
        reading
            .classes
            .get(class as usize)
            .map(|class| class.name.as_str())
    };
    let classes = reading.classes.iter();
    let classes: Map<String, Value> = classes
        .map(|class| (class.name.clone(), json!(permille(class.permille))))
        .collect();
    let patches = reading.map.iter();
    let mut fields = object(json!({
        "class": name(reading.class),
        "class_text": reading.text,
        "class_percent": classes,
        "patch_rows": reading.rows,
        "patch_class": patches.clone().map(|(class, _)| name(*class)).collect::<Vec<_>>(),
        "patch_class_percent": patches.map(|(_, share)| permille(*share)).collect::<Vec<_>>(),
        "patch_weight_percent": weights(reading),
        "notes": reading.notes.iter().map(|note| json!({
            "class": name(note.class),
            "from_percent": permille(note.permille),
            "text": note.text,
        })).collect::<Vec<_>>(),
        "warning": outcome.warning,
        "licence": outcome.licence,
        "receipts": outcome.items,
    }));
    fields.extend(signed(&outcome.receipt));
    fields
}

/// What each patch counts; nothing where all count the same.
fn weights(reading: &ScanReading) -> Option<Vec<f64>> {
    let weights = reading.weights.iter().map(|weight| permille(*weight));
    (!reading.weights.is_empty()).then(|| weights.collect())
}

/// The same image in the clear, for demonstrations and tests.
fn compared_with(comparison: &Comparison) -> Map<String, Value> {
    let reading = &comparison.reading;
    let class = reading.classes.get(reading.class as usize);
    object(json!({
        "reference_class": class.map(|class| class.name.as_str()),
        "same_class_as_reference": comparison.same_class,
        "rms_predicted_deviations": comparison.rms_deviations,
        "max_predicted_deviations": comparison.max_deviations,
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
    let (fields, image) = match &contract.reads {
        ReadsView::Record(fields) => (fields.as_slice(), Value::Null),
        ReadsView::Image(view) => {
            let class = |(name, label): &(String, String)| json!({"name": name, "label": label});
            let image = json!({
                "side": view.side,
                "crop": view.crop,
                "patches": view.patches,
                "classes": view.classes.iter().map(class).collect::<Vec<_>>(),
            });
            (&[][..], image)
        }
    };
    json!({
        "model_id": contract.model_id,
        "title": contract.title,
        "intended_use": contract.intended_use,
        "not_for": contract.not_for,
        "warning": contract.warning,
        "licence": contract.licence.as_ref().map(|licence| json!({
            "line": licence.line,
            "text": licence.text,
            "non_commercial": licence.non_commercial,
        })),
        "fields": fields.iter().map(field).collect::<Vec<_>>(),
        "image": image,
    })
}

/// A model that is at the box.
pub(crate) fn sent_model(model: &SignedModel, sent: &Sent) -> Value {
    json!({
        "model_id": model.model_id,
        "model_version": model.version,
        "security_counter": model.security_counter,
        "bundle_sha256": model.object.digest.to_string(),
        "bundle_bytes": model.bytes.len(),
        "upload_bytes": sent.bytes,
        "upload_ms": ms(sent.time),
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
        "open_jobs": status.open_jobs.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::text::scan::tests::outcome;

    #[test]
    fn an_image_says_notes_weights_and_licence_or_nothing_of_them() {
        let mut outcome = outcome();
        let full = scan(&outcome);
        assert_eq!(full["patch_weight_percent"], json!([65.0, 5.0, 12.5, 17.5]));
        let note = json!({"class": "mel", "from_percent": 12.0, "text": "Melanoma is possible."});
        assert_eq!(full["notes"], json!([note]));
        assert_eq!(full["licence"], "CC BY-NC 4.0: not for commercial use");
        (outcome.reading.weights, outcome.reading.notes, outcome.licence) = (Vec::new(), Vec::new(), None);
        let plain = scan(&outcome);
        assert!(plain["patch_weight_percent"].is_null() && plain["licence"].is_null());
        assert_eq!(plain["notes"], json!([]));
    }
}
