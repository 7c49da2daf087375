//! Records from a file, from the command line, or from somebody at a terminal.

use std::{
    fs,
    io::{self, BufRead, IsTerminal, Write},
    path::{Path, PathBuf},
};

use obscura_bundle::{FieldValue, record};
use obscura_local::agent::{ContractView, FieldTakes, FieldView, ImageView, ReadsView, Record, Value};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::text::wrap;
use crate::{
    application::{Named, NamedImage, VaultExt},
    arguments::RecordArguments,
    error::CliError,
    ports::Vault,
};

/// Name of a record that has none.
const UNNAMED: &str = "record";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry<'a> {
    name: String,
    #[serde(borrow)]
    record: &'a RawValue,
}

/// The records the arguments ask for.
///
/// # Errors
/// [`CliError`], exit code 2 or 3.
pub(crate) fn records(arguments: &RecordArguments, vault: &mut dyn Vault) -> Result<Vec<Named>, CliError> {
    let entered = arguments.input.as_ref().map(|path| from_file(path)).transpose()?;
    let contract = vault.contract()?;
    let ReadsView::Record(fields) = &contract.reads else {
        return Err(CliError::ConfigOtherModel {
            reads: "images",
            use_instead: "scan",
        });
    };
    if let Some(entered) = entered {
        return Ok(entered);
    }
    let record = if !arguments.field.is_empty() {
        let given = arguments.field.iter();
        Record(
            given
                .map(|(name, text)| (name.clone(), value(fields, name, text)))
                .collect(),
        )
    } else if io::stdin().is_terminal() {
        ask(&contract, fields, vault)?
    } else {
        return Err(CliError::ConfigNoRecord);
    };
    let name = UNNAMED.to_owned();
    Ok(vec![Named { name, record }])
}

/// The image files the arguments name, called by their file names.
///
/// # Errors
/// [`CliError::ConfigOtherModel`].
pub(crate) fn images(
    paths: &[PathBuf],
    contract: &ContractView,
) -> Result<(Vec<NamedImage>, ImageView), CliError> {
    let ReadsView::Image(view) = &contract.reads else {
        return Err(CliError::ConfigOtherModel {
            reads: "records",
            use_instead: "record",
        });
    };
    let named = |path: &PathBuf| {
        let name = path.file_name().unwrap_or(path.as_os_str());
        NamedImage {
            name: name.to_string_lossy().into_owned(),
            path: path.clone(),
        }
    };
    Ok((paths.iter().map(named).collect(), view.clone()))
}

fn from_file(path: &Path) -> Result<Vec<Named>, CliError> {
    let bytes = fs::read(path).map_err(|source| CliError::ConfigInput {
        path: path.to_owned(),
        source,
    })?;
    let one = |name: String, bytes: &[u8]| {
        let fields = record::from_json(bytes).map_err(|source| CliError::DeviceRecord {
            path: path.to_owned(),
            source,
        })?;
        let value = |value| match value {
            FieldValue::Number(number) => Value::Number(number),
            FieldValue::Code(word) => Value::Code(word),
        };
        let record = Record(
            fields
                .into_iter()
                .map(|(name, found)| (name, value(found)))
                .collect(),
        );
        Ok(Named { name, record })
    };
    if bytes.trim_ascii_start().first() != Some(&b'[') {
        return Ok(vec![one(UNNAMED.to_owned(), &bytes)?]);
    }
    let entries: Vec<Entry<'_>> = serde_json::from_slice(&bytes).map_err(|error| CliError::DeviceList {
        path: path.to_owned(),
        line: error.line(),
        column: error.column(),
    })?;
    let entries = entries.into_iter();
    entries
        .map(|entry| one(entry.name, entry.record.get().as_bytes()))
        .collect()
}

/// A typed text as the kind of value its field takes; the vault judges what does not fit.
fn value(fields: &[FieldView], name: &str, text: &str) -> Value {
    let field = fields.iter().find(|field| field.name == name);
    let number = field.is_some_and(|field| matches!(field.takes, FieldTakes::Number { .. }));
    match text.parse() {
        Ok(parsed) if number => Value::Number(parsed),
        _ => Value::Code(text.to_owned()),
    }
}

/// Asks for one field after the other, again where the answer does not fit.
fn ask(contract: &ContractView, fields: &[FieldView], vault: &mut dyn Vault) -> Result<Record, CliError> {
    eprintln!("{}\n{}\n", contract.title, wrap(&contract.intended_use));
    let mut record = Record::default();
    for field in fields {
        eprintln!("{}", wrap(&field.help));
        loop {
            let text = line(field)?;
            let mut with = record.clone();
            with.0
                .push((field.name.clone(), value(fields, &field.name, &text)));
            let problems = vault.problems(with.clone())?;
            let wrong = problems.iter().find(|problem| problem.field == field.name);
            let Some(wrong) = wrong else {
                record = with;
                break;
            };
            eprintln!("  {} {}", field.label, wrong.text);
        }
    }
    Ok(record)
}

fn line(field: &FieldView) -> Result<String, CliError> {
    eprint!("  {} [{}]: ", field.label, takes(field));
    io::stderr().flush().map_err(CliError::DeviceTerminal)?;
    let mut text = String::new();
    match io::stdin().lock().read_line(&mut text) {
        Ok(0) => Err(CliError::ConfigNoRecord),
        Ok(_) => Ok(text.trim().to_owned()),
        Err(error) => Err(CliError::DeviceTerminal(error)),
    }
}

/// What a field takes, in one line.
pub(crate) fn takes(field: &FieldView) -> String {
    match &field.takes {
        FieldTakes::Number { min, max } if field.unit.is_empty() => format!("{min} to {max}"),
        FieldTakes::Number { min, max } => format!("{min} to {max} {}", field.unit),
        FieldTakes::Code { codes } => {
            let codes: Vec<&str> = codes.iter().map(|(code, _)| code.as_str()).collect();
            codes.join(", ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Result<Vec<Named>, CliError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        from_file(file.path())
    }

    #[test]
    fn one_object_is_one_unnamed_record() {
        let records = file(r#"{"age_years": 61, "sex": "male", "gone": null}"#).unwrap();
        assert_eq!(records[0].name, "record");
        let want = [
            ("age_years".to_owned(), Value::Number(61.0)),
            ("sex".to_owned(), Value::Code("male".to_owned())),
        ];
        assert!(records[0].record.0 == want);
    }

    #[test]
    fn a_list_names_its_records_and_keeps_their_order() {
        let records = file(r#" [{"name": "b", "record": {"x": 1}}, {"name": "a", "record": {}}]"#).unwrap();
        assert_eq!(
            records
                .iter()
                .map(|named| named.name.as_str())
                .collect::<Vec<_>>(),
            ["b", "a"]
        );
    }

    #[test]
    fn other_shapes_are_refused_as_input() {
        for text in [
            "",
            "7",
            "[7]",
            r#"[{"name": "a"}]"#,
            r#"{"x": [1]}"#,
            r#"{"x": 1, "x": 2}"#,
            "{\"x\": true}",
        ] {
            assert_eq!(file(text).unwrap_err().exit_code(), 3, "{text}");
        }
        assert_eq!(from_file(Path::new("/nonexistent")).unwrap_err().exit_code(), 2);
    }
}
