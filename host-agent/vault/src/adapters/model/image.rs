//! A verified model of images: patches in, one output vector per patch out, which the contract reads.

use obscura_bundle::{GoldenPatch, GoldenScan, ImageContract, Map, Scores, Threshold, WrongCount};
use obscura_circuit::{Circuit, Output};
use obscura_local::agent::{ClassShare, ImageView, ScanNote, ScanReading};
use zeroize::Zeroizing;

use super::{Cryptography, ModelError, failure};
use crate::ports::{ImageReader, ModelFailure};

/// A contract for images on a circuit that fits it.
#[derive(Debug)]
pub(super) struct TfheImages {
    contract: ImageContract,
    cryptography: Cryptography,
    deviation: f64,
}

impl TfheImages {
    /// # Errors
    /// [`ModelError::Contradiction`] when the circuit has no output with as many numbers as the contract reads.
    pub(super) fn new(contract: &ImageContract, cryptography: Cryptography) -> Result<Self, ModelError> {
        let deviation = output(contract, &cryptography.circuit)
            .and_then(|place| cryptography.plan.output_sigma(place))
            .ok_or(ModelError::Contradiction {
                what: "the circuit has no output with as many numbers as the contract reads",
            })?;
        Ok(Self {
            contract: contract.clone(),
            cryptography,
            deviation,
        })
    }

    pub(super) fn cryptography(&self) -> &Cryptography {
        &self.cryptography
    }

    pub(super) fn view(&self) -> ImageView {
        let contract = &self.contract;
        let classes = contract.classes().iter();
        ImageView {
            side: contract.side(),
            crop: contract.crop(),
            patches: contract.patches(),
            classes: classes
                .map(|class| (class.name().to_owned(), class.label().to_owned()))
                .collect(),
        }
    }

    /// Checks what this machine makes of whole images against the golden probabilities.
    ///
    /// # Errors
    /// [`ModelError`], which names the golden vector.
    pub(super) fn check_scans(&self, scans: &[GoldenScan]) -> Result<(), ModelError> {
        if self.contract.has_head() && scans.is_empty() {
            let what = "there is no golden image for the clear head";
            return Err(ModelError::Contradiction { what });
        }
        let mut scans = scans.iter();
        Ok(scans.try_for_each(|scan| scan.check(&self.contract))?)
    }

    /// Checks what the circuit gives for the golden patches.
    ///
    /// # Errors
    /// [`ModelFailure`], which names the golden vector.
    pub(super) fn check_patches(&self, patches: &[GoldenPatch]) -> Result<(), ModelFailure> {
        let operation = "checking the golden vectors";
        for patch in patches {
            let evaluated = self.cryptography.circuit.evaluate(&patch.inputs);
            let outputs = evaluated.map_err(|error| failure(operation, error))?;
            let checked = patch.check(&self.outputs_of(operation, outputs)?);
            checked.map_err(|wrong| failure(operation, ModelError::from(wrong)))?;
        }
        Ok(())
    }

    fn notes(&self, scores: &Scores) -> Vec<ScanNote> {
        let reached = self.contract.reached(scores);
        let note = |threshold: &Threshold| ScanNote {
            class: place(threshold.class()),
            permille: permille(threshold.probability()),
            text: threshold.text().to_owned(),
        };
        reached.map(note).collect()
    }

    fn outputs_of(&self, operation: &'static str, outputs: Vec<Output>) -> Result<Vec<i64>, ModelFailure> {
        let mut outputs = outputs.into_iter();
        let found = outputs.find(|output| output.name == self.contract.output());
        found.map(|output| output.values).ok_or_else(|| {
            let what = "the output of the classes is missing";
            failure(operation, ModelError::Contradiction { what })
        })
    }
}

/// Place of the output the contract names, if it has as many numbers as the contract reads.
fn output(contract: &ImageContract, circuit: &Circuit) -> Option<usize> {
    let mut outputs = circuit.outputs().iter();
    let place = outputs.position(|output| &*output.name == contract.output())?;
    let elements = circuit.shape(circuit.outputs().get(place)?.reads).elements();
    (elements == contract.output_len()).then_some(place)
}

/// A probability in thousandths, rounded.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a probability is between 0 and 1"
)]
fn permille(probability: f64) -> u16 {
    (probability * 1000.0).round() as u16
}

/// What each patch counts, in thousandths, where they count differently.
fn weights(map: &Map) -> Vec<u16> {
    let patches = map.patches.iter().filter(|_| map.weighted);
    patches.map(|patch| permille(patch.weight)).collect()
}

fn place(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

impl ImageReader for TfheImages {
    fn quantise(&self, pixels: &[u8]) -> Result<Vec<Zeroizing<Vec<i64>>>, ModelFailure> {
        let quantised = self.contract.quantise(pixels);
        quantised.map_err(|error| failure("reading the image", error))
    }

    fn decrypt(&self, secret: &[u8], answer: &[u8]) -> Result<Zeroizing<Vec<i64>>, ModelFailure> {
        let outputs = self.cryptography.decrypt(secret, answer)?;
        self.outputs_of("decrypting", outputs).map(Zeroizing::new)
    }

    fn reference(&self, patches: &[Zeroizing<Vec<i64>>]) -> Result<Vec<Vec<i64>>, ModelFailure> {
        let operation = "evaluating in the clear";
        let samples: Vec<Vec<i64>> = patches.iter().map(|patch| patch.to_vec()).collect();
        let evaluated = self.cryptography.circuit.evaluate_batch(&samples);
        // The circuit takes samples as they are; this copy is wiped as the patches themselves are.
        drop(samples.into_iter().map(Zeroizing::new).collect::<Vec<_>>());
        let evaluated = evaluated.map_err(|error| failure(operation, error))?;
        let outputs = evaluated.into_iter();
        outputs
            .map(|outputs| self.outputs_of(operation, outputs))
            .collect()
    }

    fn reading(&self, outputs: &[Vec<i64>]) -> Result<ScanReading, ModelFailure> {
        let failed = |error: WrongCount| failure("reading the answers", error);
        let scores = self.contract.scores(outputs).map_err(failed)?;
        let map = self.contract.map(outputs).map_err(failed)?;
        let classes = self.contract.classes();
        Ok(ScanReading {
            class: place(scores.class),
            text: classes
                .get(scores.class)
                .map(|class| class.text().to_owned())
                .unwrap_or_default(),
            classes: classes
                .iter()
                .zip(&scores.probabilities)
                .map(|(class, probability)| ClassShare {
                    name: class.name().to_owned(),
                    label: class.label().to_owned(),
                    permille: permille(*probability),
                })
                .collect(),
            rows: map.rows,
            map: map
                .patches
                .iter()
                .map(|patch| (place(patch.class), permille(patch.probability)))
                .collect(),
            weights: weights(&map),
            notes: self.notes(&scores),
        })
    }

    fn deviation(&self) -> f64 {
        self.deviation
    }
}
