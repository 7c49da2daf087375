//! Results and tables as text on standard output.
#![expect(
    clippy::format_push_string,
    reason = "short texts for people, built once per result"
)]

use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

use obscura_local::agent::{ContractView, FieldTakes, Outcome, Reading, ReadsView, VaultStatus};
use obscura_protocol::job::FloorKind;

pub(crate) mod scan;

pub(crate) use scan::permille;

use super::input::takes;
use crate::{
    application::{Places, Sent, SignedModel},
    domain::report::{Fate, JobReport, RunReport, Shown},
    error::CliError,
};

/// Column where a result's texts begin, behind its labels.
const TEXT_COLUMN: usize = 16;

/// Breaks long lines between words at the terminal's width; what goes on stands below its beginning.
pub(crate) fn wrap(text: &str) -> String {
    wrap_at(text, textwrap::termwidth())
}

fn wrap_at(text: &str, width: usize) -> String {
    let fill = |line: &str| {
        let indent = " ".repeat(column(line));
        let options = textwrap::Options::new(width.max(2 * TEXT_COLUMN)).subsequent_indent(&indent);
        textwrap::fill(line, options)
    };
    text.split_inclusive('\n').map(fill).collect()
}

/// Where the text of a line begins: behind its label, or behind its indentation.
fn column(line: &str) -> usize {
    let indentation = line.len() - line.trim_start_matches(' ').len();
    let labelled = line.get(TEXT_COLUMN - 2..TEXT_COLUMN) == Some("  ");
    if labelled && indentation < TEXT_COLUMN {
        TEXT_COLUMN
    } else {
        indentation
    }
}

/// Writes a result for people to standard output; for a program behind a pipe, lines stay whole.
///
/// # Errors
/// [`CliError::Output`].
pub(crate) fn print_result(text: &str) -> Result<(), CliError> {
    if io::stdout().is_terminal() {
        print(&wrap(text))
    } else {
        print(text)
    }
}

/// Writes all of `text` to standard output.
///
/// # Errors
/// [`CliError::Output`].
pub(crate) fn print(text: &str) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(CliError::Output)
}

/// Steps of a probability as a rounded percentage.
#[expect(
    clippy::cast_precision_loss,
    reason = "probabilities have 12 bits, and one decimal is shown"
)]
pub(crate) fn percent(steps: i64, scale: i64) -> f64 {
    (1000.0 * steps as f64 / scale as f64).round() / 10.0
}

/// A time in milliseconds with one decimal.
pub(crate) fn ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 10_000.0).round() / 10.0
}

/// Where a rollback floor is kept.
pub(crate) fn floor(kind: FloorKind) -> &'static str {
    match kind {
        FloorKind::None => "none",
        FloorKind::File => "file",
        FloorKind::Tpm => "tpm",
        FloorKind::SecureElement => "secure element",
        _ => "unknown",
    }
}

/// The result of one record or image.
pub(crate) fn job(report: &JobReport) -> String {
    match &report.fate {
        Fate::Open => format!("\n{}\n  no result yet\n", report.name),
        Fate::Failed { reason, .. } => format!("\n{}\n  NO RESULT     {reason}\n", report.name),
        Fate::Shown(Shown::Record(outcome, reference)) => record(&report.name, outcome, reference.as_ref()),
        Fate::Shown(Shown::Scan(outcome, comparison)) => scan::scan(report, outcome, comparison.as_deref()),
    }
}

fn record(name: &str, outcome: &Outcome, reference: Option<&Reading>) -> String {
    let reading = &outcome.reading;
    let in_percent = |steps| percent(steps, reading.probability_scale);
    let mut text = format!(
        "\n{name}\n  probability   {:.1} %  (between {:.1} % and {:.1} %: table error of at most {} entries)\n  \
         decision      {}\n                {}\n",
        in_percent(reading.probability),
        in_percent(outcome.probability_low),
        in_percent(outcome.probability_high),
        outcome.table_error_entries,
        outcome.decision,
        outcome.decision_text,
    );
    if let Some(reference) = reference {
        let same = if reference.score == reading.score {
            "same score"
        } else {
            "OTHER SCORE"
        };
        text += &format!(
            "  in the clear  {:.1} %, {same}  (computed on this device, not by the box)\n",
            percent(reference.probability, reference.probability_scale),
        );
    }
    let receipt = &outcome.receipt;
    text += &format!(
        "  receipt       signed by {}: {} {:.8}, counter {}, floor {}, input {:.8}, answer {:.8}, keys {:.8}\n  \
         warning       {}\n",
        receipt.box_name,
        receipt.model_id,
        receipt.model_hash,
        receipt.security_counter,
        floor(receipt.floor),
        receipt.input_hash,
        receipt.answer_hash,
        receipt.key_fingerprint,
        outcome.warning,
    );
    text
}

/// Bytes and times of a run.
pub(crate) fn table(report: &RunReport) -> String {
    let mut text = format!("\n{:<28} {:>12} {:>12}\n", "step", "bytes", "ms");
    let mut row = |step: &str, bytes: Option<u64>, time: Option<Duration>| {
        let bytes = bytes.map_or_else(|| "-".to_owned(), |bytes| bytes.to_string());
        let time = time.map_or_else(|| "-".to_owned(), |time| format!("{:.1}", ms(time)));
        text += &format!("{step:<28} {bytes:>12} {time:>12}\n");
    };
    let keys = &report.keys;
    if let Some(time) = keys.made_in {
        row("key generation", Some(keys.len_bytes), Some(time));
    }
    if keys.reused {
        row("upload (keys reused)", Some(0), None);
    } else {
        row("upload", Some(keys.upload_bytes), Some(keys.upload_time));
    }
    let count = report.jobs.len();
    let of = |step: &str| {
        if count == 1 {
            step.to_owned()
        } else {
            format!("{step}, {count} {}", report.subject.many())
        }
    };
    row(
        &of("validate + encrypt"),
        None,
        Some(report.sum_time(|r| r.encrypt_time)),
    );
    row(&of("request"), Some(report.sum_bytes(|r| r.request_bytes)), None);
    row(&of("wait"), None, Some(report.sum_time(|r| r.wait_time)));
    row(&of("answer"), Some(report.sum_bytes(|r| r.answer_bytes)), None);
    row(
        &of("verify + decrypt"),
        None,
        Some(report.sum_time(|r| r.accept_time)),
    );
    row("whole run", None, Some(report.total_time));
    text
}

/// The contract.
pub(crate) fn fields(contract: &ContractView) -> String {
    let mut text = format!(
        "{} ({})\n\n{}\n{}\n",
        contract.title, contract.model_id, contract.intended_use, contract.not_for
    );
    if let Some(licence) = &contract.licence {
        text += &format!("Licence of its data: {}. {}\n", licence.line, licence.text);
    }
    let fields = match &contract.reads {
        ReadsView::Record(fields) => fields,
        ReadsView::Image(view) => {
            text += &format!(
                "\nReads JPEG and PNG images: the central square, resized to {0} x {0} pixels, the centre of {1} x {1}\n\
                 of it in {2} patches.\n\nClasses\n",
                view.side, view.crop, view.patches
            );
            for (name, label) in &view.classes {
                text += &format!("    {name:<12} {label}\n");
            }
            return text;
        }
    };
    for field in fields {
        text += &format!(
            "\n{}\n  {}: {}\n  {}\n",
            field.name,
            field.label,
            takes(field),
            field.help
        );
        if let FieldTakes::Code { codes } = &field.takes {
            for (code, label) in codes {
                text += &format!("    {code:<12} {label}\n");
            }
        }
    }
    text
}

/// A model that is at the box.
pub(crate) fn sent_model(model: &SignedModel, sent: &Sent, places: &Places) -> String {
    format!(
        "{box_name} has {id} {version}, counter {counter} ({sent} of {all} bytes sent in this run, {seconds:.1} s); \
         it uses it from its next start\n",
        box_name = places.box_name,
        id = model.model_id,
        version = model.version,
        counter = model.security_counter,
        sent = sent.bytes,
        all = model.bytes.len(),
        seconds = sent.time.as_secs_f64(),
    )
}

/// What the device holds.
pub(crate) fn status(status: &VaultStatus, places: &Places) -> String {
    let mut text = format!(
        "model          {} {}, manifest {:.16}, parameters {:.16}\n\
         root           {:.16}\n\
         box            {}, receipt key {:.16} (pinned)\n\
         reached by     {}\n",
        status.model_id,
        status.model_version,
        status.model_hash,
        status.parameter_hash,
        status.root_fingerprint,
        places.box_name,
        status.receipt_key_fingerprint,
        places.way,
    );
    let vault = match (status.exists, status.open) {
        (false, _) => "not made yet: `obscura-agent init` or the first `record` or `scan` makes it",
        (true, false) => "locked",
        (true, true) => "opened",
    };
    text += &format!("vault          {vault}\n");
    if status.open {
        text += &match status.keys {
            Some(keys) => format!(
                "keys           {:.16}, client {:.16}, {} bytes of evaluation keys\n",
                keys.digest, keys.client, keys.len_bytes
            ),
            None => "keys           none for this model yet\n".to_owned(),
        };
        text += &format!("without result {}\n", status.open_jobs.len());
    }
    text
}

#[cfg(test)]
mod tests {
    use obscura_local::agent::{ContractView, LicenceView, ReadsView};

    use super::{fields, wrap_at};

    #[test]
    fn the_contract_is_shown_with_the_licence_of_its_data() {
        let mut contract = ContractView {
            model_id: "m".into(),
            title: "t".into(),
            intended_use: "i".into(),
            not_for: "n".into(),
            warning: "w".into(),
            licence: Some(LicenceView {
                line: "CC BY-NC 4.0: not for commercial use".into(),
                text: "Images of a clinic.".into(),
                non_commercial: true,
            }),
            reads: ReadsView::Record(Vec::new()),
        };
        let line = "Licence of its data: CC BY-NC 4.0: not for commercial use. Images of a clinic.\n";
        assert!(fields(&contract).contains(line), "{}", fields(&contract));
        contract.licence = None;
        assert!(!fields(&contract).contains("Licence"));
    }

    #[test]
    fn long_lines_break_between_words_and_go_on_in_their_column() {
        let text = "  warning       one two three four five six\n\nshort\n";
        let wrapped = "  warning       one two three\n                four five six\n\nshort\n";
        assert_eq!(wrap_at(text, 32), wrapped);
        assert_eq!(
            wrap_at("  one two three four five six seven\n", 32),
            "  one two three four five six\n  seven\n"
        );
    }
}
