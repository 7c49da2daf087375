//! What the outputs of an image's patches mean: classes, their probabilities, the map. All of it is wiped.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{
    Aggregate, ImageContract, Threshold, WrongCount,
    head::{Head, Wiped, softmax},
};

/// What the patches of one image say together. A diagnosis: never printed by `Debug`, wiped.
#[derive(Clone, PartialEq, Zeroize, ZeroizeOnDrop)]
pub struct Scores {
    /// The most probable class, by its place in the contract.
    pub class: usize,
    /// One probability per class; they add up to 1.
    pub probabilities: Vec<f64>,
}

/// What each patch says alone. A diagnosis: never printed by `Debug`, wiped.
#[derive(Clone, PartialEq, Zeroize, ZeroizeOnDrop)]
pub struct Map {
    /// Patches of a row, and rows.
    pub rows: u32,
    /// Row by row.
    pub patches: Vec<Place>,
    /// Whether attention makes patches count differently.
    pub weighted: bool,
}

/// What one patch says, as if all patches of the image were like it.
#[derive(Clone, Copy, PartialEq, Zeroize)]
pub struct Place {
    /// The most probable class, by its place in the contract.
    pub class: usize,
    /// Its probability.
    pub probability: f64,
    /// What the patch counts in the image's result, a mean over the attention heads; all add up to 1.
    pub weight: f64,
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

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Place(..)")
    }
}

impl ImageContract {
    /// What the patches say together, as probabilities: by the largest output of each class over all patches, or
    /// by the clear head.
    ///
    /// Shape: `patches` is `[patches][output_len]`.
    ///
    /// # Errors
    /// [`WrongCount`].
    pub fn scores(&self, patches: &[Vec<i64>]) -> Result<Scores, WrongCount> {
        self.check_outputs(patches)?;
        Ok(match &self.aggregate {
            Aggregate::Max => {
                let largest = |class: usize| patches.iter().map(|outputs| outputs[class]).max();
                let largest = (0..self.classes.len()).map(|class| largest(class).unwrap_or(0));
                self.of_integers(&Zeroizing::new(largest.collect::<Vec<_>>()))
            }
            Aggregate::Head(head) => self.of_logits(&self.said(head, patches).logits),
        })
    }

    /// What each patch says alone, and what it counts.
    ///
    /// # Errors
    /// [`WrongCount`].
    pub fn map(&self, patches: &[Vec<i64>]) -> Result<Map, WrongCount> {
        self.check_outputs(patches)?;
        Ok(Map {
            rows: self.rows(),
            weighted: matches!(&self.aggregate, Aggregate::Head(head) if head.attends()),
            patches: match &self.aggregate {
                Aggregate::Max => {
                    let weight = 1.0 / f64::from(self.patches());
                    let place = |outputs: &Vec<i64>| place(&self.of_integers(outputs), weight);
                    patches.iter().map(place).collect()
                }
                Aggregate::Head(head) => {
                    let said = self.said(head, patches);
                    let places = said.alone.iter().zip(said.weights.iter());
                    places
                        .map(|(logits, weight)| place(&self.of_logits(logits), *weight))
                        .collect()
                }
            },
        })
    }

    /// What the patch at `place` says alone, as in [`ImageContract::map`].
    ///
    /// # Errors
    /// [`WrongCount`].
    pub fn alone(&self, place: usize, outputs: &[i64]) -> Result<Scores, WrongCount> {
        check_count("a patch's answer", outputs.len(), self.output_len())?;
        Ok(match &self.aggregate {
            Aggregate::Max => self.of_integers(outputs),
            Aggregate::Head(head) => self.of_logits(&head.alone(place, outputs, self.value_per_integer)),
        })
    }

    /// The thresholds that the probabilities of an image reach.
    pub fn reached<'a>(&'a self, scores: &'a Scores) -> impl Iterator<Item = &'a Threshold> {
        let reaches = |threshold: &&Threshold| {
            let probability = scores.probabilities.get(threshold.class);
            probability.is_some_and(|probability| *probability >= threshold.probability)
        };
        self.thresholds.iter().filter(reaches)
    }

    fn said(&self, head: &Head, patches: &[Vec<i64>]) -> super::head::Said {
        head.read(patches, self.value_per_integer)
    }

    fn check_outputs(&self, patches: &[Vec<i64>]) -> Result<(), WrongCount> {
        check_count("the image's answer", patches.len(), self.patches() as usize)?;
        let mut lengths = patches.iter().map(Vec::len);
        lengths.try_for_each(|got| check_count("a patch's answer", got, self.output_len()))
    }

    /// Softmax of the calibrated logits, which one integer per class stands for.
    fn of_integers(&self, outputs: &[i64]) -> Scores {
        let largest = outputs.iter().copied().max().unwrap_or(0);
        let unit = self.value_per_integer / self.temperature;
        #[expect(clippy::cast_precision_loss, reason = "outputs have far fewer than 53 bits")]
        let below = |output: &i64| ((output - largest) as f64 * unit).exp();
        let shares: Wiped = Zeroizing::new(outputs.iter().map(below).collect());
        let sum: f64 = shares.iter().sum();
        Scores {
            class: first_largest(outputs),
            probabilities: shares.iter().map(|share| share / sum).collect(),
        }
    }

    /// Softmax of the calibrated logits.
    fn of_logits(&self, logits: &[f64]) -> Scores {
        Scores {
            class: first_largest(logits),
            probabilities: softmax(logits, self.temperature).to_vec(),
        }
    }
}

fn check_count(what: &'static str, got: usize, needed: usize) -> Result<(), WrongCount> {
    if got == needed {
        Ok(())
    } else {
        Err(WrongCount { what, got, needed })
    }
}

fn place(scores: &Scores, weight: f64) -> Place {
    Place {
        class: scores.class,
        probability: scores.probabilities[scores.class],
        weight,
    }
}

/// Place of the first largest number.
fn first_largest<T: PartialOrd>(numbers: &[T]) -> usize {
    let mut best = 0;
    for (at, number) in numbers.iter().enumerate() {
        if *number > numbers[best] {
            best = at;
        }
    }
    best
}
