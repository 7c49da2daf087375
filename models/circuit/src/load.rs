//! Reading a circuit from its two files: the JSON graph and the safetensors weights.

use std::collections::HashMap;

use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;

use crate::{Circuit, CircuitError, Interval, Layer, Linear, Lut, Operation, OutputLayer};

const FORMAT: u32 = 1;
const MAX_JSON_BYTES: usize = 1 << 20;
const MAX_WEIGHT_BYTES: usize = 64 << 20;
const MAX_INPUTS: usize = 1 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    format: u32,
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "lowercase", deny_unknown_fields)]
enum Node {
    Input {
        name: String,
        shape: Vec<usize>,
        min: Vec<i64>,
        max: Vec<i64>,
    },
    Linear {
        name: String,
        input: String,
        weights: String,
        bias: String,
    },
    Lut {
        name: String,
        input: String,
        table: String,
        origin: i64,
        step: i64,
    },
    Output {
        name: String,
        input: String,
    },
}

impl Circuit {
    /// Reads and checks a circuit.
    ///
    /// `circuit_json` is the graph (format 1, at most 1 MiB), `weights_safetensors` its tensors (at most
    /// 64 MiB): weights `I32 [n_out, n_in]`, biases `I64 [n_out]`, tables `I32 [channels or 1, 256]`.
    ///
    /// # Errors
    /// [`CircuitError`], which names the layer at fault.
    pub fn from_parts(circuit_json: &[u8], weights_safetensors: &[u8]) -> Result<Self, CircuitError> {
        limit("circuit.json", circuit_json, MAX_JSON_BYTES)?;
        limit("weights.safetensors", weights_safetensors, MAX_WEIGHT_BYTES)?;
        let description: Description = serde_json::from_slice(circuit_json)?;
        if description.format != FORMAT {
            return Err(CircuitError::UnknownFormat {
                got: description.format,
                want: FORMAT,
            });
        }
        let weights = SafeTensors::deserialize(weights_safetensors).map_err(CircuitError::Weights)?;
        Builder {
            weights,
            sizes: Vec::new(),
            tensors: HashMap::new(),
        }
        .build(description.nodes)
    }
}

struct Builder<'a> {
    weights: SafeTensors<'a>,
    /// Elements of each tensor so far, the input first.
    sizes: Vec<usize>,
    tensors: HashMap<String, usize>,
}

impl Builder<'_> {
    fn build(mut self, nodes: Vec<Node>) -> Result<Circuit, CircuitError> {
        let mut nodes = nodes.into_iter();
        let Some(Node::Input {
            name: input_name,
            shape,
            min,
            max,
        }) = nodes.next()
        else {
            return Err(CircuitError::BadOutline { max_layers: 0 });
        };
        let input = input_ranges(&input_name, &shape, &min, &max)?;
        self.produce(&input_name, input.len())?;
        let (mut layers, mut outputs) = (Vec::new(), Vec::new());
        for node in nodes {
            match node {
                Node::Input { name, .. } => return Err(CircuitError::BadName { layer: name.into() }),
                Node::Output { name, input } => {
                    let reads = self.find(&name, &input)?;
                    outputs.push(OutputLayer {
                        name: name.into(),
                        reads,
                    });
                }
                Node::Linear {
                    name,
                    input,
                    weights,
                    bias,
                } => {
                    let reads = self.find(&name, &input)?;
                    let weights = self.i32s(&name, &weights)?;
                    let linear = Linear::new(&name, self.sizes[reads], weights, self.i64s(&name, &bias)?)?;
                    self.produce(&name, linear.outputs())?;
                    layers.push(Layer {
                        name: name.into(),
                        reads,
                        operation: Operation::Linear(linear),
                    });
                }
                Node::Lut {
                    name,
                    input,
                    table,
                    origin,
                    step,
                } => {
                    let reads = self.find(&name, &input)?;
                    let size = self.sizes[reads];
                    let lut = Lut::new(&name, size, self.i32s(&name, &table)?, origin, step)?;
                    self.produce(&name, size)?;
                    layers.push(Layer {
                        name: name.into(),
                        reads,
                        operation: Operation::Lut(lut),
                    });
                }
            }
        }
        Circuit::new(&input_name, input, layers, outputs)
    }

    fn produce(&mut self, name: &str, size: usize) -> Result<(), CircuitError> {
        if name.is_empty() || self.tensors.insert(name.to_owned(), self.sizes.len()).is_some() {
            return Err(CircuitError::BadName { layer: name.into() });
        }
        self.sizes.push(size);
        Ok(())
    }

    fn find(&self, layer: &str, reads: &str) -> Result<usize, CircuitError> {
        let unknown = || CircuitError::UnknownTensor {
            layer: layer.into(),
            reads: reads.into(),
        };
        self.tensors.get(reads).copied().ok_or_else(unknown)
    }

    fn elements<const N: usize>(
        &self,
        layer: &str,
        tensor: &str,
        dtype: Dtype,
        want: &'static str,
    ) -> Result<Vec<[u8; N]>, CircuitError> {
        let missing = || CircuitError::MissingWeights {
            layer: layer.into(),
            tensor: tensor.into(),
            want,
        };
        let view = self.weights.tensor(tensor).map_err(|_missing| missing())?;
        if view.dtype() != dtype {
            return Err(missing());
        }
        Ok(view.data().as_chunks::<N>().0.to_vec())
    }

    fn i32s(&self, layer: &str, tensor: &str) -> Result<Vec<i32>, CircuitError> {
        Ok(self
            .elements(layer, tensor, Dtype::I32, "I32")?
            .into_iter()
            .map(i32::from_le_bytes)
            .collect())
    }

    fn i64s(&self, layer: &str, tensor: &str) -> Result<Vec<i64>, CircuitError> {
        Ok(self
            .elements(layer, tensor, Dtype::I64, "I64")?
            .into_iter()
            .map(i64::from_le_bytes)
            .collect())
    }
}

fn limit(file: &'static str, bytes: &[u8], max_bytes: usize) -> Result<(), CircuitError> {
    let got_bytes = bytes.len();
    if got_bytes > max_bytes {
        Err(CircuitError::TooLarge {
            file,
            got_bytes,
            max_bytes,
        })
    } else {
        Ok(())
    }
}

fn input_ranges(
    name: &str,
    shape: &[usize],
    min: &[i64],
    max: &[i64],
) -> Result<Vec<Interval>, CircuitError> {
    let mismatch = |what, got, want| CircuitError::ShapeMismatch {
        layer: name.into(),
        what,
        got,
        want,
    };
    let size = shape
        .iter()
        .try_fold(1_usize, |size, &n| size.checked_mul(n))
        .filter(|n| *n <= MAX_INPUTS);
    let size = size.ok_or_else(|| mismatch("input", usize::MAX, MAX_INPUTS))?;
    for (what, bounds) in [("minimum", min), ("maximum", max)] {
        // One bound may stand for all elements of an image.
        if bounds.len() != size && bounds.len() != 1 {
            return Err(mismatch(what, bounds.len(), size));
        }
    }
    let at = |bounds: &[i64], i: usize| bounds[i % bounds.len()];
    Ok((0..size)
        .map(|i| Interval {
            min: at(min, i),
            max: at(max, i),
        })
        .collect())
}
