//! Closed integer intervals: what values a tensor element can take.

use std::fmt;

use crate::{CircuitError, Linear, Lut};

/// Accumulators stay below 2^62 in magnitude, so that differences of two still fit an `i64`.
const MAX_MAGNITUDE: i128 = 1 << 62;

/// A closed interval `min..=max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// Smallest value.
    pub min: i64,
    /// Largest value.
    pub max: i64,
}

impl Interval {
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

/// What each output of a linear layer can reach when every input takes any value of its interval.
pub(crate) fn linear(name: &str, layer: &Linear, inputs: &[Interval]) -> Result<Vec<Interval>, CircuitError> {
    let overflow = |_| CircuitError::AccumulatorOverflow { layer: name.into() };
    layer
        .rows()
        .map(|(weights, bias)| {
            let (mut min, mut max) = (i128::from(bias), i128::from(bias));
            for (&weight, input) in weights.iter().zip(inputs) {
                let ends = [input.min, input.max].map(|end| i128::from(weight) * i128::from(end));
                min += ends[0].min(ends[1]);
                max += ends[0].max(ends[1]);
            }
            if min <= -MAX_MAGNITUDE || max >= MAX_MAGNITUDE {
                return Err(CircuitError::AccumulatorOverflow { layer: name.into() });
            }
            Ok(Interval {
                min: i64::try_from(min).map_err(overflow)?,
                max: i64::try_from(max).map_err(overflow)?,
            })
        })
        .collect()
}

/// What each output of a table can be, after checking that the table covers all that can reach it.
pub(crate) fn lut(name: &str, layer: &Lut, inputs: &[Interval]) -> Result<Vec<Interval>, CircuitError> {
    let overflow = || CircuitError::AccumulatorOverflow { layer: name.into() };
    let entries = i64::try_from(layer.entries_per_channel()).map_err(|_overflow| overflow())?;
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
    inputs
        .iter()
        .enumerate()
        .map(|(element, reach)| {
            if !table.contains(reach.min) || !table.contains(reach.max) {
                return Err(CircuitError::TableTooNarrow {
                    layer: name.into(),
                    table,
                    reach: *reach,
                });
            }
            let values = layer.channel(element).iter().map(|&v| i64::from(v));
            let point = |v| Interval { min: v, max: v };
            Ok(values
                .map(point)
                .reduce(Interval::hull)
                .unwrap_or_else(|| point(0)))
        })
        .collect()
}
