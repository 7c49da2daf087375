//! How far an evaluation is, and which of its many steps are worth telling.

use std::time::Duration;

/// Where an evaluation stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Progress {
    /// Layers finished.
    pub layers_done: u32,
    /// Table look-ups finished.
    pub look_ups_done: u64,
    /// Layers in all.
    pub layers: u32,
    /// Table look-ups in all.
    pub look_ups: u64,
}

impl Progress {
    /// Done and in all, in the unit that takes the time: look-ups, or layers where there is no look-up.
    pub fn units(&self) -> (u32, u32) {
        if self.look_ups == 0 {
            return (self.layers_done, self.layers);
        }
        // Counts beyond 32 bits lose their low bits; their ratio stays.
        let shift = (u64::BITS - self.look_ups.leading_zeros()).saturating_sub(u32::BITS);
        let short = |count: u64| u32::try_from(count >> shift).unwrap_or(u32::MAX);
        (short(self.look_ups_done.min(self.look_ups)), short(self.look_ups))
    }
}

/// Lets the first step, every end of a layer and some steps in between through; an engine that counts on several
/// threads may report a step late, and what goes backwards is dropped.
#[derive(Debug)]
pub struct Pace {
    interval: Duration,
    last: Option<(Duration, Progress)>,
}

impl Pace {
    /// At most one step per `interval` inside a layer.
    pub fn new(interval: Duration) -> Self {
        Self { interval, last: None }
    }

    /// Whether `progress`, reported at `now`, is to be told.
    pub fn due(&mut self, now: Duration, progress: Progress) -> bool {
        let due = match self.last {
            None => true,
            Some((_, told)) if progress <= told => false,
            Some((at, told)) => progress.layers_done > told.layers_done || now >= at + self.interval,
        };
        if due {
            self.last = Some((now, progress));
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(layers_done: u32, look_ups_done: u64) -> Progress {
        Progress {
            layers_done,
            look_ups_done,
            layers: 3,
            look_ups: 100,
        }
    }

    #[test]
    fn tells_layer_ends_at_once_and_steps_between_them_now_and_then() {
        let mut pace = Pace::new(Duration::from_millis(500));
        let mut due = |ms, layers, look_ups| pace.due(Duration::from_millis(ms), at(layers, look_ups));
        assert!(due(0, 0, 0));
        assert!(!due(100, 0, 10));
        assert!(!due(499, 0, 40));
        assert!(due(500, 0, 41));
        assert!(due(501, 1, 50));
        assert!(!due(2000, 0, 49), "a late report of the former layer");
        assert!(!due(2000, 1, 50), "nothing moved");
        assert!(due(2000, 1, 51));
    }

    #[test]
    fn counts_look_ups_and_layers_only_without_any() {
        assert_eq!(at(1, 40).units(), (40, 100));
        let linear = Progress {
            look_ups: 0,
            ..at(1, 0)
        };
        assert_eq!(linear.units(), (1, 3));
        let huge = Progress {
            look_ups: 1 << 40,
            ..at(1, 1 << 39)
        };
        assert_eq!(huge.units(), (1 << 30, 1 << 31));
        let overrun = at(1, 101).units();
        assert_eq!(overrun, (100, 100));
    }
}
