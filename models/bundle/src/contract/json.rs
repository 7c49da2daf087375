//! The contract as it stands in its file. Unknown and repeated keys are errors.

use serde::Deserialize;

use super::{
    Code, Contract, ContractError, Field, HEAD_FORMAT, IMAGE_FORMAT, Input, Kind, RECORD_FORMAT, Reads,
    RecordContract, fields::Verdict, image,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordContractJson {
    #[expect(
        dead_code,
        reason = "checked before the rest is read; listed because unknown keys are refused"
    )]
    format: u32,
    model_id: String,
    title: String,
    intended_use: String,
    not_for: String,
    warning: String,
    scale_bits: u32,
    fields: Vec<FieldJson>,
    outputs: OutputsJson,
    decision: DecisionJson,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
enum FieldJson {
    Number {
        name: String,
        label: String,
        unit: String,
        help: String,
        #[serde(rename = "missing")]
        _missing: MissingJson,
        min: f64,
        max: f64,
        inputs: Vec<InputJson>,
    },
    Code {
        name: String,
        label: String,
        unit: String,
        help: String,
        #[serde(rename = "missing")]
        _missing: MissingJson,
        codes: Vec<CodeJson>,
        inputs: Vec<InputJson>,
    },
}

/// What happens without a value: nothing but refusal is defined yet.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum MissingJson {
    Refuse,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InputJson {
    name: String,
    offset: f64,
    factor: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CodeJson {
    code: String,
    label: String,
    values: Vec<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OutputsJson {
    score: ScaleJson,
    probability: ScaleJson,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScaleJson {
    scale: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DecisionJson {
    score_threshold: i64,
    positive: VerdictJson,
    negative: VerdictJson,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VerdictJson {
    label: String,
    text: String,
}

/// Reads the format number first, so that a later format is named instead of its new keys.
pub(super) fn parse(bytes: &[u8]) -> Result<Contract, ContractError> {
    #[derive(Deserialize)]
    struct FormatJson {
        format: u32,
    }
    let FormatJson { format } = serde_json::from_slice(bytes)?;
    match format {
        RECORD_FORMAT => Ok(serde_json::from_slice::<RecordContractJson>(bytes)?.into()),
        IMAGE_FORMAT => Ok(image::parse_without_head(bytes)?),
        HEAD_FORMAT => Ok(image::parse_with_head(bytes)?),
        got => Err(ContractError::PeerFormat { got }),
    }
}

impl From<RecordContractJson> for Contract {
    fn from(json: RecordContractJson) -> Self {
        Self {
            model_id: json.model_id,
            title: json.title,
            intended_use: json.intended_use,
            not_for: json.not_for,
            warning: json.warning,
            licence: None,
            reads: Reads::Record(RecordContract {
                scale_bits: json.scale_bits,
                fields: json.fields.into_iter().map(Field::from).collect(),
                score_scale: json.outputs.score.scale,
                probability_scale: json.outputs.probability.scale,
                score_threshold: json.decision.score_threshold,
                positive: json.decision.positive.into(),
                negative: json.decision.negative.into(),
            }),
        }
    }
}

impl From<VerdictJson> for Verdict {
    fn from(json: VerdictJson) -> Self {
        Self {
            label: json.label,
            text: json.text,
        }
    }
}

impl From<FieldJson> for Field {
    fn from(json: FieldJson) -> Self {
        let (name, label, unit, help, kind, inputs) = match json {
            FieldJson::Number {
                name,
                label,
                unit,
                help,
                min,
                max,
                inputs,
                ..
            } => (name, label, unit, help, Kind::Number { min, max }, inputs),
            FieldJson::Code {
                name,
                label,
                unit,
                help,
                codes,
                inputs,
                ..
            } => {
                let codes = codes.into_iter().map(Code::from).collect();
                (name, label, unit, help, Kind::Code(codes), inputs)
            }
        };
        Self {
            name,
            label,
            unit,
            help,
            kind,
            inputs: inputs.into_iter().map(Input::from).collect(),
        }
    }
}

impl From<CodeJson> for Code {
    fn from(json: CodeJson) -> Self {
        Self {
            word: json.code,
            label: json.label,
            values: json.values,
        }
    }
}

impl From<InputJson> for Input {
    fn from(json: InputJson) -> Self {
        Self {
            name: json.name,
            offset: json.offset,
            factor: json.factor,
        }
    }
}
