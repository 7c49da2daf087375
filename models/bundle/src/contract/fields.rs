//! Contracts for records: the fields and what a score means.

/// What a record is and what its score means.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordContract {
    pub(super) scale_bits: u32,
    pub(super) fields: Vec<Field>,
    pub(super) score_scale: u64,
    pub(super) probability_scale: u64,
    pub(super) score_threshold: i64,
    pub(super) positive: Verdict,
    pub(super) negative: Verdict,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) label: String,
    pub(super) text: String,
}

/// One field of a record.
///
/// Invariant: a number has one input; a code has one value per input.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    pub(super) name: String,
    pub(super) label: String,
    pub(super) unit: String,
    pub(super) help: String,
    pub(super) kind: Kind,
    pub(super) inputs: Vec<Input>,
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
    pub(super) word: String,
    pub(super) label: String,
    /// One per input of the field.
    pub(super) values: Vec<f64>,
}

/// One integer of the circuit's input and how it is made: `floor((value - offset) * factor + 0.5)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    pub(super) name: String,
    pub(super) offset: f64,
    pub(super) factor: f64,
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

impl RecordContract {
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
