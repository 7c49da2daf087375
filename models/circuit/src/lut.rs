//! Table look-ups.

use crate::{CircuitError, Interval, Shape};

/// Entries a table may have, at most: the rotation has a position for each.
const MAX_ENTRIES: usize = 4096;

/// A table look-up: `y = table[clamp(floor((x - origin) / step), 0, entries - 1)]`, saturating at both ends.
///
/// One table for the whole tensor or one per channel.
#[derive(Clone, Debug)]
pub struct Lut {
    /// Smallest input of entry 0.
    pub origin: i64,
    /// Inputs per entry, at least 1.
    pub step: i64,
    /// The inputs expected by calibration: a table with this range saturates beyond its ends.
    pub calibrated: Option<Interval>,
    shape: Shape,
    /// Invariant: a power of two in 2..=4096.
    entries: usize,
    /// Invariant: `entries` values, or as many for each channel of `shape`.
    tables: Vec<i32>,
}

impl Lut {
    /// `entries` is the tensor's last dimension.
    pub(crate) fn new(
        name: &str,
        shape: Shape,
        (tables, entries): (Vec<i32>, usize),
        (origin, step): (i64, i64),
        calibrated: Option<Interval>,
    ) -> Result<Self, CircuitError> {
        let mismatch = |got, want| CircuitError::ShapeMismatch {
            layer: name.into(),
            what: "table",
            got,
            want,
        };
        if !entries.is_power_of_two() || !(2..=MAX_ENTRIES).contains(&entries) {
            let want = entries.clamp(2, MAX_ENTRIES).next_power_of_two();
            return Err(mismatch(entries, want));
        }
        if tables.len() != entries && tables.len() != entries.saturating_mul(shape.channels) {
            return Err(mismatch(tables.len(), entries));
        }
        if let Some(Interval { min, max }) = calibrated.filter(|c| c.min > c.max) {
            return Err(CircuitError::EmptyRange {
                layer: name.into(),
                element: 0,
                min,
                max,
            });
        }
        Ok(Self {
            origin,
            step,
            calibrated,
            shape,
            entries,
            tables,
        })
    }

    /// Shape of what it reads and of its result.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Entries of one table, a power of two in 2..=4096.
    pub fn entries(&self) -> usize {
        self.entries
    }

    /// Number of tables: 1, or the channels of the tensor.
    pub fn tables(&self) -> usize {
        self.tables.len() / self.entries
    }

    /// The number of the table that element `element` is looked up in.
    pub fn channel_of(&self, element: usize) -> usize {
        if self.tables.len() == self.entries {
            0
        } else {
            self.shape.channel_of(element)
        }
    }

    /// Table number `channel`, below [`Lut::tables`].
    pub fn table(&self, channel: usize) -> &[i32] {
        &self.tables[channel * self.entries..][..self.entries]
    }

    /// Entries of one table.
    pub fn entries_per_channel(&self) -> usize {
        self.entries
    }

    /// The table of element `element`.
    pub fn channel(&self, element: usize) -> &[i32] {
        self.table(self.channel_of(element))
    }

    /// The entry number `x` falls into.
    pub fn index(&self, x: i64) -> usize {
        let offset = x.saturating_sub(self.origin);
        // A division costs more than all the rest of a look-up.
        let entry = match self.step.count_ones() {
            1 => offset >> self.step.trailing_zeros(),
            _ => offset.div_euclid(self.step),
        };
        let last = self.entries - 1;
        usize::try_from(entry.max(0)).map_or(last, |i| i.min(last))
    }

    /// Sum of the extremes of all tables, twice the value that phase 0 stands for.
    pub fn twice_centre(&self) -> i64 {
        let extremes = self
            .tables
            .iter()
            .fold((i32::MAX, i32::MIN), |(min, max), &v| (v.min(min), v.max(max)));
        i64::from(extremes.0) + i64::from(extremes.1)
    }

    /// What table `channel` gives at entry `entry` of the torus, which has `2 * entries`: beyond the table
    /// `f(entry + entries) = 2 * centre - f(entry)`.
    pub fn on_torus(&self, channel: usize, entry: i64) -> i64 {
        self.mirrored(channel, entry, self.twice_centre())
    }

    fn mirrored(&self, channel: usize, entry: i64, twice_centre: i64) -> i64 {
        let table = self.table(channel);
        // A turn has at most 8192 entries, so both conversions are exact.
        let turn = i64::try_from(2 * self.entries).unwrap_or(i64::MAX);
        let place = usize::try_from(entry.rem_euclid(turn)).unwrap_or(0);
        match table.get(place) {
            Some(&value) => value.into(),
            None => twice_centre - i64::from(table[place - self.entries]),
        }
    }

    /// Checks that every calibrated input beyond the table's ends meets an entry of the end's value.
    pub(crate) fn check_saturation(&self, name: &str) -> Result<(), CircuitError> {
        let Some(Interval { min, max }) = self.calibrated else {
            return Ok(());
        };
        let entry = |x: i64| x.saturating_sub(self.origin).div_euclid(self.step);
        let width = i64::try_from(self.entries).unwrap_or(i64::MAX);
        // Twice the table is the whole torus; what lies farther repeats it.
        let below = entry(min).max(-2 * width)..0;
        let above = width..entry(max).saturating_add(1).min(3 * width);
        let twice_centre = self.twice_centre();
        for channel in 0..self.tables() {
            let table = self.table(channel);
            let ends = [
                (table[0], below.clone()),
                (table[self.entries - 1], above.clone()),
            ];
            for (end, mut beyond) in ends {
                if let Some(entry) =
                    beyond.find(|&at| self.mirrored(channel, at, twice_centre) != i64::from(end))
                {
                    return Err(CircuitError::NotSaturating {
                        layer: name.into(),
                        channel,
                        entry,
                        got: self.mirrored(channel, entry, twice_centre),
                        want: end.into(),
                    });
                }
            }
        }
        Ok(())
    }
}
