//! Closed integer intervals: what values a tensor element can take.

use std::fmt;

use crate::{CircuitError, Conv2d, Linear, Lut, SumPool};

/// Accumulators stay below 2^62 in magnitude, so that differences of two still fit an `i64`.
const MAX_MAGNITUDE: i128 = 1 << 62;

const ZERO: Interval = Interval { min: 0, max: 0 };

/// A closed interval `min..=max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// Smallest value.
    pub min: i64,
    /// Largest value.
    pub max: i64,
}

impl Interval {
    /// The interval of one value.
    pub fn point(value: i64) -> Self {
        Self {
            min: value,
            max: value,
        }
    }

    /// Whether `value` lies inside.
    pub fn contains(&self, value: i64) -> bool {
        (self.min..=self.max).contains(&value)
    }

    /// The smallest interval around both.
    #[must_use]
    pub fn hull(self, other: Self) -> Self {
        Self {
            min: self.min.min(other.min),
            max: self.max.max(other.max),
        }
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..={}", self.min, self.max)
    }
}

/// An interval while it is summed up.
#[derive(Clone, Copy)]
struct Sum {
    min: i128,
    max: i128,
}

impl Sum {
    fn new(start: i64) -> Self {
        let start = start.into();
        Self {
            min: start,
            max: start,
        }
    }

    /// Sums of at most 2^64 products of 32-bit weights and 64-bit values do not overflow.
    fn add(mut self, weight: i32, values: Interval) -> Self {
        let ends = [values.min, values.max].map(|end| i128::from(weight) * i128::from(end));
        self.min += ends[0].min(ends[1]);
        self.max += ends[0].max(ends[1]);
        self
    }

    fn interval(self, name: &str) -> Result<Interval, CircuitError> {
        let end = |end: i128| {
            let small = end.abs() < MAX_MAGNITUDE;
            i64::try_from(end).ok().filter(|_| small)
        };
        match (end(self.min), end(self.max)) {
            (Some(min), Some(max)) => Ok(Interval { min, max }),
            _ => Err(CircuitError::AccumulatorOverflow { layer: name.into() }),
        }
    }
}

/// What each output of a linear layer can reach when every input takes any value of its interval.
pub(crate) fn linear(name: &str, layer: &Linear, inputs: &[Interval]) -> Result<Vec<Interval>, CircuitError> {
    layer
        .rows()
        .map(|(weights, bias)| {
            let terms = weights.into_iter().zip(inputs);
            terms
                .fold(Sum::new(bias), |sum, (weight, &input)| sum.add(weight, input))
                .interval(name)
        })
        .collect()
}

/// What each output channel of a convolution can reach, the same for all of its elements.
///
/// Cost: one step per weight, not per weight and position. The bound takes for each input channel all that
/// any of its elements can be, and the zeros of the padding.
pub(crate) fn conv2d(name: &str, layer: &Conv2d, inputs: &[Interval]) -> Result<Vec<Interval>, CircuitError> {
    let kernel = layer.kernel().into_iter().product();
    let zeros = (layer.padding() != [0, 0]).then_some(ZERO);
    let channels: Vec<Interval> = inputs
        .chunks(layer.input().plane())
        .map(|channel| {
            let elements = channel.iter().copied().chain(zeros);
            elements.reduce(Interval::hull).unwrap_or(ZERO)
        })
        .collect();
    let mut ranges = Vec::with_capacity(layer.output().elements());
    for (weights, bias) in layer.weights().rows() {
        let mut sum = Sum::new(bias);
        for (weights, &values) in weights.chunks(kernel).zip(&channels) {
            for &weight in weights {
                sum = sum.add(weight, values);
            }
        }
        let range = sum.interval(name)?;
        ranges.extend(std::iter::repeat_n(range, layer.positions()));
    }
    Ok(ranges)
}

/// What each sum can reach.
pub(crate) fn sum_pool(
    name: &str,
    layer: &SumPool,
    inputs: &[Interval],
) -> Result<Vec<Interval>, CircuitError> {
    (0..layer.output().elements())
        .map(|element| {
            let sum = |sum: Sum, element: usize| sum.add(1, inputs[element]);
            layer.window(element).fold(Sum::new(0), sum).interval(name)
        })
        .collect()
}

/// What each output of a table can be, after checking that the table covers all that can reach it, or
/// saturates over the calibrated range.
pub(crate) fn lut(name: &str, layer: &Lut, inputs: &[Interval]) -> Result<Vec<Interval>, CircuitError> {
    let overflow = || CircuitError::AccumulatorOverflow { layer: name.into() };
    let entries = i64::try_from(layer.entries()).map_err(|_overflow| overflow())?;
    let width = layer
        .step
        .checked_mul(entries)
        .filter(|w| *w > 0)
        .ok_or_else(overflow)?;
    let end = layer.origin.checked_add(width - 1).ok_or_else(overflow)?;
    let table = Interval {
        min: layer.origin,
        max: end,
    };
    if i128::from(layer.origin) <= -MAX_MAGNITUDE || i128::from(end) >= MAX_MAGNITUDE {
        return Err(overflow());
    }
    let beyond = |reach: &&Interval| !table.contains(reach.min) || !table.contains(reach.max);
    if layer.calibrated.is_some() {
        layer.check_saturation(name)?;
    } else if let Some(&reach) = inputs.iter().find(beyond) {
        return Err(CircuitError::TableTooNarrow {
            layer: name.into(),
            table,
            reach,
        });
    }
    let values = |channel: usize| {
        let values = layer.table(channel).iter().map(|&v| Interval::point(v.into()));
        values.reduce(Interval::hull).unwrap_or(ZERO)
    };
    let channels: Vec<Interval> = (0..layer.tables()).map(values).collect();
    let elements = 0..inputs.len();
    Ok(elements
        .map(|element| channels[layer.channel_of(element)])
        .collect())
}
