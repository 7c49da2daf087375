//! Records as people write them: one flat JSON object of numbers and words.
//!
//! `null` is the same as a missing field. Errors name the field, never the value.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Deserializer, de};

use crate::contract::quantise::FieldValue;

/// Largest record, bytes.
pub const MAX_RECORD_BYTES: usize = 64 * 1024;

/// Why a text is not a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The text is too long.
    #[error("record is {got_bytes} bytes, at most {MAX_RECORD_BYTES} are allowed")]
    PeerTooLarge {
        /// Length found.
        got_bytes: usize,
    },
    /// The text is not one flat JSON object of numbers and words, each field once.
    #[error(
        "record is not a flat JSON object of numbers and words, each field once (line {line}, column {column})"
    )]
    PeerForm {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
}

/// Reads a record.
///
/// # Errors
/// [`RecordError`].
pub fn from_json(bytes: &[u8]) -> Result<BTreeMap<String, FieldValue>, RecordError> {
    if bytes.len() > MAX_RECORD_BYTES {
        return Err(RecordError::PeerTooLarge {
            got_bytes: bytes.len(),
        });
    }
    let record: RecordJson = serde_json::from_slice(bytes).map_err(|error| RecordError::PeerForm {
        line: error.line(),
        column: error.column(),
    })?;
    Ok(record.0)
}

/// A record inside a larger JSON file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RecordJson(pub(crate) BTreeMap<String, FieldValue>);

impl<'de> Deserialize<'de> for RecordJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = RecordJson;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of numbers and words, each field once")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<RecordJson, A::Error> {
                #[derive(Deserialize)]
                #[serde(untagged)]
                enum Value {
                    Number(f64),
                    Code(String),
                }
                let mut seen = BTreeMap::new();
                while let Some(name) = map.next_key::<String>()? {
                    let value = map.next_value::<Option<Value>>()?.map(|value| match value {
                        Value::Number(number) => FieldValue::Number(number),
                        Value::Code(word) => FieldValue::Code(word),
                    });
                    if seen.insert(name, value).is_some() {
                        return Err(de::Error::custom("a field appears twice"));
                    }
                }
                let present = |(name, value): (String, Option<FieldValue>)| Some((name, value?));
                Ok(RecordJson(seen.into_iter().filter_map(present).collect()))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_numbers_and_words_and_takes_null_for_missing() {
        let record = from_json(br#"{"age": 35, "bmi": 22.5, "sex": "female", "hdl": null}"#).unwrap();
        assert_eq!(record.len(), 3);
        assert_eq!(record["age"], FieldValue::Number(35.0));
        assert_eq!(record["bmi"], FieldValue::Number(22.5));
        assert_eq!(record["sex"], FieldValue::Code("female".to_owned()));
    }

    #[test]
    fn refuses_repeated_fields_and_other_shapes_by_place_without_the_value() {
        for text in [
            r#"{"age": 35, "age": 36}"#,
            r#"{"age": null, "age": 36}"#,
            r#"{"age": true}"#,
            r#"{"age": [35]}"#,
            r#"{"age": {"years": 35}}"#,
            "[35]",
            "35",
            "",
            r#"{"age": 35} x"#,
            r#"{"age": NaN}"#,
        ] {
            let refused = from_json(text.as_bytes()).unwrap_err();
            assert!(matches!(refused, RecordError::PeerForm { .. }), "{text}");
            assert!(!refused.to_string().contains("35"), "{refused}");
        }
        assert!(from_json(&vec![b' '; MAX_RECORD_BYTES + 1]).is_err());
    }
}
