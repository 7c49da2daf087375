//! The verified model's contract, for showing.

use serde::{Deserialize, Serialize};

/// The input contract, for showing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContractView {
    /// Model id.
    pub model_id: String,
    /// What the model is, in a few words.
    pub title: String,
    /// What it is for.
    pub intended_use: String,
    /// What it is not for.
    pub not_for: String,
    /// Shown with every result.
    pub warning: String,
    /// The licence of the data it was made from; earlier formats state none.
    pub licence: Option<LicenceView>,
    /// What it reads.
    pub reads: ReadsView,
}

/// The licence of a model's data, for showing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LicenceView {
    /// Name and kind of use on one line.
    pub line: String,
    /// Whose data they are and what the licence asks for.
    pub text: String,
    /// Whether it forbids commercial use.
    pub non_commercial: bool,
}

/// What a model reads, for showing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ReadsView {
    /// Records of these fields, in order.
    Record(Vec<FieldView>),
    /// Images.
    Image(ImageView),
}

/// How an image is prepared and what it can be found to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageView {
    /// Side of the square to which its central square is resized, pixels.
    pub side: u32,
    /// Side of the square that is cut from its centre, pixels.
    pub crop: u32,
    /// Patches of it, each of which is one item.
    pub patches: u32,
    /// Name and label of each class.
    pub classes: Vec<(String, String)>,
}

/// One field of the contract, for showing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldView {
    /// Its name in a record.
    pub name: String,
    /// Its name for people.
    pub label: String,
    /// Its unit, empty for codes.
    pub unit: String,
    /// How to fill it in.
    pub help: String,
    /// What it takes.
    pub takes: FieldTakes,
}

/// What a field takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FieldTakes {
    /// A number within a range.
    Number {
        /// Smallest.
        min: f64,
        /// Largest.
        max: f64,
    },
    /// One of some codes.
    Code {
        /// Code and label of each.
        codes: Vec<(String, String)>,
    },
}

/// One thing that is wrong with a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The field.
    pub field: String,
    /// What is wrong and what is allowed.
    pub text: String,
}
