//! When a process that ended is started again.

use std::time::Duration;

/// First pause.
const FIRST: Duration = Duration::from_millis(250);
/// Longest pause.
const LONGEST: Duration = Duration::from_secs(10);
/// A process that lived this long was healthy: pauses start over.
const HEALTHY: Duration = Duration::from_secs(30);

/// Pauses of one process.
#[derive(Debug, Default)]
pub(crate) struct Restart {
    pause: Duration,
}

impl Restart {
    /// The pause before the next start, after a life of `lived`.
    pub(crate) fn pause(&mut self, lived: Duration) -> Duration {
        self.pause = if lived >= HEALTHY || self.pause.is_zero() {
            FIRST
        } else {
            (self.pause * 2).min(LONGEST)
        };
        self.pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_ten_seconds_and_start_over_after_a_healthy_life() {
        let mut restart = Restart::default();
        let pauses: Vec<_> = (0..8)
            .map(|_| restart.pause(Duration::ZERO).as_millis())
            .collect();
        assert_eq!(pauses, [250, 500, 1000, 2000, 4000, 8000, 10000, 10000]);
        assert_eq!(restart.pause(HEALTHY), FIRST);
    }
}
