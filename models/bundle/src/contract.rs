//! The input contract: the only place the agent learns what the model reads and what a result means.
//!
//! [`Contract::from_json`] reads and checks it whole. A model reads records ([`RecordContract`], [`quantise`]) or
//! images ([`ImageContract`]); both turn what they read into the circuit's integers. Nothing here comes from a
//! patient.

mod check;
mod fields;
mod image;
mod json;
pub mod quantise;

pub use fields::{Code, Decision, Field, Input, Kind, RecordContract};
pub use image::{Channel, Class, ImageContract, Map, Place, Scores, Threshold, WrongCount};

/// Largest contract file, bytes: all numbers a clear head may have, and the texts.
pub const MAX_CONTRACT_BYTES: usize = 512 * 1024;
/// Format number of a contract for records.
pub const RECORD_FORMAT: u32 = 1;
/// Format number of a contract for images.
pub const IMAGE_FORMAT: u32 = 2;
/// Format number of a contract for images that states its licence and may have a clear head and thresholds.
pub const HEAD_FORMAT: u32 = 3;

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
    #[error("contract has format {got}, this program reads formats {RECORD_FORMAT} to {HEAD_FORMAT}")]
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
    /// A part of the clear head has another size than the parts around it ask for.
    #[error("clear head of the contract: {got} {what}, {needed} are needed")]
    PeerHead {
        /// What is counted, and of which part.
        what: &'static str,
        /// How many there are.
        got: usize,
        /// How many there must be.
        needed: usize,
    },
    /// A value of one field, colour channel or class is not allowed.
    #[error("contract {part} {number} is not acceptable: {rule}")]
    PeerPart {
        /// "field", "channel", "class" or "threshold".
        part: &'static str,
        /// Its number, from 0.
        number: usize,
        /// The rule that does not hold.
        rule: &'static str,
    },
}

/// The licence of the data a model was made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Licence {
    name: String,
    text: String,
    non_commercial: bool,
}

impl Licence {
    /// Its short name, such as `CC BY-NC 4.0`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whose data they are and what the licence asks for.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it forbids commercial use.
    pub fn non_commercial(&self) -> bool {
        self.non_commercial
    }

    /// Name and kind of use on one line.
    pub fn line(&self) -> String {
        if self.non_commercial {
            format!("{}: not for commercial use", self.name)
        } else {
            self.name.clone()
        }
    }
}

/// What a model reads and what its results mean.
#[derive(Clone, Debug, PartialEq)]
pub struct Contract {
    model_id: String,
    title: String,
    intended_use: String,
    not_for: String,
    warning: String,
    licence: Option<Licence>,
    reads: Reads,
}

/// What a model reads.
#[derive(Clone, Debug, PartialEq)]
pub enum Reads {
    /// Records of fields.
    Record(RecordContract),
    /// Images, as patches.
    Image(ImageContract),
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
        let contract = json::parse(bytes)?;
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

    /// The licence of the data it was made from; earlier formats state none.
    pub fn licence(&self) -> Option<&Licence> {
        self.licence.as_ref()
    }

    /// What the model reads.
    pub fn reads(&self) -> &Reads {
        &self.reads
    }

    /// Its part on records, when the model reads those.
    pub fn record(&self) -> Option<&RecordContract> {
        match &self.reads {
            Reads::Record(record) => Some(record),
            Reads::Image(_) => None,
        }
    }

    /// Its part on images, when the model reads those.
    pub fn image(&self) -> Option<&ImageContract> {
        match &self.reads {
            Reads::Record(_) => None,
            Reads::Image(image) => Some(image),
        }
    }

    /// Smallest and largest integer each input of the circuit can get.
    pub fn input_bounds(&self) -> Vec<(i64, i64)> {
        match &self.reads {
            Reads::Record(record) => record.input_bounds(),
            Reads::Image(image) => image.input_bounds(),
        }
    }
}
