//! How a circuit is laid out on the torus: scales, table polynomials, output encodings, predicted noise.
//!
//! An integer x of a tensor is carried as the phase x * delta modulo 2^64. Tensors joined by layers that sum
//! share one delta; a table look-up starts a new one. The table's entries cover half of the torus, because
//! the rotation is negacyclic: f(phase + 1/2) = -f(phase). Tables are stored centred, so that this rule is
//! saturation where a table begins and ends at its extremes.

mod error;
mod landing;
mod memory;
mod output;
mod scale;
mod spread;
mod table;

pub use error::PlanError;
pub use output::OutputPlan;
pub use table::TablePlan;

use obscura_circuit::{Circuit, Lut, NoiseFigures, Operation, TableNoise};

use crate::{Answer, EvaluationKeyParts, Item, LookUpNoise, Noise, ParameterSet, WordSize};
use spread::Spread;

/// Predicted noise of one layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerNoise {
    /// What the layer reads: the largest over the channels.
    pub input: Noise,
    /// What the layer sums up, before a look-up if it is one: the mean over the channels, of the squares.
    pub accumulator_rms: Noise,
    /// The same, the largest over the channels.
    pub accumulator_max: Noise,
    /// All that decides which entry a look-up lands on; `None` for layers that sum.
    pub look_up: Option<LookUpNoise>,
    /// The layer's result: the largest over the channels.
    pub output: Noise,
}

/// How a tensor's integers lie on the torus.
#[derive(Clone, Debug)]
struct Tensor {
    /// Torus units (2^-64) per integer.
    delta: u64,
    /// What its phases deviate from multiples of delta.
    noise: Spread,
    /// What its phases deviate from those of the reference: look-ups that landed beside their entry too.
    deviation: Spread,
}

impl Tensor {
    /// The result of a layer that sums, whose noise `through` tells from this tensor's.
    fn sum(&self, delta: u64, through: impl Fn(&Spread) -> Spread) -> Self {
        Self {
            delta,
            noise: through(&self.noise),
            deviation: through(&self.deviation),
        }
    }

    /// The result of a look-up of this tensor.
    fn look_up(&self, lut: &Lut, delta: u64, set: &ParameterSet) -> Self {
        let noise = Noise::rotation(set);
        let landing = table::look_up_noise(&self.deviation, lut.entries(), set);
        let moved = Noise::of_sigma(landing::mean_square(lut, landing.rms_entries).sqrt() * to_torus(delta));
        Self {
            delta,
            noise: Spread::independent(noise),
            deviation: Spread::independent(noise.plus(moved)),
        }
    }
}

/// Torus units (2^-64) in units of the torus.
fn to_torus(delta: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a ratio that needs three digits")]
    let units = delta as f64;
    units * (-64.0_f64).exp2()
}

/// A circuit laid out on the torus under a parameter set, with its noise predicted and found tolerable.
#[derive(Clone, Debug)]
pub struct Plan {
    parameters: ParameterSet,
    input_len: usize,
    /// Invariant: one per tensor, the input first.
    tensors: Vec<Tensor>,
    /// Invariant: the tensor each layer reads.
    reads: Vec<usize>,
    /// Invariant: one per layer, `Some` for tables.
    tables: Vec<Option<TablePlan>>,
    outputs: Vec<OutputPlan>,
    memory_bytes: usize,
}

impl Plan {
    /// Lays `circuit` out under `parameters`.
    ///
    /// # Errors
    /// [`PlanError`], which names the layer or output at fault.
    pub fn new(circuit: &Circuit, parameters: &ParameterSet) -> Result<Self, PlanError> {
        let deltas = scale::deltas(circuit, parameters.words())?;
        let layers = circuit.layers();
        let fresh = Spread::independent(Noise::input(parameters));
        let mut tensors = vec![Tensor {
            delta: deltas[0],
            noise: fresh.clone(),
            deviation: fresh,
        }];
        let mut tables = Vec::new();
        for (index, layer) in layers.iter().enumerate() {
            let (input, delta) = (&tensors[layer.reads], deltas[index + 1]);
            let mut table = None;
            let tensor = match &layer.operation {
                Operation::Linear(linear) => input.sum(delta, |s| s.dense(index, linear.into())),
                Operation::Conv2d(conv) => input.sum(delta, |s| s.dense(index, conv.into())),
                Operation::SumPool(pool) => {
                    input.sum(delta, |s| s.pool(pool, |layer| &layers[layer].operation))
                }
                Operation::Lut(lut) => {
                    table = Some(TablePlan::new(circuit, layer, lut, input, delta, parameters)?);
                    input.look_up(lut, delta, parameters)
                }
            };
            tensors.push(tensor);
            tables.push(table);
        }
        let outputs = output::outputs(circuit, parameters, &tensors)?;
        Ok(Self {
            parameters: parameters.clone(),
            input_len: circuit.input_len(),
            tensors,
            reads: layers.iter().map(|layer| layer.reads).collect(),
            tables,
            outputs,
            memory_bytes: memory::memory_bytes(circuit, parameters),
        })
    }

    /// The parameters.
    pub fn parameters(&self) -> &ParameterSet {
        &self.parameters
    }

    /// Inputs of the circuit.
    pub fn input_len(&self) -> usize {
        self.input_len
    }

    /// GLWE ciphertexts that carry the inputs, N each.
    pub fn input_ciphertexts(&self) -> usize {
        self.input_len.div_ceil(self.parameters.polynomial_size)
    }

    /// Torus units (2^-64) per integer of tensor `tensor`.
    pub fn delta(&self, tensor: usize) -> u64 {
        self.tensors[tensor].delta
    }

    /// Predicted noise of tensor `tensor`, the largest over its channels.
    pub fn noise(&self, tensor: usize) -> Noise {
        self.tensors[tensor].noise.max()
    }

    /// Predicted noise of layer `layer`; `None` beyond the last.
    pub fn layer_noise(&self, layer: usize) -> Option<LayerNoise> {
        let (reads, table) = (*self.reads.get(layer)?, self.tables.get(layer)?);
        let (input, output) = (&self.tensors[reads].noise, &self.tensors[layer + 1].noise);
        let accumulator = if table.is_some() { input } else { output };
        Some(LayerNoise {
            input: input.max(),
            accumulator_rms: accumulator.rms(),
            accumulator_max: accumulator.max(),
            look_up: table.as_ref().map(|table| table.noise),
            output: output.max(),
        })
    }

    /// The table of layer `layer`, if it is one.
    pub fn table(&self, layer: usize) -> Option<&TablePlan> {
        self.tables.get(layer).and_then(Option::as_ref)
    }

    /// The outputs, in the circuit's order.
    pub fn outputs(&self) -> &[OutputPlan] {
        &self.outputs
    }

    /// Elements of all outputs.
    pub fn output_len(&self) -> usize {
        self.outputs.iter().map(|o| o.len).sum()
    }

    /// Predicted deviation of the elements of output `output` from the reference, in integers; `None` beyond the
    /// last.
    ///
    /// Behind tables it includes look-ups that land beside their entry, averaged over the part of each table
    /// where inputs are expected: an estimate, good to a factor of about 1.5, because how inputs spread over a
    /// table belongs to the data. [`Circuit::simulate`] says it for given data.
    pub fn output_sigma(&self, output: usize) -> Option<f64> {
        self.outputs.get(output).map(|o| o.sigma)
    }

    /// Words of the ciphertexts between look-ups.
    pub fn words(&self) -> WordSize {
        self.parameters.words()
    }

    /// Scales and noise for the simulator, whose look-ups round a phase down to its entry.
    pub fn figures(&self) -> NoiseFigures {
        let set = &self.parameters;
        let count = self.output_len();
        let way_out = |o: &OutputPlan| output::on_the_way_out(set, o.answer_bits, count);
        let table = |table: &TablePlan| TableNoise {
            before_sigma: table::before_look_up(set).sigma(),
            after_sigma: Noise::rotation(set).sigma(),
            input_shift: table.input_shift.wrapping_add(table::half_position(set)),
            output_delta: table.output_delta(),
            twice_centre: table.twice_centre(),
        };
        NoiseFigures {
            delta: self.tensors.iter().map(|t| t.delta).collect(),
            input_sigma: self.noise(0).sigma(),
            tables: self.tables.iter().map(|t| t.as_ref().map(table)).collect(),
            output_sigma: self
                .outputs
                .iter()
                .map(way_out)
                .fold(Noise::default(), Noise::max)
                .sigma(),
        }
    }

    /// The largest stated error of the circuit's tables, in entries; 0 without tables.
    pub fn table_error_entries(&self) -> i64 {
        self.tables
            .iter()
            .flatten()
            .map(|t| t.error_entries)
            .max()
            .unwrap_or(0)
    }

    /// Bytes of an encrypted item.
    pub fn request_bytes(&self) -> usize {
        Item::byte_len(self)
    }

    /// Bytes of an encrypted answer.
    pub fn answer_bytes(&self) -> usize {
        Answer::byte_len(self)
    }

    /// Bytes of an evaluation key object.
    pub fn evaluation_key_bytes(&self) -> usize {
        EvaluationKeyParts::byte_len(&self.parameters)
    }

    /// Bytes of ciphertexts an evaluation holds at its peak, keys and buffers of its threads aside.
    ///
    /// With 32-bit words a tensor is dropped after its last reader, and what only the next of the layers dense,
    /// table and pool reads never exists as a whole. With 64-bit words all tensors are kept.
    pub fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }
}
