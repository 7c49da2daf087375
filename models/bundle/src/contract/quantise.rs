//! From a record to the circuit's integers, or to everything that is wrong with the record.
//!
//! Problems name the field and what is allowed, never the value: a value is the patient's.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::{Field, Input, Kind, RecordContract, check::MAX_QUANTISED};

/// One value of a record. Patient data: never printed.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub enum FieldValue {
    /// A number, in the unit of its field.
    Number(f64),
    /// A word.
    Code(String),
}

impl fmt::Debug for FieldValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Number(_) => "Number(..)",
            Self::Code(_) => "Code(..)",
        })
    }
}

/// What is wrong with a field of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Wrong {
    /// The record does not have it.
    Missing,
    /// The number is below the smallest or above the largest.
    OutOfRange,
    /// The number is infinite or no number.
    NotFinite,
    /// A word stands where a number belongs.
    NotANumber,
    /// A number stands where a word belongs.
    NotACode,
    /// The word is not one of those allowed.
    UnknownCode,
    /// The model has no such field.
    UnknownField,
}

/// What would be right.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Allowed {
    /// A number.
    Range {
        /// Smallest.
        min: f64,
        /// Largest.
        max: f64,
        /// Unit, may be empty.
        unit: String,
    },
    /// One of these words.
    Codes(Vec<String>),
    /// One of these fields.
    Fields(Vec<String>),
}

/// One thing that is wrong with a record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldProblem {
    /// Name of the field.
    pub field: String,
    /// What is wrong.
    pub wrong: Wrong,
    /// What would be right.
    pub allowed: Allowed,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "is missing",
            Self::OutOfRange => "is out of range",
            Self::NotFinite => "is not a finite number",
            Self::NotANumber => "must be a number",
            Self::NotACode => "must be a code",
            Self::UnknownCode => "has an unknown code",
            Self::UnknownField => "is not a field of this model",
        })
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Range { min, max, unit } if unit.is_empty() => write!(f, "allowed: {min} to {max}"),
            Self::Range { min, max, unit } => write!(f, "allowed: {min} to {max} {unit}"),
            Self::Codes(words) => write!(f, "allowed: {}", words.join(", ")),
            Self::Fields(names) => write!(f, "fields are: {}", names.join(", ")),
        }
    }
}

impl fmt::Display for FieldProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}; {}", self.field, self.wrong, self.allowed)
    }
}

impl RecordContract {
    /// Turns a record into the circuit's integers, in the circuit's order.
    ///
    /// Formula: `floor((value - offset) * factor + 0.5)` in IEEE 754 binary64, as the exporter computes it.
    ///
    /// # Errors
    /// Every problem of the record at once, in the order of the contract, unknown fields last.
    pub fn quantise(&self, record: &BTreeMap<String, FieldValue>) -> Result<Vec<i64>, Vec<FieldProblem>> {
        let mut inputs = Vec::with_capacity(self.input_len());
        let mut problems = Vec::new();
        for field in self.fields() {
            match field.quantise(record.get(field.name())) {
                Ok(values) => inputs.extend(values),
                Err(wrong) => problems.push(FieldProblem {
                    field: field.name().to_owned(),
                    wrong,
                    allowed: field.allowed(),
                }),
            }
        }
        problems.extend(self.unknown_fields(record));
        if problems.is_empty() {
            Ok(inputs)
        } else {
            Err(problems)
        }
    }

    /// Smallest and largest integer each input of the circuit can get from an acceptable record.
    pub(super) fn input_bounds(&self) -> Vec<(i64, i64)> {
        self.fields().iter().flat_map(Field::bounds).collect()
    }

    fn unknown_fields(&self, record: &BTreeMap<String, FieldValue>) -> impl Iterator<Item = FieldProblem> {
        let names: Vec<String> = self
            .fields()
            .iter()
            .map(|field| field.name().to_owned())
            .collect();
        let unknown: Vec<String> = record
            .keys()
            .filter(|name| !names.contains(name))
            .map(|name| printable(name))
            .collect();
        unknown.into_iter().map(move |field| FieldProblem {
            field,
            wrong: Wrong::UnknownField,
            allowed: Allowed::Fields(names.clone()),
        })
    }
}

impl Field {
    fn quantise(&self, value: Option<&FieldValue>) -> Result<Vec<i64>, Wrong> {
        let values: Vec<f64> = match (&self.kind, value.ok_or(Wrong::Missing)?) {
            (Kind::Number { .. }, FieldValue::Number(number)) if !number.is_finite() => {
                return Err(Wrong::NotFinite);
            }
            (Kind::Number { min, max }, FieldValue::Number(number)) if !(min..=max).contains(&number) => {
                return Err(Wrong::OutOfRange);
            }
            (Kind::Number { .. }, FieldValue::Number(number)) => vec![*number],
            (Kind::Code(codes), FieldValue::Code(word)) => {
                let code = codes
                    .iter()
                    .find(|code| code.word == *word)
                    .ok_or(Wrong::UnknownCode)?;
                code.values.clone()
            }
            (Kind::Number { .. }, FieldValue::Code(_)) => return Err(Wrong::NotANumber),
            (Kind::Code(_), FieldValue::Number(_)) => return Err(Wrong::NotACode),
        };
        let quantised = self
            .inputs
            .iter()
            .zip(values)
            .map(|(input, value)| quantise_value(value, input));
        // The contract was checked at both ends of every range, so nothing is lost here.
        quantised.collect::<Option<_>>().ok_or(Wrong::OutOfRange)
    }

    fn bounds(&self) -> Vec<(i64, i64)> {
        let values = |at: usize| match &self.kind {
            Kind::Number { min, max } => vec![*min, *max],
            Kind::Code(codes) => codes
                .iter()
                .filter_map(|code| code.values.get(at).copied())
                .collect(),
        };
        let bound = |(at, input): (usize, &Input)| {
            let quantised = values(at)
                .into_iter()
                .filter_map(|value| quantise_value(value, input));
            quantised.fold((i64::MAX, i64::MIN), |(low, high), x| (low.min(x), high.max(x)))
        };
        self.inputs.iter().enumerate().map(bound).collect()
    }

    fn allowed(&self) -> Allowed {
        match &self.kind {
            Kind::Number { min, max } => Allowed::Range {
                min: *min,
                max: *max,
                unit: self.unit.clone(),
            },
            Kind::Code(codes) => Allowed::Codes(codes.iter().map(|code| code.word.clone()).collect()),
        }
    }
}

/// One integer; `None` outside 2^40 in magnitude.
pub(super) fn quantise_value(value: f64, input: &Input) -> Option<i64> {
    let rounded = ((value - input.offset) * input.factor + 0.5).floor();
    #[expect(clippy::cast_precision_loss, reason = "a power of two below 2^53 is exact")]
    let limit = MAX_QUANTISED as f64;
    #[expect(clippy::cast_possible_truncation, reason = "an integer within 2^40")]
    (rounded.abs() <= limit).then_some(rounded as i64)
}

/// A foreign name, short and without characters that would move the cursor.
fn printable(name: &str) -> String {
    name.chars()
        .take(64)
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::{Value, json};

    use super::{super::Contract, *};

    pub(crate) fn small_json() -> Value {
        json!({
            "format": 1, "model_id": "small", "title": "t", "intended_use": "i", "not_for": "n", "warning": "w",
            "scale_bits": 12,
            "fields": [
                {"name": "age", "label": "Age", "unit": "years", "kind": "number", "min": 20, "max": 80,
                 "missing": "refuse", "help": "", "inputs": [{"name": "age", "offset": 50.0, "factor": 228.0}]},
                {"name": "smoking", "label": "Smoking", "unit": "", "kind": "code", "missing": "refuse", "help": "",
                 "codes": [{"code": "never", "label": "Never", "values": [0, 0]},
                           {"code": "current", "label": "Current", "values": [0, 1]}],
                 "inputs": [{"name": "former", "offset": 0.259, "factor": 9350.0},
                            {"name": "smoker", "offset": 0.226, "factor": 9790.0}]}
            ],
            "outputs": {"score": {"scale": 16_777_216}, "probability": {"scale": 4096}},
            "decision": {"score_threshold": -5, "positive": {"label": "yes", "text": "p"},
                         "negative": {"label": "no", "text": "n"}}
        })
    }

    fn small() -> RecordContract {
        let contract = Contract::from_json(small_json().to_string().as_bytes()).unwrap();
        contract.record().unwrap().clone()
    }

    fn record(age: FieldValue, smoking: FieldValue) -> BTreeMap<String, FieldValue> {
        [("age".to_owned(), age), ("smoking".to_owned(), smoking)].into()
    }

    fn code(word: &str) -> FieldValue {
        FieldValue::Code(word.to_owned())
    }

    #[test]
    fn quantises_by_the_formula_of_the_exporter() {
        let inputs = small()
            .quantise(&record(FieldValue::Number(35.0), code("never")))
            .unwrap();
        assert_eq!(inputs, [-3420, -2422, -2213]);
        let inputs = small()
            .quantise(&record(FieldValue::Number(80.0), code("current")))
            .unwrap();
        assert_eq!(inputs, [6840, -2422, 7577]);
    }

    #[test]
    fn bounds_are_the_extremes_of_what_records_give() {
        assert_eq!(
            small().input_bounds(),
            [(-6840, 6840), (-2422, -2422), (-2213, 7577)]
        );
    }

    #[test]
    fn halves_round_up_on_both_sides_of_zero() {
        let input = Input {
            name: "x".to_owned(),
            offset: 0.0,
            factor: 1.0,
        };
        let rounded = [-1.5, -0.5, 0.5, 1.5].map(|value| quantise_value(value, &input));
        assert_eq!(rounded, [Some(-1), Some(0), Some(1), Some(2)]);
        assert_eq!(quantise_value(f64::NAN, &input), None);
        assert_eq!(quantise_value(f64::INFINITY, &input), None);
    }

    #[test]
    fn reports_every_problem_at_once_with_field_reason_and_what_is_allowed() {
        let mut bad = record(FieldValue::Number(80.5), code("sometimes"));
        bad.insert("weight\u{1b}".to_owned(), FieldValue::Number(1.0));
        let problems = small().quantise(&bad).unwrap_err();
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                "age is out of range; allowed: 20 to 80 years",
                "smoking has an unknown code; allowed: never, current",
                "weight? is not a field of this model; fields are: age, smoking",
            ]
        );
    }

    #[test]
    fn refuses_missing_wrongly_typed_and_non_finite_values() {
        let wrong = |record: &BTreeMap<String, FieldValue>| -> Vec<Wrong> {
            small()
                .quantise(record)
                .unwrap_err()
                .iter()
                .map(|problem| problem.wrong)
                .collect()
        };
        assert_eq!(wrong(&BTreeMap::new()), [Wrong::Missing, Wrong::Missing]);
        let swapped = record(code("35"), FieldValue::Number(0.0));
        assert_eq!(wrong(&swapped), [Wrong::NotANumber, Wrong::NotACode]);
        for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(
                wrong(&record(FieldValue::Number(number), code("never"))),
                [Wrong::NotFinite]
            );
        }
        assert_eq!(
            wrong(&record(FieldValue::Number(19.999), code("never"))),
            [Wrong::OutOfRange]
        );
        assert_eq!(
            wrong(&record(FieldValue::Number(30.0), code("Never"))),
            [Wrong::UnknownCode]
        );
    }

    #[test]
    fn decides_positive_from_the_threshold_on() {
        let contract = small();
        assert!(!contract.decision(-6).positive);
        assert!(contract.decision(-5).positive);
        assert_eq!(
            (contract.decision(-6).label, contract.decision(0).text),
            ("no", "p")
        );
    }

    #[test]
    fn problems_never_carry_the_value() {
        let problems = small()
            .quantise(&record(FieldValue::Number(123.456), code("secret")))
            .unwrap_err();
        let values = record(FieldValue::Number(123.456), code("secret"));
        let text = format!("{problems:?} {} {values:?}", problems[1]);
        assert!(!text.contains("123") && !text.contains("secret"), "{text}");
    }
}
