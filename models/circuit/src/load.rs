//! Reading a circuit from its two files: the JSON graph and the safetensors weights.

use std::collections::HashMap;

use serde::Deserialize;

use crate::{
    Circuit, CircuitError, Conv2d, Interval, Layer, Linear, Lut, Operation, OutputLayer, Shape, SumPool,
    WindowFault, graph::Input, shape::Window, tensors::Tensors,
};

const FORMAT: u32 = 1;
const MAX_JSON_BYTES: usize = 1 << 20;
const MAX_WEIGHT_BYTES: usize = 64 << 20;
const MAX_INPUTS: usize = 1 << 20;
/// Elements of all tensors together.
const MAX_ELEMENTS: usize = 1 << 22;

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
    Conv2d {
        name: String,
        input: String,
        weights: String,
        bias: String,
        stride: [usize; 2],
        padding: [usize; 2],
    },
    SumPool {
        name: String,
        input: String,
        window: [usize; 2],
        stride: [usize; 2],
    },
    Lut {
        name: String,
        input: String,
        table: String,
        origin: i64,
        step: i64,
        #[serde(default)]
        calibrated: Option<[i64; 2]>,
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
    /// 64 MiB): weights of dense layers `[n_out, n_in]` and of convolutions `[out, in, height, width]`, I8, I16
    /// or I32; biases `I64 [n_out]`; tables `I32 [channels or 1, entries]`.
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
        Builder {
            file: Tensors::new(weights_safetensors)?,
            shapes: Vec::new(),
            elements: 0,
            tensors: HashMap::new(),
            layers: Vec::new(),
            outputs: Vec::new(),
        }
        .build(description.nodes)
    }
}

struct Builder<'a> {
    file: Tensors<'a>,
    /// Shape of each tensor so far, the input first.
    shapes: Vec<Shape>,
    /// Elements of all of them.
    elements: usize,
    tensors: HashMap<String, usize>,
    layers: Vec<Layer>,
    outputs: Vec<OutputLayer>,
}

impl Builder<'_> {
    fn build(mut self, nodes: Vec<Node>) -> Result<Circuit, CircuitError> {
        let mut nodes = nodes.into_iter();
        let Some(Node::Input {
            name,
            shape,
            min,
            max,
        }) = nodes.next()
        else {
            return Err(CircuitError::BadOutline { max_layers: 0 });
        };
        let (shape, ranges) = input_ranges(&name, &shape, &min, &max)?;
        self.produce(&name, shape)?;
        for node in nodes {
            self.add(node)?;
        }
        Circuit::new(Input { name, shape, ranges }, self.layers, self.outputs)
    }

    fn add(&mut self, node: Node) -> Result<(), CircuitError> {
        let (name, reads, operation) = match node {
            Node::Input { name, .. } => return Err(CircuitError::BadName { layer: name.into() }),
            Node::Output { name, input } => {
                let reads = self.find(&name, &input)?;
                let name = name.into();
                self.outputs.push(OutputLayer { name, reads });
                return Ok(());
            }
            Node::Linear {
                name,
                input,
                weights,
                bias,
            } => {
                let reads = self.find(&name, &input)?;
                let (weights, _) = self.file.weights(&name, &weights)?;
                let bias = self.file.biases(&name, &bias)?;
                let linear = Linear::new(&name, self.shapes[reads], &weights, bias)?;
                (name, reads, Operation::Linear(linear))
            }
            Node::Conv2d {
                name,
                input,
                weights,
                bias,
                stride,
                padding,
            } => {
                let reads = self.find(&name, &input)?;
                let conv = self.conv2d(&name, reads, [&weights, &bias], [stride, padding])?;
                (name, reads, Operation::Conv2d(conv))
            }
            Node::SumPool {
                name,
                input,
                window,
                stride,
            } => {
                let reads = self.find(&name, &input)?;
                let window = Window::new(self.shapes[reads], window, stride, [0, 0]);
                let window = window.map_err(|fault| bad_window(&name, fault))?;
                // Sums that leave elements out are no average of the tensor.
                if !window.covers() {
                    return Err(bad_window(&name, WindowFault::Rest));
                }
                (name, reads, Operation::SumPool(SumPool::new(window)))
            }
            Node::Lut {
                name,
                input,
                table,
                origin,
                step,
                calibrated,
            } => {
                let reads = self.find(&name, &input)?;
                let (table, shape) = self.file.table(&name, &table)?;
                let table = (table, shape.last().copied().unwrap_or(1));
                let calibrated = calibrated.map(|[min, max]| Interval { min, max });
                let lut = Lut::new(&name, self.shapes[reads], table, (origin, step), calibrated)?;
                (name, reads, Operation::Lut(lut))
            }
        };
        self.produce(&name, operation.output())?;
        let name = name.into();
        self.layers.push(Layer {
            name,
            reads,
            operation,
        });
        Ok(())
    }

    fn conv2d(
        &mut self,
        name: &str,
        reads: usize,
        [weights, bias]: [&str; 2],
        [stride, padding]: [[usize; 2]; 2],
    ) -> Result<Conv2d, CircuitError> {
        let input = self.shapes[reads];
        let mismatch = |what, got, want| CircuitError::ShapeMismatch {
            layer: name.into(),
            what,
            got,
            want,
        };
        let (weights, shape) = self.file.weights(name, weights)?;
        let bias = self.file.biases(name, bias)?;
        let [outputs, channels, height, width] = shape[..] else {
            return Err(CircuitError::BadRank {
                layer: name.into(),
                got: shape.len(),
                want: 4,
            });
        };
        if channels != input.channels {
            return Err(mismatch(
                "second dimension of the weights",
                channels,
                input.channels,
            ));
        }
        if bias.len() != outputs {
            return Err(mismatch("bias", bias.len(), outputs));
        }
        let window = Window::new(input, [height, width], stride, padding);
        let window = window.map_err(|fault| bad_window(name, fault))?;
        Conv2d::new(name, window, &weights, bias)
    }

    fn produce(&mut self, name: &str, shape: Shape) -> Result<(), CircuitError> {
        if name.is_empty() || self.tensors.insert(name.to_owned(), self.shapes.len()).is_some() {
            return Err(CircuitError::BadName { layer: name.into() });
        }
        let elements = shape.checked_elements().unwrap_or(usize::MAX);
        self.elements = self.elements.saturating_add(elements);
        if self.elements > MAX_ELEMENTS {
            return Err(CircuitError::TooManyValues {
                layer: name.into(),
                max: MAX_ELEMENTS,
            });
        }
        self.shapes.push(shape);
        Ok(())
    }

    fn find(&self, layer: &str, reads: &str) -> Result<usize, CircuitError> {
        let unknown = || CircuitError::UnknownTensor {
            layer: layer.into(),
            reads: reads.into(),
        };
        self.tensors.get(reads).copied().ok_or_else(unknown)
    }
}

fn bad_window(layer: &str, fault: WindowFault) -> CircuitError {
    CircuitError::BadWindow {
        layer: layer.into(),
        fault,
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
    dimensions: &[usize],
    min: &[i64],
    max: &[i64],
) -> Result<(Shape, Vec<Interval>), CircuitError> {
    let mismatch = |what, got, want| CircuitError::ShapeMismatch {
        layer: name.into(),
        what,
        got,
        want,
    };
    let size = dimensions
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
    let shape = match *dimensions {
        [channels, height, width] => Shape {
            channels,
            height,
            width,
        },
        _ => Shape::flat(size),
    };
    let at = |bounds: &[i64], i: usize| bounds[i % bounds.len()];
    let ranges = (0..size).map(|i| Interval {
        min: at(min, i),
        max: at(max, i),
    });
    Ok((shape, ranges.collect()))
}
