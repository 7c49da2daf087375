//! Layers that sum: dense layers, convolutions, pools.

use crate::{CircuitError, Shape, Weights, shape::Window};

/// A dense layer: `y[o] = sum over i of weights[o][i] * x[i] + bias[o]` over all elements of its input.
#[derive(Clone, Debug)]
pub struct Linear(Convolution);

/// A convolution (as neural networks call the correlation): at each position
/// `y[o] = sum over (c, ky, kx) of weights[o][c][ky][kx] * x[c][y + ky][x + kx] + bias[o]`, zeros in the padding.
#[derive(Clone, Debug)]
pub struct Conv2d(Convolution);

#[derive(Clone, Debug)]
struct Convolution {
    window: Window,
    /// Invariant: as many taps as the window.
    weights: Weights,
    input: Shape,
}

impl Convolution {
    fn new(
        name: &str,
        input: Shape,
        window: Window,
        row_major: &[i32],
        bias: Vec<i64>,
    ) -> Result<Self, CircuitError> {
        let (got, want) = (row_major.len(), bias.len().saturating_mul(window.taps()));
        let weights =
            Weights::new(window.taps(), row_major, bias).ok_or_else(|| CircuitError::ShapeMismatch {
                layer: name.into(),
                what: "weights",
                got,
                want,
            })?;
        Ok(Self {
            window,
            weights,
            input,
        })
    }

    fn output(&self) -> Shape {
        Shape {
            channels: self.weights.outputs(),
            height: self.window.out[0],
            width: self.window.out[1],
        }
    }
}

impl Linear {
    pub(crate) fn new(
        name: &str,
        input: Shape,
        row_major: &[i32],
        bias: Vec<i64>,
    ) -> Result<Self, CircuitError> {
        Convolution::new(name, input, Window::whole(input), row_major, bias).map(Self)
    }

    /// Number of outputs.
    pub fn outputs(&self) -> usize {
        self.0.weights.outputs()
    }

    /// Shape of what it reads; the weights see it flat.
    pub fn input(&self) -> Shape {
        self.0.input
    }

    /// Shape of its result, flat.
    pub fn output(&self) -> Shape {
        self.0.output()
    }

    /// The weights.
    pub fn weights(&self) -> &Weights {
        &self.0.weights
    }

    /// Weights `[n_in]` and bias of each output, in order.
    pub fn rows(&self) -> impl Iterator<Item = (Vec<i32>, i64)> {
        self.0.weights.rows()
    }

    /// 2-norm of each output's weights.
    pub fn row_norms2(&self) -> Vec<f64> {
        self.0.weights.row_norms2()
    }

    /// Largest 2-norm of a row of weights, by which the layer multiplies independent noise.
    pub fn max_norm2(&self) -> f64 {
        self.0.weights.max_norm2()
    }
}

impl Conv2d {
    pub(crate) fn new(
        name: &str,
        window: Window,
        row_major: &[i32],
        bias: Vec<i64>,
    ) -> Result<Self, CircuitError> {
        Convolution::new(name, window.input, window, row_major, bias).map(Self)
    }

    /// Shape of what it reads.
    pub fn input(&self) -> Shape {
        self.0.input
    }

    /// Shape of its result.
    pub fn output(&self) -> Shape {
        self.0.output()
    }

    /// Height and width of the kernel.
    pub fn kernel(&self) -> [usize; 2] {
        self.0.window.size
    }

    /// Steps of the kernel downwards and to the right.
    pub fn stride(&self) -> [usize; 2] {
        self.0.window.stride
    }

    /// Rows of zeros above and below, columns of zeros on the left and on the right.
    pub fn padding(&self) -> [usize; 2] {
        self.0.window.padding
    }

    /// The weights; taps by input channel, row and column of the kernel.
    pub fn weights(&self) -> &Weights {
        &self.0.weights
    }

    /// Elements of an output channel.
    pub fn positions(&self) -> usize {
        self.0.window.positions()
    }

    /// The input element of each tap at position `position` (below `positions`); `None` in the padding.
    pub fn taps(&self, position: usize) -> impl Iterator<Item = Option<usize>> {
        let window = self.0.window;
        window.elements(position, 0..window.input.channels)
    }

    /// 2-norm of each output channel's weights.
    pub fn row_norms2(&self) -> Vec<f64> {
        self.0.weights.row_norms2()
    }

    /// Largest 2-norm of an output channel's weights, by which the layer multiplies independent noise.
    pub fn max_norm2(&self) -> f64 {
        self.0.weights.max_norm2()
    }
}

/// What dense layers and convolutions have in common: weights applied at positions.
///
/// A dense layer has one position, whose taps are all elements of its input.
#[derive(Clone, Copy, Debug)]
pub struct Dense<'a>(&'a Convolution);

impl<'a> Dense<'a> {
    /// The weights.
    pub fn weights(self) -> &'a Weights {
        &self.0.weights
    }

    /// Shape of what it reads.
    pub fn input(self) -> Shape {
        self.0.input
    }

    /// Shape of its result.
    pub fn output(self) -> Shape {
        self.0.output()
    }

    /// Elements of an output channel.
    pub fn positions(self) -> usize {
        self.0.window.positions()
    }

    /// The input element of each tap at position `position` (below `positions`); `None` in the padding.
    pub fn taps(self, position: usize) -> impl Iterator<Item = Option<usize>> {
        let window = self.0.window;
        window.elements(position, 0..window.input.channels)
    }

    /// The output element of `channel` at `position`.
    pub fn element(self, channel: usize, position: usize) -> usize {
        channel * self.positions() + position
    }

    pub(crate) fn window(self) -> Window {
        self.0.window
    }
}

impl<'a> From<&'a Linear> for Dense<'a> {
    fn from(linear: &'a Linear) -> Self {
        Self(&linear.0)
    }
}

impl<'a> From<&'a Conv2d> for Dense<'a> {
    fn from(conv: &'a Conv2d) -> Self {
        Self(&conv.0)
    }
}

/// Sums over the windows of each channel; an average whose divisor went into the next table.
#[derive(Clone, Debug)]
pub struct SumPool {
    window: Window,
}

impl SumPool {
    pub(crate) fn new(window: Window) -> Self {
        Self { window }
    }

    /// Shape of what it reads.
    pub fn input(&self) -> Shape {
        self.window.input
    }

    /// Shape of its result.
    pub fn output(&self) -> Shape {
        Shape {
            channels: self.window.input.channels,
            height: self.window.out[0],
            width: self.window.out[1],
        }
    }

    /// Height and width of a window.
    pub fn size(&self) -> [usize; 2] {
        self.window.size
    }

    /// Steps of the window downwards and to the right.
    pub fn stride(&self) -> [usize; 2] {
        self.window.stride
    }

    /// Elements of a window.
    pub fn window_len(&self) -> usize {
        self.window.size[0] * self.window.size[1]
    }

    /// The input elements that output element `element` sums.
    pub fn window(&self, element: usize) -> impl Iterator<Item = usize> {
        let positions = self.window.positions();
        let channel = element / positions;
        self.window
            .elements(element % positions, channel..channel + 1)
            .flatten()
    }
}
