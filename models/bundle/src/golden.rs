//! Golden vectors: records or patches with the integers and results the circuit must give, and whole images'
//! outputs with the probabilities they must come to.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{
    contract::{ImageContract, quantise::FieldValue},
    record::RecordJson,
};

/// Largest file of golden vectors, bytes.
pub const MAX_GOLDEN_BYTES: usize = 1024 * 1024;
/// Format number of golden records.
pub const RECORD_FORMAT: u32 = 1;
/// Format number of golden patches.
pub const PATCH_FORMAT: u32 = 2;
/// Format number of golden patches with whole images.
pub const SCAN_FORMAT: u32 = 3;
/// How far a probability may be from the golden one: sums in another order, another library's exponential.
pub const PROBABILITY_TOLERANCE: f64 = 1e-9;

/// Why golden vectors are not acceptable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GoldenError {
    /// The file is too large.
    #[error("golden vectors are {got_bytes} bytes, at most {MAX_GOLDEN_BYTES} are allowed")]
    PeerTooLarge {
        /// Length found.
        got_bytes: usize,
    },
    /// The file is not the JSON of golden vectors.
    #[error("golden vectors are not of the expected JSON form")]
    PeerJson(#[from] serde_json::Error),
    /// The file is of another format.
    #[error("golden vectors have format {got}, this program reads formats {RECORD_FORMAT} to {SCAN_FORMAT}")]
    PeerFormat {
        /// Format found.
        got: u32,
    },
    /// There is nothing to compare with.
    #[error("there are no golden vectors")]
    PeerEmpty,
}

/// A golden vector that does not come out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("golden vector {vector} has the wrong {part}")]
pub struct GoldenMismatch {
    /// Its name.
    pub vector: String,
    /// What is wrong of it.
    pub part: &'static str,
}

/// The golden vectors of a payload.
#[derive(Clone, Debug, PartialEq)]
pub enum Golden {
    /// Records; the first two of a clinical model are a healthy and an ill reference person.
    Records(Vec<GoldenVector>),
    /// Patches of images, and outputs of whole images; before format 3 there are none of these.
    Images {
        /// What the circuit gives.
        patches: Vec<GoldenPatch>,
        /// What the contract makes of it.
        scans: Vec<GoldenScan>,
    },
}

/// The inputs of one patch and what must come of them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoldenPatch {
    /// Where the patch is from.
    pub name: String,
    /// The circuit's inputs.
    pub inputs: Vec<i64>,
    /// The circuit's output.
    pub outputs: Vec<i64>,
}

/// The outputs of all patches of one image and what the contract must make of them.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoldenScan {
    /// Which image it is.
    pub name: String,
    /// The circuit's output for every patch, row by row.
    pub outputs: Vec<Vec<i64>>,
    /// One per class.
    pub probabilities: Vec<f64>,
}

/// One record and what must come of it.
#[derive(Clone, Debug, PartialEq)]
pub struct GoldenVector {
    /// What the record stands for.
    pub name: String,
    /// The record.
    pub record: BTreeMap<String, FieldValue>,
    /// The circuit's inputs.
    pub inputs: Vec<i64>,
    /// The exact score.
    pub score: i64,
    /// Entry of the probability table the score falls on.
    pub index: i64,
    /// The probability at that entry, as an integer.
    pub probability: i64,
}

#[derive(Deserialize)]
struct FormatJson {
    format: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GoldenJson<T> {
    #[expect(
        dead_code,
        reason = "checked before the rest is read; listed because unknown keys are refused"
    )]
    format: u32,
    vectors: Vec<T>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VectorJson {
    name: String,
    record: RecordJson,
    inputs: Vec<i64>,
    score: i64,
    index: i64,
    probability: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ImagesJson {
    #[expect(
        dead_code,
        reason = "checked before the rest is read; listed because unknown keys are refused"
    )]
    format: u32,
    vectors: Vec<GoldenPatch>,
    scans: Vec<GoldenScan>,
}

impl Golden {
    /// Reads golden vectors.
    ///
    /// # Errors
    /// [`GoldenError`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, GoldenError> {
        if bytes.len() > MAX_GOLDEN_BYTES {
            return Err(GoldenError::PeerTooLarge {
                got_bytes: bytes.len(),
            });
        }
        let FormatJson { format } = serde_json::from_slice(bytes)?;
        let golden = match format {
            RECORD_FORMAT => {
                let json: GoldenJson<VectorJson> = serde_json::from_slice(bytes)?;
                Self::Records(json.vectors.into_iter().map(GoldenVector::from).collect())
            }
            PATCH_FORMAT => Self::Images {
                patches: serde_json::from_slice::<GoldenJson<_>>(bytes)?.vectors,
                scans: Vec::new(),
            },
            SCAN_FORMAT => {
                let json: ImagesJson = serde_json::from_slice(bytes)?;
                if json.scans.is_empty() || json.vectors.is_empty() {
                    return Err(GoldenError::PeerEmpty);
                }
                Self::Images {
                    patches: json.vectors,
                    scans: json.scans,
                }
            }
            got => return Err(GoldenError::PeerFormat { got }),
        };
        if golden.is_empty() {
            return Err(GoldenError::PeerEmpty);
        }
        Ok(golden)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Records(vectors) => vectors.len(),
            Self::Images { patches, scans } => patches.len() + scans.len(),
        }
    }

    /// Whether there is none, which no loaded file has.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The golden records; none for a model of images.
    pub fn records(&self) -> &[GoldenVector] {
        match self {
            Self::Records(vectors) => vectors,
            Self::Images { .. } => &[],
        }
    }
}

impl GoldenPatch {
    /// Checks what a circuit gives for [`GoldenPatch::inputs`] against the golden outputs.
    ///
    /// # Errors
    /// [`GoldenMismatch`].
    pub fn check(&self, outputs: &[i64]) -> Result<(), GoldenMismatch> {
        let vector = || self.name.clone();
        (self.outputs == outputs)
            .then_some(())
            .ok_or_else(|| GoldenMismatch {
                vector: vector(),
                part: "outputs",
            })
    }
}

impl GoldenScan {
    /// Checks what `contract` makes of the outputs against the golden probabilities, each to within
    /// [`PROBABILITY_TOLERANCE`].
    ///
    /// # Errors
    /// [`GoldenMismatch`].
    pub fn check(&self, contract: &ImageContract) -> Result<(), GoldenMismatch> {
        let wrong = |part| GoldenMismatch {
            vector: self.name.clone(),
            part,
        };
        let scores = contract
            .scores(&self.outputs)
            .map_err(|_count| wrong("number of outputs"))?;
        let mut pairs = scores.probabilities.iter().zip(&self.probabilities);
        let close = pairs.all(|(got, want)| (got - want).abs() <= PROBABILITY_TOLERANCE);
        if close && scores.probabilities.len() == self.probabilities.len() {
            Ok(())
        } else {
            Err(wrong("probabilities"))
        }
    }
}

impl From<VectorJson> for GoldenVector {
    fn from(json: VectorJson) -> Self {
        Self {
            name: json.name,
            record: json.record.0,
            inputs: json.inputs,
            score: json.score,
            index: json.index,
            probability: json.probability,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_other_formats_unknown_keys_and_nothing() {
        let vector = r#"{"name":"a","record":{"x":1},"inputs":[1],"score":-2,"index":3,"probability":4}"#;
        let read = |text: String| Golden::from_json(text.as_bytes());
        let golden = read(format!(r#"{{"format":1,"vectors":[{vector}]}}"#)).unwrap();
        assert_eq!(golden.records()[0].score, -2);
        let patch = r#"{"name":"a","inputs":[1],"outputs":[-2,3]}"#;
        let golden = read(format!(r#"{{"format":2,"vectors":[{patch}]}}"#)).unwrap();
        let Golden::Images { patches, scans } = golden else {
            panic!("patches")
        };
        assert!(patches[0].check(&[-2, 3]).is_ok() && scans.is_empty());
        let wrong = patches[0].check(&[-2, 4]).unwrap_err();
        assert_eq!(wrong.to_string(), "golden vector a has the wrong outputs");
        assert!(read(format!(r#"{{"format":2,"vectors":[{vector}]}}"#)).is_err());
        let scan = r#"{"name":"s","outputs":[[1],[2]],"probabilities":[0.5,0.5]}"#;
        let golden = read(format!(r#"{{"format":3,"vectors":[{patch}],"scans":[{scan}]}}"#)).unwrap();
        assert_eq!(golden.len(), 2);
        for (vectors, scans) in [(patch, ""), ("", scan)] {
            let text = format!(r#"{{"format":3,"vectors":[{vectors}],"scans":[{scans}]}}"#);
            assert!(
                matches!(read(text), Err(GoldenError::PeerEmpty)),
                "{vectors} {scans}"
            );
        }
        assert!(read(format!(r#"{{"format":3,"vectors":[{patch}]}}"#)).is_err());
        assert!(read(format!(r#"{{"format":2,"vectors":[{patch}],"scans":[{scan}]}}"#)).is_err());
        let later = read(format!(r#"{{"format":4,"vectors":[{vector}]}}"#));
        assert!(matches!(later, Err(GoldenError::PeerFormat { got: 4 })));
        assert!(matches!(
            read(r#"{"format":1,"vectors":[]}"#.to_owned()),
            Err(GoldenError::PeerEmpty)
        ));
        assert!(matches!(
            read(r#"{"format":1,"vectors":[{}],"x":1}"#.to_owned()),
            Err(GoldenError::PeerJson(_))
        ));
    }
}
