//! Contracts for images: how pixels become the circuit's integers, and what its outputs mean.
//!
//! The pixels are those of the central square, resized and cropped as [`ImageContract::side`], filter and
//! [`ImageContract::crop`] say; whoever decodes files does that. The circuit reads one patch at a time.

use std::fmt;

use zeroize::Zeroizing;

/// Colour channels of a pixel.
const CHANNELS: usize = 3;

/// What an image is and what the outputs of its patches mean.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageContract {
    pub(super) side: u32,
    pub(super) crop: u32,
    pub(super) patch: u32,
    pub(super) scale: f64,
    /// Invariant: red, green, blue.
    pub(super) channels: Vec<Channel>,
    pub(super) classes: Vec<Class>,
    pub(super) output: String,
    pub(super) logit_per_integer: f64,
    pub(super) temperature: f64,
}

/// How the levels of one colour are normalised: `floor(scale * (level / 255 - mean) / deviation + 0.5)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Channel {
    pub(super) name: String,
    pub(super) mean: f64,
    pub(super) deviation: f64,
}

/// One class of the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Class {
    pub(super) name: String,
    pub(super) label: String,
    pub(super) text: String,
}

/// What the patches of one image say together. A diagnosis: never printed by `Debug`.
#[derive(Clone, PartialEq)]
pub struct Scores {
    /// The most probable class, by its place in the contract.
    pub class: usize,
    /// One probability per class; they add up to 1.
    pub probabilities: Vec<f64>,
}

/// What each patch says alone. A diagnosis: never printed by `Debug`.
#[derive(Clone, PartialEq)]
pub struct Map {
    /// Patches of a row, and rows.
    pub rows: u32,
    /// The most probable class of each patch and its probability, row by row.
    pub patches: Vec<(usize, f64)>,
}

impl fmt::Debug for Scores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scores(..)")
    }
}

impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Map({} rows)", self.rows)
    }
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

    /// The circuit's output that holds one integer per class.
    pub fn output(&self) -> &str {
        &self.output
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
    pub(super) fn integer(&self, channel: &Channel, level: u8) -> i64 {
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

    /// What the patches say together: the largest output of each class over all patches, as probabilities.
    ///
    /// Shape: `patches` is `[patches][classes]`.
    ///
    /// # Errors
    /// [`WrongCount`].
    pub fn scores(&self, patches: &[Vec<i64>]) -> Result<Scores, WrongCount> {
        self.check_outputs(patches)?;
        let largest: Vec<i64> = (0..self.classes.len())
            .map(|class| patches.iter().map(|outputs| outputs[class]).max().unwrap_or(0))
            .collect();
        let probabilities = self.probabilities(&largest);
        Ok(Scores {
            class: largest_at(&largest),
            probabilities,
        })
    }

    /// What each patch says alone.
    ///
    /// # Errors
    /// [`WrongCount`].
    pub fn map(&self, patches: &[Vec<i64>]) -> Result<Map, WrongCount> {
        self.check_outputs(patches)?;
        let alone = |outputs: &Vec<i64>| {
            let class = largest_at(outputs);
            (class, self.probabilities(outputs)[class])
        };
        Ok(Map {
            rows: self.rows(),
            patches: patches.iter().map(alone).collect(),
        })
    }

    fn check_outputs(&self, patches: &[Vec<i64>]) -> Result<(), WrongCount> {
        let counts = std::iter::once(("the image's answer", patches.len(), self.patches() as usize)).chain(
            patches
                .iter()
                .map(|outputs| ("a patch's answer", outputs.len(), self.classes.len())),
        );
        for (what, got, needed) in counts {
            if got != needed {
                return Err(WrongCount { what, got, needed });
            }
        }
        Ok(())
    }

    /// Softmax of the calibrated logits.
    fn probabilities(&self, outputs: &[i64]) -> Vec<f64> {
        let largest = outputs.iter().copied().max().unwrap_or(0);
        let unit = self.logit_per_integer / self.temperature;
        #[expect(clippy::cast_precision_loss, reason = "outputs have far fewer than 53 bits")]
        let below = |output: &i64| ((output - largest) as f64 * unit).exp();
        let shares: Vec<f64> = outputs.iter().map(below).collect();
        let sum: f64 = shares.iter().sum();
        shares.into_iter().map(|share| share / sum).collect()
    }
}

/// Place of the first largest number.
fn largest_at(numbers: &[i64]) -> usize {
    let mut best = 0;
    for (at, number) in numbers.iter().enumerate() {
        if *number > numbers[best] {
            best = at;
        }
    }
    best
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

#[cfg(test)]
pub(super) mod tests {
    use serde_json::{Value, json};

    use super::super::{Contract, ImageContract};

    /// Two rows of two patches of two by two pixels.
    pub(crate) fn small_json() -> Value {
        let channel = |name, mean, deviation| json!({"name": name, "mean": mean, "deviation": deviation});
        let class = |name| json!({"name": name, "label": "L", "text": "T"});
        json!({
            "format": 2, "model_id": "small", "title": "t", "intended_use": "i", "not_for": "n", "warning": "w",
            "image": {
                "resize": {"side": 6, "filter": "lanczos3"}, "crop": 4, "patch": 2, "scale": 48,
                "channels": [channel("red", 0.485, 0.229), channel("green", 0.456, 0.224),
                             channel("blue", 0.406, 0.225)]
            },
            "classes": [class("a"), class("b")],
            "scores": {"output": "logits", "aggregate": "max", "logit_per_integer": 0.5, "temperature": 2.0}
        })
    }

    fn small() -> ImageContract {
        let contract = Contract::from_json(small_json().to_string().as_bytes()).unwrap();
        contract.image().unwrap().clone()
    }

    #[test]
    fn levels_become_the_integers_of_the_exporter() {
        let contract = small();
        let of = |channel: usize, level| contract.integer(&contract.channels[channel], level);
        // `derm_standin.images.level_table()` gives these.
        assert_eq!([of(0, 0), of(1, 0), of(2, 0)], [-102, -98, -87]);
        assert_eq!([of(0, 255), of(1, 255), of(2, 255)], [108, 117, 127]);
        assert_eq!([of(0, 124), of(1, 116), of(2, 104)], [0, 0, 0]);
        let bounds = contract.input_bounds();
        assert_eq!(
            (bounds.len(), bounds[0], bounds[11]),
            (12, (-102, 108), (-87, 127))
        );
    }

    #[test]
    fn patches_are_cut_row_by_row_channels_first() {
        let contract = small();
        // Red tells the place of a pixel, green and blue are dark.
        let rgb: Vec<u8> = (0..16_u8).flat_map(|at| [at * 16, 0, 0]).collect();
        let patches = contract.quantise(&rgb).unwrap();
        let red = |level| contract.integer(&contract.channels[0], level);
        assert_eq!(patches.len(), 4);
        assert_eq!(patches[1][..4], [red(32), red(48), red(96), red(112)]);
        assert_eq!(patches[2][..4], [red(128), red(144), red(192), red(208)]);
        assert_eq!(patches[3][4..], [-98, -98, -98, -98, -87, -87, -87, -87]);
        let wrong = contract.quantise(&rgb[1..]).unwrap_err();
        assert_eq!((wrong.got, wrong.needed), (47, 48));
    }

    #[test]
    fn the_largest_output_of_each_class_counts() {
        let contract = small();
        let patches = [vec![4, 1], vec![-9, 8], vec![0, 0], vec![2, 2]];
        let scores = contract.scores(&patches).unwrap();
        assert_eq!(scores.class, 1);
        // Outputs 4 and 8, a logit of 0.25 each: softmax of 1 and 2.
        assert!((scores.probabilities[1] - 1.0 / (1.0 + (-1.0_f64).exp())).abs() < 1e-12);
        assert!((scores.probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        let map = contract.map(&patches).unwrap();
        let classes: Vec<usize> = map.patches.iter().map(|(class, _)| *class).collect();
        assert_eq!((map.rows, classes), (2, vec![0, 1, 0, 0]));
        assert!(contract.scores(&patches[1..]).is_err());
        assert!(
            contract
                .map(&[vec![1], vec![1, 2], vec![1, 2], vec![1, 2]])
                .is_err()
        );
        let debug = format!("{scores:?} {map:?}");
        assert!(!debug.contains("0."), "{debug}");
    }
}
