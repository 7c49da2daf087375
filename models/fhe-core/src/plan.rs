//! How a circuit is laid out on the torus: scales, table polynomials, output encodings, predicted noise.
//!
//! An integer x of a tensor is carried as the phase x * delta modulo 2^64. Tensors joined by linear layers
//! share one delta; a table look-up starts a new one. The table's entries cover half of the torus, because
//! the rotation is negacyclic: f(phase + 1/2) = -f(phase). Tables are stored centred, so that this rule is
//! saturation where a table begins and ends at its extremes.

use obscura_circuit::{Circuit, Interval, Layer, Lut, Operation, OutputKind};

use crate::{Answer, EvaluationKeyParts, Item, LookUpNoise, Noise, ParameterSet, WordSize};

/// Deviations that separate a decoded integer from its neighbour: a wrong one has probability below 2^-49.
const EXACT_DEVIATIONS: f64 = 8.0;
/// Deviations inside the stated error of a look-up: one outside has probability below 2^-32.
const TABLE_DEVIATIONS: f64 = 6.5;

/// Why a circuit cannot be evaluated under a parameter set.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// A tensor is read by tables of different steps.
    #[error("layer {layer}: its table has another step than an earlier table on the same values")]
    ConflictingSteps {
        /// The later table.
        layer: Box<str>,
    },
    /// The values need more of the torus than there is.
    #[error("layer {layer}: its values do not fit the torus")]
    TooWide {
        /// The layer.
        layer: Box<str>,
    },
    /// The predicted noise would spoil an output.
    #[error("output {output}: neighbouring values are {deviations:.1} deviations apart, {want} are needed")]
    TooNoisy {
        /// The output.
        output: Box<str>,
        /// Half a step over the predicted deviation.
        deviations: f64,
        /// Deviations needed.
        want: f64,
    },
    /// A table's inputs come too close to its ends, where noise would wrap around.
    #[error("layer {layer}: table leaves {free} entries beside its inputs, {want} are needed")]
    NoMargin {
        /// The table.
        layer: Box<str>,
        /// Free entries on the narrower side.
        free: i64,
        /// Entries needed.
        want: i64,
    },
    /// A table has more entries than the rotation has positions.
    #[error("layer {layer}: {entries} entries do not divide {positions} positions")]
    TableTooFine {
        /// The table.
        layer: Box<str>,
        /// Its entries.
        entries: usize,
        /// Positions of half the torus.
        positions: usize,
    },
}

/// How a tensor's integers lie on the torus.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Scale {
    /// Torus units (2^-64) per integer.
    delta: u64,
    noise: Noise,
}

/// A table look-up on the torus.
#[derive(Clone, Debug, PartialEq)]
pub struct TablePlan {
    /// Added to the input's body: shifts the table's origin to phase 0.
    pub input_shift: u64,
    /// Entries before a look-up's position may differ from the right one, in predicted deviations.
    pub noise: LookUpNoise,
    /// The stated error: a look-up yields one of the entries within this distance of the right one.
    pub error_entries: i64,
    /// Torus units per integer of the result.
    delta: u64,
    /// Sum of the table's extremes, twice the value phase 0 stands for.
    twice_centre: i64,
}

impl TablePlan {
    /// The rotation's polynomial for element `element`: each entry repeated over its positions.
    pub fn polynomial(&self, lut: &Lut, element: usize, polynomial_size: usize) -> Vec<u64> {
        let table = lut.channel(element);
        let repeat = polynomial_size / table.len();
        let word = |&entry: &i32| {
            let centred = 2 * i64::from(entry) - self.twice_centre;
            half_steps(self.delta, centred)
        };
        table
            .iter()
            .map(word)
            .flat_map(|word| std::iter::repeat_n(word, repeat))
            .collect()
    }

    /// Added to the result's body: undoes the centring.
    pub fn output_shift(&self) -> u64 {
        half_steps(self.delta, self.twice_centre)
    }
}

/// `count / 2` steps of `delta` on the torus; `delta` is even.
fn half_steps(delta: u64, count: i64) -> u64 {
    (delta / 2).wrapping_mul(count.cast_unsigned())
}

/// An output on the torus.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputPlan {
    /// Its name in the circuit.
    pub name: Box<str>,
    /// Number of the tensor it reads.
    pub reads: usize,
    /// Its elements.
    pub len: usize,
    /// How exactly it is reproduced.
    pub kind: OutputKind,
    /// Bits kept of each word.
    pub answer_bits: u32,
    delta: u64,
    reach: Interval,
}

impl OutputPlan {
    /// The integer a decrypted phase stands for: nearest multiple of delta among the reachable values.
    pub fn decode(&self, phase: u64) -> i64 {
        // Phases are relative to the middle of the reachable values, which may lie anywhere on the torus.
        let middle = i64::midpoint(self.reach.min, self.reach.max);
        let offset = phase
            .wrapping_sub(self.delta.wrapping_mul(middle.cast_unsigned()))
            .cast_signed();
        let delta = i128::from(self.delta);
        let steps = (i128::from(offset) + delta / 2).div_euclid(delta);
        let value = i128::from(middle) + steps;
        i64::try_from(value)
            .unwrap_or(self.reach.max)
            .clamp(self.reach.min, self.reach.max)
    }
}

/// A circuit laid out on the torus under a parameter set, with its noise predicted and found tolerable.
#[derive(Clone, Debug)]
pub struct Plan {
    parameters: ParameterSet,
    input_len: usize,
    /// Invariant: one per tensor, the input first.
    scales: Vec<Scale>,
    /// Invariant: one per layer, `Some` for tables.
    tables: Vec<Option<TablePlan>>,
    outputs: Vec<OutputPlan>,
}

impl Plan {
    /// Lays `circuit` out under `parameters`.
    ///
    /// # Errors
    /// [`PlanError`], which names the layer or output at fault.
    pub fn new(circuit: &Circuit, parameters: &ParameterSet) -> Result<Self, PlanError> {
        let deltas = deltas(circuit)?;
        let mut scales = vec![Scale {
            delta: deltas[0],
            noise: Noise::input(parameters),
        }];
        let mut tables = Vec::new();
        for (index, layer) in circuit.layers().iter().enumerate() {
            let input = scales[layer.reads];
            let delta = deltas[index + 1];
            let (noise, table) = match &layer.operation {
                Operation::Linear(linear) => (input.noise.times_norm(linear.max_norm2()), None),
                Operation::Conv2d(conv) => (input.noise.times_norm(conv.max_norm2()), None),
                Operation::SumPool(pool) => {
                    let terms = f64::from(u32::try_from(pool.window_len()).unwrap_or(u32::MAX));
                    (input.noise.times_norm(terms.sqrt()), None)
                }
                Operation::Lut(lut) => {
                    let table = table(circuit, layer, lut, input, delta, parameters)?;
                    (Noise::rotation(parameters), Some(table))
                }
            };
            scales.push(Scale { delta, noise });
            tables.push(table);
        }
        let outputs = outputs(circuit, parameters, &scales)?;
        Ok(Self {
            parameters: parameters.clone(),
            input_len: circuit.input_len(),
            scales,
            tables,
            outputs,
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

    /// Torus units per integer of tensor `tensor`.
    pub fn delta(&self, tensor: usize) -> u64 {
        self.scales[tensor].delta
    }

    /// Predicted noise of tensor `tensor`.
    pub fn noise(&self, tensor: usize) -> Noise {
        self.scales[tensor].noise
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

    /// Words of the ciphertexts between look-ups.
    pub fn words(&self) -> WordSize {
        self.parameters.words()
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
}

/// Torus units per integer of each tensor, the input first.
///
/// A table dictates the scale of what it reads (its entries fill half of the torus); values no table reads
/// take as much of the torus as they reach.
fn deltas(circuit: &Circuit) -> Result<Vec<u64>, PlanError> {
    let layers = circuit.layers();
    // The group of a tensor is the first tensor it is a linear image of.
    let mut group = vec![0];
    for (index, layer) in layers.iter().enumerate() {
        let linear = !matches!(layer.operation, Operation::Lut(_));
        group.push(if linear { group[layer.reads] } else { index + 1 });
    }
    let mut dictated: Vec<Option<u64>> = vec![None; group.len()];
    for layer in layers {
        let Operation::Lut(lut) = &layer.operation else {
            continue;
        };
        let entries = u64::try_from(lut.entries_per_channel()).unwrap_or(u64::MAX);
        let delta = (1_u64 << 63) / lut.step.unsigned_abs().saturating_mul(entries);
        let slot = &mut dictated[group[layer.reads]];
        if slot.is_some_and(|other| other != delta) {
            return Err(PlanError::ConflictingSteps {
                layer: layer.name.clone(),
            });
        }
        *slot = Some(delta);
    }
    let names = |tensor: usize| tensor.checked_sub(1).map_or("input", |i| &*layers[i].name);
    (0..group.len())
        .map(|tensor| {
            let free = || {
                let members = (0..group.len()).filter(|&t| group[t] == group[tensor]);
                let reach = members
                    .flat_map(|t| circuit.reach(t))
                    .copied()
                    .reduce(Interval::hull);
                // One value of slack on each side, so that noise at an extreme decodes to the extreme.
                let span = reach.map_or(4, |r| r.max.abs_diff(r.min).saturating_add(3));
                u64::MAX / span
            };
            let delta = dictated[group[tensor]].unwrap_or_else(free) & !1;
            if delta < 2 {
                Err(PlanError::TooWide {
                    layer: names(tensor).into(),
                })
            } else {
                Ok(delta)
            }
        })
        .collect()
}

fn table(
    circuit: &Circuit,
    layer: &Layer,
    lut: &Lut,
    input: Scale,
    delta: u64,
    set: &ParameterSet,
) -> Result<TablePlan, PlanError> {
    let (entries, positions) = (lut.entries_per_channel(), set.polynomial_size);
    if !positions.is_multiple_of(entries) {
        return Err(PlanError::TableTooFine {
            layer: layer.name.clone(),
            entries,
            positions,
        });
    }
    let noise = input
        .noise
        .plus(Noise::key_switch(set))
        .plus(Noise::rotation_switch(set));
    let sigma_entries = noise.sigma() * 2.0 * f64::from(u32::try_from(entries).unwrap_or(u32::MAX));
    let error_entries = ceil_i64(sigma_entries * TABLE_DEVIATIONS);
    let reach = circuit.reach(layer.reads).iter().copied().reduce(Interval::hull);
    let reach = reach.unwrap_or(Interval {
        min: lut.origin,
        max: lut.origin,
    });
    let below = (reach.min - lut.origin).div_euclid(lut.step);
    let width = i64::try_from(entries).unwrap_or(i64::MAX);
    let above = width - 1 - (reach.max - lut.origin).div_euclid(lut.step);
    let free = below.min(above);
    if free < error_entries {
        return Err(PlanError::NoMargin {
            layer: layer.name.clone(),
            free,
            want: error_entries,
        });
    }
    let extremes = (0..circuit.reach(layer.reads).len())
        .flat_map(|element| lut.channel(element))
        .map(|&v| Interval {
            min: v.into(),
            max: v.into(),
        })
        .reduce(Interval::hull);
    Ok(TablePlan {
        input_shift: input
            .delta
            .wrapping_mul(lut.origin.cast_unsigned())
            .wrapping_neg(),
        noise: LookUpNoise {
            sigma_entries,
            rms_entries: sigma_entries,
        },
        error_entries,
        delta,
        twice_centre: extremes.map_or(0, |e| e.min + e.max),
    })
}

fn outputs(circuit: &Circuit, set: &ParameterSet, scales: &[Scale]) -> Result<Vec<OutputPlan>, PlanError> {
    let plan = |output: &obscura_circuit::OutputLayer| {
        let kind = circuit.kind(output.reads);
        let answer_bits = match kind {
            OutputKind::Exact => set.exact_answer_bits,
            OutputKind::Table => set.table_answer_bits,
        };
        let scale = scales[output.reads];
        let sigma = scale.noise.plus(Noise::answer_switch(set, answer_bits)).sigma();
        #[expect(clippy::cast_precision_loss, reason = "a ratio that needs three digits")]
        let half_step = scale.delta as f64 * (-65.0_f64).exp2();
        let deviations = half_step / sigma;
        if deviations < EXACT_DEVIATIONS {
            let output = output.name.clone();
            return Err(PlanError::TooNoisy {
                output,
                deviations,
                want: EXACT_DEVIATIONS,
            });
        }
        let reach = circuit.reach(output.reads);
        let hull = reach
            .iter()
            .copied()
            .reduce(Interval::hull)
            .unwrap_or(Interval { min: 0, max: 0 });
        Ok(OutputPlan {
            name: output.name.clone(),
            reads: output.reads,
            len: reach.len(),
            kind,
            answer_bits,
            delta: scale.delta,
            reach: hull,
        })
    };
    circuit.outputs().iter().map(plan).collect()
}

/// Rounds a small non-negative number up.
fn ceil_i64(x: f64) -> i64 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "saturates, and a saturated error is refused as NoMargin"
    )]
    let rounded = x.ceil() as i64;
    rounded.max(1)
}
