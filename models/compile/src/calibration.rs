//! Calibration samples: real inputs of the model, and what they show of it in the clear.

use std::path::Path;

use obscura_bundle::ImageContract;
use obscura_circuit::{Circuit, Interval, Operation, Output};
use safetensors::{Dtype, SafeTensors};

use crate::{
    CompileError, Unit,
    decisions::{Classes, Origins, balanced_accuracy, values},
};

/// Largest calibration file.
const MAX_BYTES: u64 = 1 << 30;
/// Names of the tensor in a calibration file: of any model, and of the patches training writes.
const INPUTS: [&str; 2] = ["inputs", "patches"];

/// Dimensions of a tensor of whole images.
const WHOLE_IMAGES: usize = 5;

/// Quantised inputs and the clear decisions on them.
#[derive(Debug)]
pub struct Calibration {
    /// `[samples][inputs]`.
    pub samples: Vec<Vec<i64>>,
    /// Outputs of the integer reference, one list per sample.
    pub clear: Vec<Vec<Output>>,
    /// What a contract for images makes of the outputs.
    classes: Option<Classes>,
    /// The classes in the clear, one per patch or image.
    clear_classes: Vec<usize>,
    /// The right classes, one per patch or image.
    labels: Option<Vec<i64>>,
}

impl Calibration {
    /// Evaluates `samples` in the clear.
    ///
    /// # Errors
    /// [`CompileError::Circuit`] when a sample does not fit the circuit.
    pub fn new(circuit: &Circuit, samples: Vec<Vec<i64>>) -> Result<Self, CompileError> {
        let clear = circuit.evaluate_batch(&samples)?;
        Ok(Self {
            samples,
            clear,
            classes: None,
            clear_classes: Vec::new(),
            labels: None,
        })
    }

    /// Reads samples of a safetensors file: tensor `inputs` or `patches`, `[samples, ...]`, of I8, U8, I16, I32 or I64, one
    /// row per sample in the circuit's order of inputs.
    ///
    /// With a `contract`, decisions are the classes it gives: of whole images where the tensor is `[images, patches, channels,
    /// side, side]`, or where the tensors `image` and `position` (`[samples]`) show nothing but whole images, patch after
    /// patch; else of patches at their `position`. Tensor `labels` (one per sample, in the first case one per image) holds
    /// the right classes. At most `limit` decisions are read.
    ///
    /// # Errors
    /// [`CompileError`], which names the file.
    pub fn read(
        circuit: &Circuit,
        path: &Path,
        contract: Option<&ImageContract>,
        limit: usize,
    ) -> Result<Self, CompileError> {
        let wrong = |what| CompileError::Calibration {
            path: path.to_owned(),
            what,
        };
        let bytes = tensor_file(path)?;
        let file = SafeTensors::deserialize(&bytes).map_err(|_source| wrong("is not a safetensors file"))?;
        let view = INPUTS.iter().find_map(|name| file.tensor(name).ok());
        let view = view.ok_or_else(|| wrong("has no tensor named inputs or patches"))?;
        let kinds = "its tensor is not of I8, U8, I16, I32 or I64";
        let values = integers(view.dtype(), view.data()).ok_or_else(|| wrong(kinds))?;
        let width = circuit.input_len();
        if values.is_empty() || !values.len().is_multiple_of(width) {
            return Err(wrong("its tensor does not hold whole samples of this circuit"));
        }
        let count = values.len() / width;
        let column = |name: &str| match read_column(&file, name) {
            Some(column) if column.len() != count => {
                Err(wrong("image, position or labels is not one integer per sample"))
            }
            column => Ok(column),
        };
        let patches = contract.map_or(0, |contract| contract.patches() as usize);
        let by_image = view.shape().len() == WHOLE_IMAGES && view.shape()[1] == patches;
        let origins = if by_image {
            Origins::of_images(count / patches, patches, read_column(&file, "labels"))
                .ok_or_else(|| wrong("labels is not one integer per image"))?
        } else {
            Origins {
                images: column("image")?,
                places: column("position")?,
                labels: column("labels")?,
            }
        };
        let classes = contract.map(|contract| {
            let classes = Classes::new(contract, circuit, &origins, count);
            classes.ok_or_else(|| wrong("is for a contract whose output the circuit does not have"))
        });
        let classes = classes.transpose()?;
        let unit = classes.as_ref().map_or(Unit::Sample, Classes::unit).samples();
        let samples = values.chunks_exact(width).take(limit.saturating_mul(unit));
        Self::new(circuit, samples.map(<[i64]>::to_vec).collect())
            .map(|calibration| calibration.with_classes(classes, &origins))
    }

    fn with_classes(mut self, classes: Option<Classes>, origins: &Origins) -> Self {
        if let Some(classes) = classes {
            self.clear_classes = classes.of(&values(&self.clear));
            let every = classes.unit().samples();
            let labels = origins.labels.as_ref().map(|labels| labels.iter().step_by(every));
            self.labels = labels.map(|labels| labels.take(self.clear_classes.len()).copied().collect());
            self.classes = Some(classes);
        }
        self
    }

    /// What a decision is made on.
    pub fn unit(&self) -> Unit {
        self.classes.as_ref().map_or(Unit::Sample, Classes::unit)
    }

    /// Decisions in all.
    pub fn decisions(&self) -> usize {
        self.samples.len() / self.unit().samples()
    }

    /// What another circuit with the same inputs and outputs gives in the clear, `[samples][values of all outputs]`.
    ///
    /// # Errors
    /// [`CompileError::Circuit`] when a sample does not fit it.
    pub fn clear_values(&self, circuit: &Circuit) -> Result<Vec<Vec<f64>>, CompileError> {
        Ok(values(&circuit.evaluate_batch(&self.samples)?))
    }

    /// Balanced accuracy of outputs `[samples][values of all outputs]`; `None` without labels.
    pub fn accuracy(&self, noisy: &[Vec<f64>]) -> Option<f64> {
        let labels = self.labels.as_ref()?;
        Some(balanced_accuracy(&self.classes.as_ref()?.of(noisy), labels))
    }

    /// Balanced accuracy of the integer reference; `None` without labels.
    pub fn clear_accuracy(&self) -> Option<f64> {
        let labels = self.labels.as_ref()?;
        Some(balanced_accuracy(&self.clear_classes, labels))
    }

    /// Smallest and largest accumulator that reaches each table, `None` for other layers.
    ///
    /// # Errors
    /// [`CompileError::Circuit`].
    pub fn observed(&self, circuit: &Circuit, samples: usize) -> Result<Vec<Option<Interval>>, CompileError> {
        let mut seen: Vec<Option<Interval>> = vec![None; circuit.layers().len()];
        for sample in self.samples.iter().take(samples) {
            let tensors = circuit.trace(sample)?;
            for (layer, seen) in circuit.layers().iter().zip(&mut seen) {
                if !matches!(layer.operation, Operation::Lut(_)) {
                    continue;
                }
                let point = |&v: &i64| Interval { min: v, max: v };
                let values = tensors[layer.reads].iter().map(point);
                *seen = values.chain(*seen).reduce(Interval::hull);
            }
        }
        Ok(seen)
    }

    /// Share of the decisions that `noisy` changes, `[samples][values of all outputs]`.
    ///
    /// With a contract a decision is a class. Without, the decision of an output with several elements is its largest; of a single number, that it lies within
    /// a sixty-fourth of the range seen over all samples of where it should be.
    pub fn changed(&self, noisy: &[Vec<f64>]) -> f64 {
        if let Some(classes) = &self.classes {
            let found = classes.of(noisy);
            let pairs = found.iter().zip(&self.clear_classes);
            return ratio(pairs.filter(|(got, want)| got != want).count(), found.len());
        }
        let spans = self.spans();
        let changed = self.clear.iter().zip(noisy).filter(|(clear, noisy)| {
            let mut rest = noisy.as_slice();
            clear.iter().zip(&spans).any(|(output, span)| {
                let (own, behind) = rest.split_at(output.values.len().min(rest.len()));
                rest = behind;
                decision_differs(output, own, *span)
            })
        });
        ratio(changed.count(), self.clear.len())
    }

    /// Range of each output over all samples.
    pub fn spans(&self) -> Vec<f64> {
        let outputs = self.clear.first().map_or(0, Vec::len);
        let span = |index: usize| {
            let values = self.clear.iter().flat_map(|c| &c[index].values);
            let (min, max) = values.fold((i64::MAX, i64::MIN), |(a, b), &v| (a.min(v), b.max(v)));
            as_f64(max.saturating_sub(min))
        };
        (0..outputs).map(span).collect()
    }
}

fn decision_differs(clear: &Output, noisy: &[f64], span: f64) -> bool {
    match (clear.values.as_slice(), noisy) {
        ([value], [noisy]) => (noisy - as_f64(*value)).abs() > span / 64.0,
        (values, noisy) => {
            let clear: Vec<f64> = values.iter().map(|&value| as_f64(value)).collect();
            first_largest(&clear) != first_largest(noisy)
        }
    }
}

/// Place of the first largest number: of equal ones the same is taken with noise and without.
fn first_largest(numbers: &[f64]) -> usize {
    let larger = |best: usize, at: usize| if numbers[at] > numbers[best] { at } else { best };
    (0..numbers.len()).fold(0, larger)
}

/// A tensor of integers, empty when it is of something else; `None` when it is not there.
fn read_column(file: &SafeTensors<'_>, name: &str) -> Option<Vec<i64>> {
    let view = file.tensor(name).ok()?;
    Some(integers(view.dtype(), view.data()).unwrap_or_default())
}

/// The bytes of a safetensors file.
pub(crate) fn tensor_file(path: &Path) -> Result<Vec<u8>, CompileError> {
    let io = |source| CompileError::Io {
        path: path.to_owned(),
        source,
    };
    if std::fs::metadata(path).map_err(io)?.len() > MAX_BYTES {
        return Err(CompileError::Calibration {
            path: path.to_owned(),
            what: "is larger than 1 GiB",
        });
    }
    std::fs::read(path).map_err(io)
}

/// The values of a tensor of integers.
pub(crate) fn integers(dtype: Dtype, data: &[u8]) -> Option<Vec<i64>> {
    Some(match dtype {
        Dtype::I8 => data.iter().map(|&b| b.cast_signed().into()).collect(),
        Dtype::U8 => data.iter().map(|&b| b.into()).collect(),
        Dtype::I16 => each(data, |b| i16::from_le_bytes(b).into()),
        Dtype::I32 => each(data, |b| i32::from_le_bytes(b).into()),
        Dtype::I64 => each(data, i64::from_le_bytes),
        _ => return None,
    })
}

fn each<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> i64) -> Vec<i64> {
    bytes.as_chunks::<N>().0.iter().map(|&b| read(b)).collect()
}

fn ratio(part: usize, whole: usize) -> f64 {
    let as_u32 = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    f64::from(as_u32(part)) / f64::from(as_u32(whole).max(1))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "values of a circuit, compared as magnitudes"
)]
fn as_f64(value: i64) -> f64 {
    value as f64
}
