//! The contract as it stands in its file. Unknown and repeated keys are errors.

use serde::Deserialize;

use super::{
    Channel, Class, Code, Contract, ContractError, Field, IMAGE_FORMAT, ImageContract, Input, Kind,
    RECORD_FORMAT, Reads, RecordContract, fields::Verdict,
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ImageContractJson {
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
    image: ImageJson,
    classes: Vec<ClassJson>,
    scores: ScoresJson,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ImageJson {
    resize: ResizeJson,
    crop: u32,
    patch: u32,
    scale: f64,
    channels: Vec<ChannelJson>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResizeJson {
    side: u32,
    #[serde(rename = "filter")]
    _filter: FilterJson,
}

/// How pixels are resampled: one filter is defined yet.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum FilterJson {
    Lanczos3,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChannelJson {
    name: String,
    mean: f64,
    deviation: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClassJson {
    name: String,
    label: String,
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScoresJson {
    output: String,
    #[serde(rename = "aggregate")]
    _aggregate: AggregateJson,
    logit_per_integer: f64,
    temperature: f64,
}

/// How the patches of an image speak together: one way is defined yet.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum AggregateJson {
    Max,
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
        IMAGE_FORMAT => Ok(serde_json::from_slice::<ImageContractJson>(bytes)?.into()),
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

impl From<ImageContractJson> for Contract {
    fn from(json: ImageContractJson) -> Self {
        let image = json.image;
        Self {
            model_id: json.model_id,
            title: json.title,
            intended_use: json.intended_use,
            not_for: json.not_for,
            warning: json.warning,
            reads: Reads::Image(ImageContract {
                side: image.resize.side,
                crop: image.crop,
                patch: image.patch,
                scale: image.scale,
                channels: image.channels.into_iter().map(Channel::from).collect(),
                classes: json.classes.into_iter().map(Class::from).collect(),
                output: json.scores.output,
                logit_per_integer: json.scores.logit_per_integer,
                temperature: json.scores.temperature,
            }),
        }
    }
}

impl From<ChannelJson> for Channel {
    fn from(json: ChannelJson) -> Self {
        Self {
            name: json.name,
            mean: json.mean,
            deviation: json.deviation,
        }
    }
}

impl From<ClassJson> for Class {
    fn from(json: ClassJson) -> Self {
        Self {
            name: json.name,
            label: json.label,
            text: json.text,
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
