//! What the model says: diagnoses, which hide themselves in `Debug`.

use std::fmt;

use obscura_protocol::job::Receipt;
use serde::{Deserialize, Serialize};

/// What the model says of a record. A diagnosis.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// The exact score.
    pub score: i64,
    /// The calibrated probability, in steps of `1 / probability_scale`.
    pub probability: i64,
    /// Steps of a probability of one.
    pub probability_scale: i64,
    /// Whether the score reaches the contract's threshold.
    pub positive: bool,
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reading(..)")
    }
}

/// A decrypted answer whose receipt was checked. A diagnosis.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The name the user gave the record.
    pub label: String,
    /// What the model says.
    pub reading: Reading,
    /// Smallest table entry within the stated error, in steps of the probability.
    pub probability_low: i64,
    /// Largest table entry within the stated error, in steps of the probability.
    pub probability_high: i64,
    /// The stated table error, entries to either side.
    pub table_error_entries: i64,
    /// The decision, in a few words.
    pub decision: String,
    /// What the decision means.
    pub decision_text: String,
    /// The intended-use warning.
    pub warning: String,
    /// The receipt.
    pub receipt: Receipt,
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Outcome(job {})", self.receipt.job)
    }
}

/// The share of one class, in thousandths.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassShare {
    /// Short name.
    pub name: String,
    /// Name for people.
    pub label: String,
    /// Its probability, rounded to thousandths.
    pub permille: u16,
}

impl fmt::Debug for ClassShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClassShare(..)")
    }
}

/// What the model says of an image. A diagnosis.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanReading {
    /// The most probable class, by its place in [`Self::classes`].
    pub class: u32,
    /// What it means that this class is the most probable.
    pub text: String,
    /// Every class, in the model's order.
    pub classes: Vec<ClassShare>,
    /// Patches of a row, and rows.
    pub rows: u32,
    /// The most probable class of each patch and its probability in thousandths, row by row.
    pub map: Vec<(u32, u16)>,
    /// What each patch counts in the result, in thousandths; empty when all count the same.
    pub weights: Vec<u16>,
    /// What the model says from a probability on, of the classes that reach theirs.
    pub notes: Vec<ScanNote>,
}

/// A class that reached the probability from which on the model says more. A diagnosis.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanNote {
    /// The class, by its place in [`ScanReading::classes`].
    pub class: u32,
    /// The probability from which on, rounded to thousandths.
    pub permille: u16,
    /// What the model says.
    pub text: String,
}

impl fmt::Debug for ScanNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScanNote(..)")
    }
}

impl fmt::Debug for ScanReading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScanReading(..)")
    }
}

/// The decrypted answers to all items of an image, whose receipts were checked. A diagnosis.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanOutcome {
    /// The name the user gave the image.
    pub label: String,
    /// What the model says.
    pub reading: ScanReading,
    /// The intended-use warning.
    pub warning: String,
    /// The licence of the model's data in one line, when it forbids commercial use.
    pub licence: Option<String>,
    /// Items, each with a receipt of its own.
    pub items: u32,
    /// The receipt of the item that was accepted last.
    pub receipt: Receipt,
}

impl fmt::Debug for ScanOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScanOutcome(job {})", self.receipt.job)
    }
}

/// An encrypted run beside the same model in the clear.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// What the model says in the clear.
    pub reading: ScanReading,
    /// Whether the most probable class is the same.
    pub same_class: bool,
    /// Root of the mean square difference of all outputs, in predicted deviations.
    pub rms_deviations: f64,
    /// Largest difference of an output, in predicted deviations.
    pub max_deviations: f64,
}

impl fmt::Debug for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Comparison(..)")
    }
}
