//! The input contract: the only place the agent learns what a record is and what a result means.
//!
//! [`Contract::from_json`] reads and checks it whole; [`quantise`] turns a record into the circuit's
//! integers. Nothing here comes from a patient.

mod check;
mod json;
pub mod quantise;

/// Largest contract file, bytes.
pub const MAX_CONTRACT_BYTES: usize = 256 * 1024;
/// Format number this program reads.
pub const FORMAT: u32 = 1;

/// Why a contract is not acceptable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContractError {
    /// The file is too large.
    #[error("contract is {got_bytes} bytes, at most {MAX_CONTRACT_BYTES} are allowed")]
    PeerTooLarge {
        /// Length found.
        got_bytes: usize,
    },
    /// The file is not the JSON of a contract.
    #[error("contract is not of the expected JSON form")]
    PeerJson(#[from] serde_json::Error),
    /// The file is of another format.
    #[error("contract has format {got}, this program reads format {FORMAT}")]
    PeerFormat {
        /// Format found.
        got: u32,
    },
    /// A value of the contract as a whole is not allowed.
    #[error("contract is not acceptable: {rule}")]
    PeerRule {
        /// The rule that does not hold.
        rule: &'static str,
    },
    /// A value of one field is not allowed.
    #[error("contract field {field} is not acceptable: {rule}")]
    PeerField {
        /// The field's number, from 0.
        field: usize,
        /// The rule that does not hold.
        rule: &'static str,
    },
}

/// What a record is and what a result means.
#[derive(Clone, Debug, PartialEq)]
pub struct Contract {
    model_id: String,
    title: String,
    intended_use: String,
    not_for: String,
    warning: String,
    scale_bits: u32,
    fields: Vec<Field>,
    score_scale: u64,
    probability_scale: u64,
    score_threshold: i64,
    positive: Verdict,
    negative: Verdict,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Verdict {
    label: String,
    text: String,
}

/// One field of a record.
///
/// Invariant: a number has one input; a code has one value per input.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    name: String,
    label: String,
    unit: String,
    help: String,
    kind: Kind,
    inputs: Vec<Input>,
}

/// What values a field takes.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A number within bounds.
    Number {
        /// Smallest allowed.
        min: f64,
        /// Largest allowed.
        max: f64,
    },
    /// One of a few words.
    Code(Vec<Code>),
}

/// One word a field may hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Code {
    word: String,
    label: String,
    /// One per input of the field.
    values: Vec<f64>,
}

/// One integer of the circuit's input and how it is made: `floor((value - offset) * factor + 0.5)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    name: String,
    offset: f64,
    factor: f64,
}

/// What a score means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision<'a> {
    /// Whether the score is at or above the threshold.
    pub positive: bool,
    /// The decision in a few words.
    pub label: &'a str,
    /// What to do with it.
    pub text: &'a str,
}

impl Contract {
    /// Reads and checks a contract.
    ///
    /// # Errors
    /// [`ContractError`] names the first rule that does not hold.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ContractError> {
        if bytes.len() > MAX_CONTRACT_BYTES {
            return Err(ContractError::PeerTooLarge {
                got_bytes: bytes.len(),
            });
        }
        let contract = Self::from(json::parse(bytes)?);
        contract.check()?;
        Ok(contract)
    }

    /// The model it belongs to.
    pub fn model_id(&self) -> &str {
        &self.model_id
    }

    /// Name of the model for people.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// What the model is for.
    pub fn intended_use(&self) -> &str {
        &self.intended_use
    }

    /// What it must not be used for.
    pub fn not_for(&self) -> &str {
        &self.not_for
    }

    /// The warning every result carries.
    pub fn warning(&self) -> &str {
        &self.warning
    }

    /// Fractional bits of the circuit's inputs.
    pub fn scale_bits(&self) -> u32 {
        self.scale_bits
    }

    /// The fields of a record, in the circuit's order.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Integers the circuit takes.
    pub fn input_len(&self) -> usize {
        self.fields.iter().map(|field| field.inputs.len()).sum()
    }

    /// What a score of 1.0 is as an integer.
    pub fn score_scale(&self) -> u64 {
        self.score_scale
    }

    /// What a probability of 1.0 is as an integer.
    pub fn probability_scale(&self) -> u64 {
        self.probability_scale
    }

    /// The score from which a decision is positive.
    pub fn score_threshold(&self) -> i64 {
        self.score_threshold
    }

    /// What `score` means.
    pub fn decision(&self, score: i64) -> Decision<'_> {
        let positive = score >= self.score_threshold;
        let verdict = if positive { &self.positive } else { &self.negative };
        Decision {
            positive,
            label: &verdict.label,
            text: &verdict.text,
        }
    }
}

impl Field {
    /// Name in records.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Name for people.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Unit, empty for codes and bare numbers.
    pub fn unit(&self) -> &str {
        &self.unit
    }

    /// How to find the value.
    pub fn help(&self) -> &str {
        &self.help
    }

    /// What values it takes.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// Smallest and largest number, `None` for codes.
    pub fn range(&self) -> Option<(f64, f64)> {
        match self.kind {
            Kind::Number { min, max } => Some((min, max)),
            Kind::Code(_) => None,
        }
    }

    /// The words it takes; empty for numbers.
    pub fn codes(&self) -> &[Code] {
        match &self.kind {
            Kind::Number { .. } => &[],
            Kind::Code(codes) => codes,
        }
    }

    /// The circuit's integers it gives.
    pub fn inputs(&self) -> &[Input] {
        &self.inputs
    }
}

impl Code {
    /// The word in records.
    pub fn code(&self) -> &str {
        &self.word
    }

    /// The word for people.
    pub fn label(&self) -> &str {
        &self.label
    }
}

impl Input {
    /// Name of the integer, for the model card.
    pub fn name(&self) -> &str {
        &self.name
    }
}
