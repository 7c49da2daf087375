//! What a decision is: the class of a whole image where the samples are whole images, of a patch where they are
//! patches, and of a model without a contract for images what its outputs say.

use std::ops::Range;

use obscura_bundle::ImageContract;
use obscura_circuit::{Circuit, Output};

/// Where the samples of a calibration file come from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origins {
    /// Number of the image of each patch.
    pub(crate) images: Option<Vec<i64>>,
    /// Its place in the image, row by row.
    pub(crate) places: Option<Vec<i64>>,
    /// The class of that image.
    pub(crate) labels: Option<Vec<i64>>,
}

impl Origins {
    /// `images` whole images of `patches` patches each, in order, with one label each; `None` when `labels` are more or
    /// fewer.
    pub(crate) fn of_images(images: usize, patches: usize, labels: Option<Vec<i64>>) -> Option<Self> {
        if labels.as_ref().is_some_and(|labels| labels.len() != images) {
            return None;
        }
        let number = |sample: usize| i64::try_from(sample).ok();
        let all = 0..images * patches;
        let each = |labels: Vec<i64>| {
            labels
                .into_iter()
                .flat_map(|label| std::iter::repeat_n(label, patches))
        };
        Some(Self {
            images: all.clone().map(|sample| number(sample / patches)).collect(),
            places: all.map(|sample| number(sample % patches)).collect(),
            labels: labels.map(|labels| each(labels).collect()),
        })
    }
}

/// How the samples are taken together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A sample is a record.
    Sample,
    /// A sample is a patch, which decides alone.
    Patch,
    /// So many samples are an image.
    Image(usize),
}

impl Unit {
    /// Samples of one decision.
    pub fn samples(self) -> usize {
        match self {
            Self::Sample | Self::Patch => 1,
            Self::Image(patches) => patches,
        }
    }

    /// What several are called.
    pub fn many(self) -> &'static str {
        match self {
            Self::Sample => "samples",
            Self::Patch => "patches",
            Self::Image(_) => "images",
        }
    }
}

/// Reads classes out of a circuit's outputs as a device does.
#[derive(Clone, Debug)]
pub(crate) struct Classes {
    contract: ImageContract,
    unit: Unit,
    /// Where the contract's output lies among the values of all outputs.
    output: Range<usize>,
    /// Place in its image of each sample.
    places: Vec<usize>,
}

impl Classes {
    /// `None` when the circuit has no output with as many numbers as the contract reads.
    pub(crate) fn new(
        contract: &ImageContract,
        circuit: &Circuit,
        origins: &Origins,
        samples: usize,
    ) -> Option<Self> {
        let mut from = 0;
        let output = circuit.outputs().iter().find_map(|output| {
            let own = from..from + circuit.shape(output.reads).elements();
            from = own.end;
            (&*output.name == contract.output()).then_some(own)
        });
        let output = output.filter(|output| output.len() == contract.output_len())?;
        let place = |sample| {
            let place = origins.places.as_ref().and_then(|places| places.get(sample));
            place.and_then(|place| usize::try_from(*place).ok()).unwrap_or(0)
        };
        Some(Self {
            unit: unit(contract, origins, samples),
            contract: contract.clone(),
            output,
            places: (0..samples).map(place).collect(),
        })
    }

    pub(crate) fn unit(&self) -> Unit {
        self.unit
    }

    /// The class of each patch or image, from the values of all outputs of each sample.
    pub(crate) fn of(&self, values: &[Vec<f64>]) -> Vec<usize> {
        let integers: Vec<Vec<i64>> = values.iter().map(|values| self.integers(values)).collect();
        let scores = |(index, unit): (usize, &[Vec<i64>])| match self.unit {
            Unit::Image(_) => self.contract.scores(unit),
            Unit::Sample | Unit::Patch => self.contract.alone(self.places[index], &unit[0]),
        };
        let units = integers.chunks_exact(self.unit.samples()).enumerate();
        // Counts were compared when this was made; a class beyond the last equals no other.
        let class = |unit| scores(unit).map_or(usize::MAX, |scores| scores.class);
        units.map(class).collect()
    }

    /// What a device decrypts: the nearest integers.
    fn integers(&self, values: &[f64]) -> Vec<i64> {
        let values = values.get(self.output.clone()).unwrap_or_default();
        #[expect(clippy::cast_possible_truncation, reason = "values of a circuit's outputs")]
        values.iter().map(|value| value.round() as i64).collect()
    }
}

/// Whole images, where every patch of one follows the other in order.
fn unit(contract: &ImageContract, origins: &Origins, samples: usize) -> Unit {
    let patches = contract.patches() as usize;
    let (Some(images), Some(places)) = (&origins.images, &origins.places) else {
        return Unit::Patch;
    };
    let mut groups = images.chunks(patches).zip(places.chunks(patches));
    let whole = |(images, places): (&[i64], &[i64])| {
        images.iter().all(|image| *image == images[0])
            && places.iter().copied().eq(0..i64::from(contract.patches()))
    };
    if images.len() == samples && samples >= patches && groups.all(whole) {
        Unit::Image(patches)
    } else {
        Unit::Patch
    }
}

/// Values of all outputs of each sample, one after another.
pub(crate) fn values(outputs: &[Vec<Output>]) -> Vec<Vec<f64>> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "values of a circuit, compared as magnitudes"
    )]
    let sample = |outputs: &Vec<Output>| {
        let values = outputs.iter().flat_map(|output| &output.values);
        values.map(|value| *value as f64).collect()
    };
    outputs.iter().map(sample).collect()
}

/// Mean over the classes that occur of the share that is found.
#[expect(clippy::cast_precision_loss, reason = "counts of samples")]
pub(crate) fn balanced_accuracy(found: &[usize], labels: &[i64]) -> f64 {
    let mut counts: std::collections::BTreeMap<i64, (f64, f64)> = std::collections::BTreeMap::new();
    for (found, label) in found.iter().zip(labels) {
        let count = counts.entry(*label).or_default();
        count.0 += f64::from(u8::from(i64::try_from(*found).is_ok_and(|found| found == *label)));
        count.1 += 1.0;
    }
    let shares = counts.values().map(|(right, all)| right / all);
    shares.sum::<f64>() / counts.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn balanced_accuracy_weighs_classes_alike() {
        // Three of four of class 0, none of one of class 2.
        let accuracy = balanced_accuracy(&[0, 0, 0, 1, 1], &[0, 0, 0, 0, 2]);
        assert!((accuracy - 0.375).abs() < 1e-12);
    }
}
