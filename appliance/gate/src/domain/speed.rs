//! How long an item takes on this box, from those that were computed.

use std::{collections::BTreeMap, time::Duration};

/// Weight of the last item in the mean, in percent: some ten items say what is expected of the next one.
const LAST_PERCENT: u32 = 20;

/// Mean time of an item, per kind of work.
#[derive(Clone, Debug)]
pub struct Speed<K>(BTreeMap<K, Duration>);

impl<K> Default for Speed<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord> Speed<K> {
    /// Takes in that an item of this kind took `time`.
    pub fn measured(&mut self, kind: K, time: Duration) {
        let mean = self.0.entry(kind).or_insert(time);
        *mean = (*mean * (100 - LAST_PERCENT) + time * LAST_PERCENT) / 100;
    }

    /// What the next item of this kind is expected to take; `None` before the first one.
    pub fn of(&self, kind: &K) -> Option<Duration> {
        self.0.get(kind).copied()
    }
}

/// Time left of an item that has run for `spent` and has done `done` of `of` steps, when items of its kind take
/// `mean`.
///
/// Its own steps say more than the mean once there are any; `None` when neither is known.
pub fn left(mean: Option<Duration>, spent: Duration, moved: Option<(u32, u32)>) -> Option<Duration> {
    match moved {
        Some((done, of)) if done > 0 => Some(spent * of.saturating_sub(done) / done),
        _ => mean.map(|mean| mean.saturating_sub(spent)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn follows_what_is_measured_and_forgets_a_single_slow_item() {
        let mut speed = Speed::default();
        assert_eq!(speed.of(&'a'), None);
        speed.measured('a', 10 * SECOND);
        assert_eq!(speed.of(&'a'), Some(10 * SECOND));
        speed.measured('a', 20 * SECOND);
        assert_eq!(speed.of(&'a'), Some(12 * SECOND));
        for _ in 0..30 {
            speed.measured('a', SECOND);
        }
        assert!(speed.of(&'a').unwrap() < SECOND * 11 / 10);
        assert_eq!(speed.of(&'b'), None);
    }

    #[test]
    fn steps_say_more_than_the_mean() {
        let mean = Some(10 * SECOND);
        assert_eq!(left(None, SECOND, None), None);
        assert_eq!(left(mean, 3 * SECOND, None), Some(7 * SECOND));
        assert_eq!(left(mean, 13 * SECOND, Some((0, 4))), Some(Duration::ZERO));
        assert_eq!(left(mean, 3 * SECOND, Some((1, 4))), Some(9 * SECOND));
        assert_eq!(left(None, 4 * SECOND, Some((4, 4))), Some(Duration::ZERO));
        assert_eq!(left(mean, SECOND, Some((5, 4))), Some(Duration::ZERO));
    }
}
