//! Contracts for images as they stand in their file, formats 2 and 3. Unknown and repeated keys are errors.

use serde::Deserialize;

use super::{
    super::{Contract, ContractError, Licence, Reads, check::part},
    Aggregate, Channel, Class, ImageContract, Threshold,
    head::{Head, Hidden, Layer, Pool},
};

/// Format 2.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlainJson {
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
    scores: PlainScoresJson,
}

/// Format 3.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ContractJson {
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
    licence: LicenceJson,
    image: ImageJson,
    classes: Vec<ClassJson>,
    scores: ScoresJson,
    #[serde(default)]
    thresholds: Vec<ThresholdJson>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LicenceJson {
    name: String,
    text: String,
    non_commercial: bool,
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
struct PlainScoresJson {
    output: String,
    #[serde(rename = "aggregate")]
    _aggregate: AggregateJson,
    logit_per_integer: f64,
    temperature: f64,
}

/// How the patches of an image speak together in format 2.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum AggregateJson {
    Max,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
enum ScoresJson {
    Max {
        output: String,
        logit_per_integer: f64,
        temperature: f64,
    },
    Head {
        output: String,
        inputs: usize,
        value_per_integer: f64,
        temperature: f64,
        #[serde(default)]
        hidden: Option<HiddenJson>,
        pool: PoolJson,
        classes: LayerJson,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HiddenJson {
    weights: Vec<Vec<f64>>,
    bias: Vec<f64>,
    #[serde(default)]
    positions: Option<Vec<Vec<f64>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PoolJson {
    mean: bool,
    max: bool,
    attention: Vec<Vec<f64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LayerJson {
    weights: Vec<Vec<f64>>,
    bias: Vec<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ThresholdJson {
    class: String,
    probability: f64,
    text: String,
}

/// Reads format 2, unchecked.
pub(in crate::contract) fn parse_without_head(bytes: &[u8]) -> Result<Contract, ContractError> {
    let json: PlainJson = serde_json::from_slice(bytes)?;
    let scores = json.scores;
    let meaning = Meaning {
        output: scores.output,
        value_per_integer: scores.logit_per_integer,
        temperature: scores.temperature,
        aggregate: Aggregate::Max,
    };
    let classes = json.classes.into_iter().map(Class::from).collect();
    Ok(Contract {
        model_id: json.model_id,
        title: json.title,
        intended_use: json.intended_use,
        not_for: json.not_for,
        warning: json.warning,
        licence: None,
        reads: Reads::Image(contract(json.image, classes, meaning, Vec::new())),
    })
}

/// Reads format 3, unchecked but for the names of the thresholds' classes.
pub(in crate::contract) fn parse_with_head(bytes: &[u8]) -> Result<Contract, ContractError> {
    let json: ContractJson = serde_json::from_slice(bytes)?;
    let classes: Vec<Class> = json.classes.into_iter().map(Class::from).collect();
    let thresholds = json.thresholds.into_iter().enumerate();
    let thresholds = thresholds.map(|(number, threshold)| threshold.resolve(number, &classes));
    let thresholds = thresholds.collect::<Result<_, _>>()?;
    Ok(Contract {
        model_id: json.model_id,
        title: json.title,
        intended_use: json.intended_use,
        not_for: json.not_for,
        warning: json.warning,
        licence: Some(Licence {
            name: json.licence.name,
            text: json.licence.text,
            non_commercial: json.licence.non_commercial,
        }),
        reads: Reads::Image(contract(json.image, classes, json.scores.into(), thresholds)),
    })
}

/// What the circuit's output means.
struct Meaning {
    output: String,
    value_per_integer: f64,
    temperature: f64,
    aggregate: Aggregate,
}

fn contract(
    image: ImageJson,
    classes: Vec<Class>,
    meaning: Meaning,
    thresholds: Vec<Threshold>,
) -> ImageContract {
    ImageContract {
        side: image.resize.side,
        crop: image.crop,
        patch: image.patch,
        scale: image.scale,
        channels: image.channels.into_iter().map(Channel::from).collect(),
        classes,
        output: meaning.output,
        value_per_integer: meaning.value_per_integer,
        temperature: meaning.temperature,
        aggregate: meaning.aggregate,
        thresholds,
    }
}

impl ThresholdJson {
    fn resolve(self, number: usize, classes: &[Class]) -> Result<Threshold, ContractError> {
        let class = classes.iter().position(|class| class.name == self.class);
        let unknown = || part("threshold", number, "class is the name of a class");
        Ok(Threshold {
            class: class.ok_or_else(unknown)?,
            probability: self.probability,
            text: self.text,
        })
    }
}

impl From<ScoresJson> for Meaning {
    fn from(json: ScoresJson) -> Self {
        match json {
            ScoresJson::Max {
                output,
                logit_per_integer,
                temperature,
            } => Self {
                output,
                value_per_integer: logit_per_integer,
                temperature,
                aggregate: Aggregate::Max,
            },
            ScoresJson::Head {
                output,
                inputs,
                value_per_integer,
                temperature,
                hidden,
                pool,
                classes,
            } => Self {
                output,
                value_per_integer,
                temperature,
                aggregate: Aggregate::Head(Head {
                    inputs,
                    hidden: hidden.map(Hidden::from),
                    pool: pool.into(),
                    classes: classes.into(),
                }),
            },
        }
    }
}

impl From<HiddenJson> for Hidden {
    fn from(json: HiddenJson) -> Self {
        let HiddenJson {
            weights,
            bias,
            positions,
        } = json;
        Self {
            layer: Layer { weights, bias },
            positions,
        }
    }
}

impl From<PoolJson> for Pool {
    fn from(json: PoolJson) -> Self {
        Self {
            mean: json.mean,
            max: json.max,
            attention: json.attention,
        }
    }
}

impl From<LayerJson> for Layer {
    fn from(json: LayerJson) -> Self {
        Self {
            weights: json.weights,
            bias: json.bias,
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
