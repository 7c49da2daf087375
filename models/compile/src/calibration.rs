//! Calibration samples: real inputs of the model, and what they show of it in the clear.

use std::path::Path;

use obscura_circuit::{Circuit, Interval, Operation, Output};
use safetensors::{Dtype, SafeTensors};

use crate::CompileError;

/// Largest calibration file.
const MAX_BYTES: u64 = 1 << 30;
/// Names of the tensor in a calibration file: of any model, and of the patches training writes.
const INPUTS: [&str; 2] = ["inputs", "patches"];

/// Quantised inputs and the clear decisions on them.
#[derive(Debug)]
pub struct Calibration {
    /// `[samples][inputs]`.
    pub samples: Vec<Vec<i64>>,
    /// Outputs of the integer reference, one list per sample.
    pub clear: Vec<Vec<Output>>,
}

impl Calibration {
    /// Evaluates `samples` in the clear.
    ///
    /// # Errors
    /// [`CompileError::Circuit`] when a sample does not fit the circuit.
    pub fn new(circuit: &Circuit, samples: Vec<Vec<i64>>) -> Result<Self, CompileError> {
        let clear = circuit.evaluate_batch(&samples)?;
        Ok(Self { samples, clear })
    }

    /// Reads at most `limit` samples of a safetensors file: tensor `inputs` or `patches`, `[samples, ...]`, of I8, U8, I16,
    /// I32 or I64, one row per sample in the circuit's order of inputs.
    ///
    /// # Errors
    /// [`CompileError`], which names the file.
    pub fn read(circuit: &Circuit, path: &Path, limit: usize) -> Result<Self, CompileError> {
        let io = |source| CompileError::Io {
            path: path.to_owned(),
            source,
        };
        let wrong = |what| CompileError::Calibration {
            path: path.to_owned(),
            what,
        };
        if std::fs::metadata(path).map_err(io)?.len() > MAX_BYTES {
            return Err(wrong("is larger than 1 GiB"));
        }
        let bytes = std::fs::read(path).map_err(io)?;
        let file = SafeTensors::deserialize(&bytes).map_err(|_source| wrong("is not a safetensors file"))?;
        let view = INPUTS.iter().find_map(|name| file.tensor(name).ok());
        let view = view.ok_or_else(|| wrong("has no tensor named inputs or patches"))?;
        let values = integers(view.dtype(), view.data())
            .ok_or_else(|| wrong("its tensor is not of I8, U8, I16, I32 or I64"))?;
        let width = circuit.input_len();
        if values.is_empty() || !values.len().is_multiple_of(width) {
            return Err(wrong("its tensor does not hold whole samples of this circuit"));
        }
        let samples = values.chunks_exact(width).take(limit).map(<[i64]>::to_vec);
        Self::new(circuit, samples.collect())
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

    /// Share of the samples whose decision `noisy` changes, `[samples][values of all outputs]`.
    ///
    /// The decision of an output with several elements is its largest; of a single number, that it lies within
    /// a sixty-fourth of the range seen over all samples of where it should be.
    pub fn changed(&self, noisy: &[Vec<f64>]) -> f64 {
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
            let want = values
                .iter()
                .enumerate()
                .max_by_key(|(i, v)| (**v, usize::MAX - i));
            let got = noisy.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
            want.map(|w| w.0) != got.map(|g| g.0)
        }
    }
}

fn integers(dtype: Dtype, data: &[u8]) -> Option<Vec<i64>> {
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
