//! The error of a table look-up, as an interval of its values.

/// What a table look-up can have returned, when the right entry is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableBounds {
    /// Smallest entry within the stated error.
    pub low: i64,
    /// Largest entry within the stated error.
    pub high: i64,
}

impl TableBounds {
    /// Entries of `table` at most `error_entries` away from `index`; `None` for an empty table.
    ///
    /// Beyond its ends a table saturates, so the interval ends there too.
    pub fn around(table: &[i32], index: usize, error_entries: i64) -> Option<Self> {
        let reach = usize::try_from(error_entries).ok()?;
        let first = index.saturating_sub(reach);
        let last = index.saturating_add(reach).min(table.len().checked_sub(1)?);
        let near = table.get(first..=last)?.iter().copied().map(i64::from);
        Some(Self {
            low: near.clone().min()?,
            high: near.max()?,
        })
    }

    /// Whether a value can have come from the right look-up.
    pub fn contains(self, value: i64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_spans_the_entries_around_and_stops_at_the_ends() {
        let table = [1, 3, 5, 4, 9];
        let around = |index, error| TableBounds::around(&table, index, error);
        assert_eq!(around(2, 0), Some(TableBounds { low: 5, high: 5 }));
        assert_eq!(around(2, 1), Some(TableBounds { low: 3, high: 5 }));
        assert_eq!(around(0, 2), Some(TableBounds { low: 1, high: 5 }));
        assert_eq!(around(4, 100), Some(TableBounds { low: 1, high: 9 }));
        assert_eq!(around(5, 0), None);
        assert_eq!(around(2, -1), None);
        assert_eq!(TableBounds::around(&[], 0, 1), None);
        assert!(around(2, 1).unwrap().contains(4) && !around(2, 1).unwrap().contains(6));
    }
}
