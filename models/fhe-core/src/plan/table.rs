//! Table look-ups on the torus.

use obscura_circuit::{Circuit, Interval, Layer, Lut};

use super::{Tensor, spread::Spread};
use crate::{LookUpNoise, Noise, ParameterSet, PlanError, WordSize};

/// Deviations inside the stated error of a look-up: one outside has probability below 2^-32.
const TABLE_DEVIATIONS: f64 = 6.5;
/// Share of a table the stated error of a look-up may take.
const MAX_ERROR_SHARE: f64 = 0.25;

/// A table look-up on the torus.
#[derive(Clone, Debug, PartialEq)]
pub struct TablePlan {
    /// Added to the input's body, torus units: a phase rounded to the nearest of the 2 N positions then lands
    /// on its entry.
    pub input_shift: u64,
    /// Entries before a look-up's position may differ from the right one, in predicted deviations.
    pub noise: LookUpNoise,
    /// The stated error: a look-up yields one of the entries within this distance of the right one.
    pub error_entries: i64,
    /// Torus units per integer of the result.
    delta: u64,
    /// Sum of the tables' extremes, twice the value phase 0 stands for.
    twice_centre: i64,
}

impl TablePlan {
    /// Lays table `lut` of `layer` out, which makes a tensor of scale `delta`.
    pub(super) fn new(
        circuit: &Circuit,
        layer: &Layer,
        lut: &Lut,
        input: &Tensor,
        delta: u64,
        set: &ParameterSet,
    ) -> Result<Self, PlanError> {
        let (entries, positions) = (lut.entries(), set.polynomial_size);
        if !positions.is_multiple_of(entries) {
            return Err(PlanError::TableTooFine {
                layer: layer.name.clone(),
                entries,
                positions,
            });
        }
        let noise = look_up_noise(&input.noise, entries, set);
        let max_entries = to_f64(entries) * MAX_ERROR_SHARE / TABLE_DEVIATIONS;
        if noise.sigma_entries > max_entries {
            return Err(PlanError::LookUpTooNoisy {
                layer: layer.name.clone(),
                sigma_entries: noise.sigma_entries,
                max_entries,
            });
        }
        let error_entries = ceil_i64(noise.sigma_entries * TABLE_DEVIATIONS);
        match lut.calibrated {
            Some(range) => check_saturation(layer, lut, range, error_entries)?,
            None => check_margin(circuit, layer, lut, error_entries)?,
        }
        Ok(Self {
            input_shift: input_shift(lut, input.delta, set),
            noise,
            error_entries,
            delta,
            twice_centre: lut.twice_centre(),
        })
    }

    /// The rotation's polynomial for table number `channel` of `lut`: each entry, centred, repeated over its
    /// positions. Torus units.
    pub fn polynomial(&self, lut: &Lut, channel: usize, polynomial_size: usize) -> Vec<u64> {
        let table = lut.table(channel);
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

    /// Added to the result's body: undoes the centring. Torus units.
    pub fn output_shift(&self) -> u64 {
        half_steps(self.delta, self.twice_centre)
    }

    /// Torus units per integer of the result.
    pub fn output_delta(&self) -> u64 {
        self.delta
    }

    /// Sum of the tables' extremes, twice the value phase 0 stands for.
    pub fn twice_centre(&self) -> i64 {
        self.twice_centre
    }
}

/// What the switch to positions and the key switch before it add to what is looked up.
pub(super) fn before_look_up(set: &ParameterSet) -> Noise {
    Noise::key_switch(set).plus(Noise::rotation_switch(set))
}

/// What decides which of `entries` entries a look-up of a tensor of noise `input` lands on.
pub(super) fn look_up_noise(input: &Spread, entries: usize, set: &ParameterSet) -> LookUpNoise {
    let in_entries = |noise: Noise| noise.plus(before_look_up(set)).sigma() * 2.0 * to_f64(entries);
    LookUpNoise {
        sigma_entries: in_entries(input.max()),
        rms_entries: in_entries(input.rms()),
    }
}

/// Moves the table's origin to phase 0.
///
/// A position is a rounded phase, so an entry's positions lie half a position below it, and the integers of
/// an entry begin at its lower end: half an integer more and half a position less puts the middle of the one
/// into the middle of the other. Models without blocks leave both out: their steps are so wide that both are
/// a small part of an entry, and their layout is fixed.
fn input_shift(lut: &Lut, delta: u64, set: &ParameterSet) -> u64 {
    let origin = delta.wrapping_mul(lut.origin.cast_unsigned()).wrapping_neg();
    match set.words() {
        WordSize::Bits32 => origin.wrapping_add(delta / 2).wrapping_sub(half_position(set)),
        WordSize::Bits64 => origin,
    }
}

/// Half of one of the 2 N positions, torus units.
pub(super) fn half_position(set: &ParameterSet) -> u64 {
    1 << (62 - set.polynomial_size.ilog2())
}

/// Without calibration a table covers all that reaches it, and its noise.
fn check_margin(circuit: &Circuit, layer: &Layer, lut: &Lut, want: i64) -> Result<(), PlanError> {
    let reach = circuit.reach(layer.reads).iter().copied().reduce(Interval::hull);
    let reach = reach.unwrap_or(Interval {
        min: lut.origin,
        max: lut.origin,
    });
    let below = entry(lut, reach.min);
    let above = length(lut) - 1 - entry(lut, reach.max);
    let free = below.min(above);
    if free < want {
        return Err(PlanError::NoMargin {
            layer: layer.name.clone(),
            free,
            want,
        });
    }
    Ok(())
}

/// A calibrated table returns its end's value wherever expected inputs and their noise go beyond it.
fn check_saturation(layer: &Layer, lut: &Lut, expected: Interval, margin: i64) -> Result<(), PlanError> {
    let width = length(lut);
    // Twice the table is the whole torus; what lies farther repeats it.
    let below = (entry(lut, expected.min).saturating_sub(margin)).max(-2 * width)..0;
    let above = width..entry(lut, expected.max).saturating_add(margin + 1).min(3 * width);
    let twice_centre = lut.twice_centre();
    for channel in 0..lut.tables() {
        let torus = turn(lut, channel, twice_centre);
        let value = |at: i64| torus[place(at, &torus)];
        let saturates = |at: i64| value(at) == value(at.clamp(0, width - 1));
        let wrapped = below
            .clone()
            .rev()
            .chain(above.clone())
            .find(|&at| !saturates(at));
        if let Some(entry) = wrapped {
            return Err(PlanError::Wraps {
                layer: layer.name.clone(),
                entry,
                margin,
            });
        }
    }
    Ok(())
}

/// All that table number `channel` gives in one turn of the torus: the table, then its mirror.
pub(super) fn turn(lut: &Lut, channel: usize, twice_centre: i64) -> Vec<i64> {
    let table = lut.table(channel).iter().map(|&value| i64::from(value));
    let mirror = table.clone().map(|value| twice_centre - value);
    table.chain(mirror).collect()
}

/// Place of entry `entry` within one turn.
pub(super) fn place<T>(entry: i64, turn: &[T]) -> usize {
    let len = i64::try_from(turn.len().max(1)).unwrap_or(i64::MAX);
    usize::try_from(entry.rem_euclid(len)).unwrap_or(0)
}

/// The entry `x` falls into, were there entries on both sides of the table.
fn entry(lut: &Lut, x: i64) -> i64 {
    x.saturating_sub(lut.origin).div_euclid(lut.step.max(1))
}

fn length(lut: &Lut) -> i64 {
    i64::try_from(lut.entries()).unwrap_or(i64::MAX / 4)
}

/// `count / 2` steps of `delta` on the torus; `delta` is even.
fn half_steps(delta: u64, count: i64) -> u64 {
    (delta / 2).wrapping_mul(count.cast_unsigned())
}

fn to_f64(entries: usize) -> f64 {
    f64::from(u32::try_from(entries).unwrap_or(u32::MAX))
}

/// Rounds a small non-negative number up.
fn ceil_i64(x: f64) -> i64 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a share of a table's entries, checked before"
    )]
    let rounded = x.ceil() as i64;
    rounded.max(1)
}
