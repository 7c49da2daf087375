//! The rules a contract keeps, so that nothing that reads it has to ask again.

use obscura_protocol::job::MAX_MODEL_ID_BYTES;

use super::{Contract, ContractError, Field, Kind, Licence, Reads, RecordContract, quantise::quantise_value};

const MAX_FIELDS: usize = 256;
const MAX_CODES: usize = 64;
const MAX_INPUTS_PER_FIELD: usize = 64;
const MAX_NAME_BYTES: usize = 64;
pub(super) const MAX_LABEL_BYTES: usize = 128;
pub(super) const MAX_TEXT_BYTES: usize = 4096;
const MAX_SCALE_BITS: u32 = 24;
/// Every quantised value stays an exact integer in f64 and far from overflow in sums.
pub(super) const MAX_QUANTISED: i64 = 1 << 40;

impl Contract {
    pub(super) fn check(&self) -> Result<(), ContractError> {
        let longest = MAX_NAME_BYTES.min(MAX_MODEL_ID_BYTES);
        rule(
            (1..=longest).contains(&self.model_id.len()),
            "model_id has 1 to 64 bytes",
        )?;
        texts([&self.title, &self.intended_use, &self.not_for, &self.warning])?;
        self.licence.as_ref().map_or(Ok(()), Licence::check)?;
        match &self.reads {
            Reads::Record(record) => record.check(),
            Reads::Image(image) => image.check(),
        }
    }
}

impl Licence {
    fn check(&self) -> Result<(), ContractError> {
        texts([&self.text])?;
        rule(
            !self.name.is_empty() && is_text(&self.name, MAX_LABEL_BYTES),
            "the licence's name has 1 to 128 bytes and no control characters",
        )
    }
}

impl RecordContract {
    fn check(&self) -> Result<(), ContractError> {
        texts([
            &self.positive.label,
            &self.positive.text,
            &self.negative.label,
            &self.negative.text,
        ])?;
        rule(
            (1..=MAX_SCALE_BITS).contains(&self.scale_bits),
            "scale_bits is 1 to 24",
        )?;
        rule(
            self.score_scale > 0 && self.probability_scale > 0,
            "scales of outputs are positive",
        )?;
        rule(
            (1..=MAX_FIELDS).contains(&self.fields.len()),
            "there are 1 to 256 fields",
        )?;
        for (number, field) in self.fields.iter().enumerate() {
            field
                .check()
                .and_then(|()| field.check_unlike(&self.fields[..number]))
                .map_err(|rule| part("field", number, rule))?;
        }
        Ok(())
    }
}

impl Field {
    fn check(&self) -> Result<(), &'static str> {
        held(is_name(&self.name), "name is [a-z][a-z0-9_]{0,63}")?;
        held(
            !self.label.is_empty() && is_text(&self.label, MAX_LABEL_BYTES),
            "label has 1 to 128 bytes and no control characters",
        )?;
        held(
            is_text(&self.unit, MAX_LABEL_BYTES),
            "unit has at most 128 bytes and no control characters",
        )?;
        held(
            is_text(&self.help, MAX_TEXT_BYTES),
            "help has at most 4096 bytes and no control characters",
        )?;
        held(
            (1..=MAX_INPUTS_PER_FIELD).contains(&self.inputs.len()),
            "there are 1 to 64 inputs",
        )?;
        for (at, input) in self.inputs.iter().enumerate() {
            held(is_name(&input.name), "input name is [a-z][a-z0-9_]{0,63}")?;
            held(input.offset.is_finite(), "offset is finite")?;
            held(
                input.factor.is_finite() && input.factor != 0.0,
                "factor is finite and not zero",
            )?;
            let unlike = self.inputs[..at].iter().all(|other| other.name != input.name);
            held(unlike, "input names are unique")?;
        }
        match &self.kind {
            Kind::Number { min, max } => self.check_number(*min, *max),
            Kind::Code(_) => self.check_codes(),
        }
    }

    fn check_number(&self, min: f64, max: f64) -> Result<(), &'static str> {
        held(
            min.is_finite() && max.is_finite() && min < max,
            "min and max are finite, min is below max",
        )?;
        held(self.inputs.len() == 1, "a number has one input")?;
        // The map is monotone: what holds at both ends holds between them.
        self.check_quantised(&[min])?;
        self.check_quantised(&[max])
    }

    fn check_codes(&self) -> Result<(), &'static str> {
        let codes = self.codes();
        held((1..=MAX_CODES).contains(&codes.len()), "there are 1 to 64 codes")?;
        for (at, code) in codes.iter().enumerate() {
            held(
                !code.word.is_empty() && is_text(&code.word, MAX_NAME_BYTES),
                "a code has 1 to 64 bytes and no control characters",
            )?;
            held(
                !code.label.is_empty() && is_text(&code.label, MAX_LABEL_BYTES),
                "label of a code has 1 to 128 bytes and no control characters",
            )?;
            held(
                codes[..at].iter().all(|other| other.word != code.word),
                "codes are unique",
            )?;
            held(
                code.values.len() == self.inputs.len(),
                "a code has one value per input",
            )?;
            held(
                code.values.iter().all(|value| value.is_finite()),
                "values are finite",
            )?;
            self.check_quantised(&code.values)?;
        }
        Ok(())
    }

    fn check_quantised(&self, values: &[f64]) -> Result<(), &'static str> {
        let mut pairs = self.inputs.iter().zip(values);
        held(
            pairs.all(|(input, value)| quantise_value(*value, input).is_some()),
            "inputs stay within 2^40 in magnitude",
        )
    }

    fn check_unlike(&self, earlier: &[Self]) -> Result<(), &'static str> {
        held(
            earlier.iter().all(|other| other.name != self.name),
            "names are unique",
        )?;
        let mut taken = earlier.iter().flat_map(|other| &other.inputs);
        held(
            taken.all(|other| self.inputs.iter().all(|own| own.name != other.name)),
            "input names are unique",
        )
    }
}

fn texts<const N: usize>(texts: [&String; N]) -> Result<(), ContractError> {
    rule(
        texts
            .iter()
            .all(|text| !text.is_empty() && is_text(text, MAX_TEXT_BYTES)),
        "texts have 1 to 4096 bytes and no control characters",
    )
}

pub(super) fn part(part: &'static str, number: usize, rule: &'static str) -> ContractError {
    ContractError::PeerPart { part, number, rule }
}

pub(super) fn is_positive(number: f64) -> bool {
    number.is_finite() && number > 0.0
}

pub(super) fn rule(holds: bool, rule: &'static str) -> Result<(), ContractError> {
    if holds {
        Ok(())
    } else {
        Err(ContractError::PeerRule { rule })
    }
}

pub(super) fn held(holds: bool, rule: &'static str) -> Result<(), &'static str> {
    if holds { Ok(()) } else { Err(rule) }
}

pub(super) fn is_name(text: &str) -> bool {
    text.len() <= MAX_NAME_BYTES
        && text
            .bytes()
            .next()
            .is_some_and(|first| first.is_ascii_lowercase())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// Texts are printed on terminals: no escape sequences.
pub(super) fn is_text(text: &str, max_bytes: usize) -> bool {
    text.len() <= max_bytes && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::super::quantise::tests::small_json;
    use super::*;
    use serde_json::{Value, json};

    fn refused(alter: impl FnOnce(&mut Value)) -> String {
        let mut contract = small_json();
        alter(&mut contract);
        Contract::from_json(contract.to_string().as_bytes())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn every_rule_of_a_field_is_checked() {
        let number = |key: &str, value: Value| refused(|c| c["fields"][0][key] = value);
        let input = |key: &str, value: Value| refused(|c| c["fields"][0]["inputs"][0][key] = value);
        let code = |key: &str, value: Value| refused(|c| c["fields"][1]["codes"][0][key] = value);
        assert!(number("name", json!("")).contains("name is"));
        assert!(number("name", json!("Age")).contains("name is"));
        assert!(number("label", json!("")).contains("label has"));
        assert!(number("label", json!("a\u{1b}[31m")).contains("label has"));
        assert!(number("min", json!(80)).contains("min is below max"));
        assert!(number("min", json!(90)).contains("min is below max"));
        assert!(number("inputs", json!([])).contains("1 to 64 inputs"));
        assert!(input("factor", json!(0)).contains("factor"));
        assert!(input("factor", json!(-0.0)).contains("factor"));
        assert!(input("factor", json!(1e300)).contains("2^40"));
        assert!(input("name", json!("smoker")).contains("input names are unique"));
        assert!(code("code", json!("current")).contains("codes are unique"));
        assert!(code("values", json!([0])).contains("one value per input"));
        assert!(code("values", json!([0, 1e300])).contains("2^40"));
        assert!(refused(|c| c["fields"][1]["name"] = json!("age")).contains("names are unique"));
        assert!(refused(|c| c["fields"][1]["codes"] = json!([])).contains("1 to 64 codes"));
    }

    #[test]
    fn every_rule_of_the_whole_is_checked() {
        assert!(refused(|c| c["fields"] = json!([])).contains("1 to 256 fields"));
        assert!(refused(|c| c["warning"] = json!("")).contains("texts"));
        assert!(refused(|c| c["scale_bits"] = json!(0)).contains("scale_bits"));
        assert!(refused(|c| c["outputs"]["score"]["scale"] = json!(0)).contains("scales"));
        assert!(refused(|c| c["model_id"] = json!("")).contains("model_id"));
        assert_eq!(
            refused(|c| c["format"] = json!(4)),
            "contract has format 4, this program reads formats 1 to 3"
        );
    }

    #[test]
    fn unknown_missing_and_repeated_keys_are_refused() {
        let form = "contract is not of the expected JSON form";
        assert_eq!(refused(|c| c["extra"] = json!(1)), form);
        assert_eq!(refused(|c| c["fields"][0]["extra"] = json!(1)), form);
        assert_eq!(refused(|c| c["fields"][1]["min"] = json!(1)), form);
        assert_eq!(refused(|c| c["fields"][0]["missing"] = json!("zero")), form);
        assert_eq!(refused(|c| c["fields"][0]["kind"] = json!("date")), form);
        assert_eq!(refused(|c| c["fields"][0]["max"] = Value::Null), form);
        let text = small_json().to_string();
        let twice = text.replacen("\"max\":80", "\"max\":80,\"max\":99", 1);
        assert_ne!(text, twice);
        assert!(Contract::from_json(twice.as_bytes()).is_err());
        for bad in ["NaN", "Infinity", "1e999"] {
            let text = text.replacen("\"max\":80", &format!("\"max\":{bad}"), 1);
            assert!(Contract::from_json(text.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn endless_contracts_are_refused_unread() {
        let refused = Contract::from_json(&vec![b' '; super::super::MAX_CONTRACT_BYTES + 1]);
        assert!(matches!(refused, Err(ContractError::PeerTooLarge { .. })));
        let deep = [b'['; 4096];
        assert!(matches!(
            Contract::from_json(&deep),
            Err(ContractError::PeerJson(_))
        ));
    }
}
