//! Says how often a repeated event may be reported, and how often it happened since.

use std::time::{Duration, Instant};

/// Lets one report through per interval and counts the rest.
#[derive(Debug)]
pub struct Throttle {
    interval: Duration,
    last: Option<Instant>,
    count: u64,
}

impl Throttle {
    /// One report per `interval`.
    pub fn new(interval: Duration) -> Self {
        Self {
            interval,
            last: None,
            count: 0,
        }
    }

    /// Records the event; returns how often it happened since the last report, when it is time for one.
    pub fn hit(&mut self, now: Instant) -> Option<u64> {
        self.count += 1;
        if self.last.is_some_and(|last| now < last + self.interval) {
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_once_per_interval_with_the_number_of_events() {
        let start = Instant::now();
        let mut throttle = Throttle::new(Duration::from_secs(10));
        assert_eq!(throttle.hit(start), Some(1));
        assert_eq!(throttle.hit(start + Duration::from_secs(1)), None);
        assert_eq!(throttle.hit(start + Duration::from_secs(9)), None);
        assert_eq!(throttle.hit(start + Duration::from_secs(10)), Some(3));
    }
}
