//! Contracts for images: how pixels become the circuit's integers, and what its outputs mean.
//!
//! The pixels are those of the central square, resized and cropped as [`ImageContract::side`], filter and
//! [`ImageContract::crop`] say; whoever decodes files does that. The circuit reads one patch at a time; what the
//! patches mean together is computed in the clear, by `scores` and `head`.

mod check;
mod head;
mod json;
mod scores;

pub(super) use json::{parse_with_head, parse_without_head};
pub use scores::{Map, Place, Scores};

use head::Head;
use zeroize::Zeroizing;

/// Colour channels of a pixel.
const CHANNELS: usize = 3;

/// What an image is and what the outputs of its patches mean.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageContract {
    side: u32,
    crop: u32,
    patch: u32,
    scale: f64,
    /// Invariant: red, green, blue.
    channels: Vec<Channel>,
    classes: Vec<Class>,
    output: String,
    /// What one integer of the circuit's output stands for: a part of a logit, or of the head's input.
    value_per_integer: f64,
    temperature: f64,
    aggregate: Aggregate,
    /// Invariant: at most one for a class.
    thresholds: Vec<Threshold>,
}

/// How the patches of an image speak together.
#[derive(Clone, Debug, PartialEq)]
enum Aggregate {
    /// The circuit gives logits; of each class the largest over the patches counts.
    Max,
    /// The circuit gives features, which a small network in the clear reads.
    Head(Head),
}

/// From this probability of a class on, a result says a text of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    class: usize,
    probability: f64,
    text: String,
}

/// How the levels of one colour are normalised: `floor(scale * (level / 255 - mean) / deviation + 0.5)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Channel {
    name: String,
    mean: f64,
    deviation: f64,
}

/// One class of the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Class {
    name: String,
    label: String,
    text: String,
}

/// The pixels or outputs are not as many as the contract says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} has {got} numbers, the contract asks for {needed}")]
pub struct WrongCount {
    /// What was counted.
    pub what: &'static str,
    /// Numbers found.
    pub got: usize,
    /// Numbers needed.
    pub needed: usize,
}

impl ImageContract {
    /// Side of the square to which the central square is resized (Lanczos, 3 lobes), pixels.
    pub fn side(&self) -> u32 {
        self.side
    }

    /// Side of the square that is cut from its centre, pixels.
    pub fn crop(&self) -> u32 {
        self.crop
    }

    /// Side of a patch, pixels.
    pub fn patch(&self) -> u32 {
        self.patch
    }

    /// Patches in a row, and rows.
    pub fn rows(&self) -> u32 {
        self.crop / self.patch
    }

    /// Patches of an image, which are the items of its job.
    pub fn patches(&self) -> u32 {
        self.rows() * self.rows()
    }

    /// The classes, in the order of the circuit's output.
    pub fn classes(&self) -> &[Class] {
        &self.classes
    }

    /// The circuit's output that holds [`ImageContract::output_len`] integers per patch.
    pub fn output(&self) -> &str {
        &self.output
    }

    /// Integers of that output: one per class, or as many as the clear head reads.
    pub fn output_len(&self) -> usize {
        match &self.aggregate {
            Aggregate::Max => self.classes.len(),
            Aggregate::Head(head) => head.inputs(),
        }
    }

    /// Whether a clear head reads the outputs, instead of the largest of each class.
    pub fn has_head(&self) -> bool {
        matches!(self.aggregate, Aggregate::Head(_))
    }

    /// From which probabilities on results say more.
    pub fn thresholds(&self) -> &[Threshold] {
        &self.thresholds
    }

    /// Integers the circuit takes: `[3, patch, patch]`.
    pub fn input_len(&self) -> usize {
        CHANNELS * (self.patch * self.patch) as usize
    }

    /// Bytes of the pixels of one image: `[crop, crop, 3]`.
    pub fn pixel_bytes(&self) -> usize {
        CHANNELS * (self.crop * self.crop) as usize
    }

    pub(super) fn input_bounds(&self) -> Vec<(i64, i64)> {
        let plane = (self.patch * self.patch) as usize;
        let bounds = self.channels.iter().flat_map(|channel| {
            // The map is monotone: the darkest and the brightest level are the extremes.
            let bounds = (self.integer(channel, 0), self.integer(channel, u8::MAX));
            std::iter::repeat_n(bounds, plane)
        });
        bounds.collect()
    }

    /// The integer of a level, in IEEE 754 binary64 as the exporter computes it.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the contract's check keeps it within 2^20"
    )]
    fn integer(&self, channel: &Channel, level: u8) -> i64 {
        let level = f64::from(level) / 255.0;
        (self.scale * (level - channel.mean) / channel.deviation + 0.5).floor() as i64
    }

    /// The circuit's inputs for every patch, row by row: each `[3, patch, patch]`, channels first.
    ///
    /// Shape: `rgb` is `[crop, crop, 3]`, levels of 8 bits.
    ///
    /// # Errors
    /// [`WrongCount`] when there are more or fewer levels.
    pub fn quantise(&self, rgb: &[u8]) -> Result<Vec<Zeroizing<Vec<i64>>>, WrongCount> {
        if rgb.len() != self.pixel_bytes() {
            return Err(WrongCount {
                what: "the image",
                got: rgb.len(),
                needed: self.pixel_bytes(),
            });
        }
        let tables: Vec<Vec<i64>> = self
            .channels
            .iter()
            .map(|channel| (0..=u8::MAX).map(|level| self.integer(channel, level)).collect())
            .collect();
        let (patch, crop) = (self.patch as usize, self.crop as usize);
        let cut = |index: usize| {
            let (row, column) = (index / (crop / patch), index % (crop / patch));
            let mut inputs = Zeroizing::new(Vec::with_capacity(self.input_len()));
            for (channel, table) in tables.iter().enumerate() {
                for y in row * patch..(row + 1) * patch {
                    let first = (y * crop + column * patch) * CHANNELS + channel;
                    let levels = rgb[first..].iter().step_by(CHANNELS).take(patch);
                    inputs.extend(levels.map(|level| table[usize::from(*level)]));
                }
            }
            inputs
        };
        Ok((0..self.patches() as usize).map(cut).collect())
    }
}

impl Class {
    /// Short name, `[a-z][a-z0-9_]{0,63}`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Name for people.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// What it means that this class is the most probable.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl Threshold {
    /// The class, by its place in the contract.
    pub fn class(&self) -> usize {
        self.class
    }

    /// The smallest probability that counts.
    pub fn probability(&self) -> f64 {
        self.probability
    }

    /// What a result then says.
    pub fn text(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests;
