//! Shapes of tensors, and windows that slide over them.

use std::{fmt, ops::Range};

/// Shape of a tensor; element `(c, y, x)` has the number `(c * height + y) * width + x`.
///
/// A flat tensor of n elements is `(n, 1, 1)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Channels.
    pub channels: usize,
    /// Rows of a channel.
    pub height: usize,
    /// Elements of a row.
    pub width: usize,
}

impl Shape {
    /// A flat tensor.
    pub fn flat(len: usize) -> Self {
        Self {
            channels: len,
            height: 1,
            width: 1,
        }
    }

    /// Elements of one channel.
    pub fn plane(self) -> usize {
        self.height * self.width
    }

    /// Elements of the tensor.
    pub fn elements(self) -> usize {
        self.channels * self.plane()
    }

    /// Elements of the tensor, if there are fewer than `usize` counts.
    pub(crate) fn checked_elements(self) -> Option<usize> {
        self.channels.checked_mul(self.height)?.checked_mul(self.width)
    }

    /// The channel of element `element`.
    pub fn channel_of(self, element: usize) -> usize {
        element / self.plane().max(1)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}x{}", self.channels, self.height, self.width)
    }
}

/// What is wrong with a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WindowFault {
    /// A side is 0.
    #[error("a side of the window is 0")]
    Empty,
    /// A stride is 0.
    #[error("a stride is 0")]
    NoStride,
    /// The window is larger than the padded input.
    #[error("the window is larger than the padded input")]
    TooLarge,
    /// A window could lie in the padding alone.
    #[error("the padding is as wide as the window")]
    TooMuchPadding,
    /// The strides leave a rest that no window reads.
    #[error("the strides leave elements that no window reads")]
    Rest,
}

/// A window that slides over the planes of a tensor; heights first in every pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) input: Shape,
    pub(crate) size: [usize; 2],
    pub(crate) stride: [usize; 2],
    pub(crate) padding: [usize; 2],
    /// Positions downwards and to the right.
    pub(crate) out: [usize; 2],
}

impl Window {
    pub(crate) fn new(
        input: Shape,
        size: [usize; 2],
        stride: [usize; 2],
        padding: [usize; 2],
    ) -> Result<Self, WindowFault> {
        let sides = [input.height, input.width];
        let mut out = [0; 2];
        for axis in 0..2 {
            if size[axis] == 0 {
                return Err(WindowFault::Empty);
            }
            if stride[axis] == 0 {
                return Err(WindowFault::NoStride);
            }
            if padding[axis] >= size[axis] {
                return Err(WindowFault::TooMuchPadding);
            }
            // Padding is smaller than the window, which no addition below may overflow.
            let padded = sides[axis].checked_add(padding[axis].saturating_mul(2));
            let room = padded.and_then(|padded| padded.checked_sub(size[axis]));
            out[axis] = room.ok_or(WindowFault::TooLarge)? / stride[axis] + 1;
        }
        Ok(Self {
            input,
            size,
            stride,
            padding,
            out,
        })
    }

    /// All of a tensor seen at once.
    pub(crate) fn whole(input: Shape) -> Self {
        Self {
            input: Shape::flat(input.elements()),
            size: [1; 2],
            stride: [1; 2],
            padding: [0; 2],
            out: [1; 2],
        }
    }

    /// Whether the windows reach the last row and column.
    pub(crate) fn covers(&self) -> bool {
        let sides = [self.input.height, self.input.width];
        (0..2).all(|axis| {
            let padded = sides[axis] + 2 * self.padding[axis];
            (padded - self.size[axis]).is_multiple_of(self.stride[axis])
        })
    }

    pub(crate) fn positions(&self) -> usize {
        self.out[0] * self.out[1]
    }

    /// Elements under the window in all channels, padding included.
    pub(crate) fn taps(&self) -> usize {
        self.input.channels * self.size[0] * self.size[1]
    }

    /// The upper left corner of the window at `position`, counted from the corner of the padding.
    pub(crate) fn corner(&self, position: usize) -> [usize; 2] {
        let place = [position / self.out[1], position % self.out[1]];
        [place[0] * self.stride[0], place[1] * self.stride[1]]
    }

    /// Channel, row and column of a tap.
    pub(crate) fn place_of(&self, tap: usize) -> [usize; 3] {
        let [height, width] = self.size;
        [tap / (height * width), tap / width % height, tap % width]
    }

    /// The element under a tap of the window at `corner`, `None` in the padding.
    pub(crate) fn element(&self, corner: [usize; 2], [channel, row, column]: [usize; 3]) -> Option<usize> {
        let Shape { height, width, .. } = self.input;
        let y = (corner[0] + row)
            .checked_sub(self.padding[0])
            .filter(|y| *y < height)?;
        let x = (corner[1] + column)
            .checked_sub(self.padding[1])
            .filter(|x| *x < width)?;
        Some((channel * height + y) * width + x)
    }

    /// The elements under the window at `position` in `channels`: by channel, row and column; `None` in the
    /// padding.
    pub(crate) fn elements(
        self,
        position: usize,
        channels: Range<usize>,
    ) -> impl Iterator<Item = Option<usize>> {
        let corner = self.corner(position);
        let [height, width] = self.size;
        channels
            .flat_map(move |channel| (0..height).map(move |row| (channel, row)))
            .flat_map(move |(channel, row)| (0..width).map(move |column| [channel, row, column]))
            .map(move |tap| self.element(corner, tap))
    }
}
