//! Growing pauses between attempts.

use std::time::Duration;

/// The first pause.
const FIRST: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(30);

/// Counts attempts without success and says how long to pause before the next one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    attempts: u32,
}

impl Pace {
    /// The pause before the next attempt: 1, 2, 4, 8, 16, then 30 s.
    pub fn next_pause(&mut self) -> Duration {
        let factor = 1_u32.checked_shl(self.attempts).unwrap_or(u32::MAX);
        self.attempts = self.attempts.saturating_add(1);
        FIRST.saturating_mul(factor).min(LONGEST)
    }

    /// Attempts since the last success.
    pub fn attempts(self) -> u32 {
        self.attempts
    }

    /// Begins anew after a success.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_half_a_minute() {
        let mut pace = Pace::default();
        let pauses: Vec<u64> = (0..40).map(|_| pace.next_pause().as_secs()).collect();
        assert_eq!(pauses[..7], [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(pauses[39], 30);
        pace.reset();
        assert_eq!(pace.next_pause().as_secs(), 1);
    }
}
