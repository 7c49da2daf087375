//! Growing, jittered pauses between connection attempts, so that a restarted other end is not stormed.

use std::time::Duration;

/// Longest first pause.
const FIRST: Duration = Duration::from_millis(250);
/// A connection that lasted this long was a good one: pauses start over.
const GOOD: Duration = Duration::from_secs(10);

/// The pauses of one carrier.
#[derive(Debug)]
pub(crate) struct Backoff {
    longest: Duration,
    attempts: u32,
}

impl Backoff {
    /// Pauses that grow to `longest`.
    pub(crate) fn up_to(longest: Duration) -> Self {
        Self { longest, attempts: 0 }
    }

    /// The pause before the next attempt, after a connection that was up for `up_for`.
    pub(crate) fn next(&mut self, up_for: Duration) -> Duration {
        if up_for >= GOOD {
            self.attempts = 0;
        }
        let longest = FIRST
            .saturating_mul(1_u32.checked_shl(self.attempts).unwrap_or(u32::MAX))
            .min(self.longest);
        self.attempts = self.attempts.saturating_add(1).min(16);
        // Half fixed, half random: devices that lost the broker together come back apart.
        longest / 2 + longest.mul_f64(random_fraction() / 2.0)
    }
}

fn random_fraction() -> f64 {
    // Without randomness the pause is merely the longest one.
    getrandom::u32().map_or(1.0, |n| f64::from(n) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_from_a_quarter_second_to_ten_and_start_over_after_a_good_connection() {
        let most = Duration::from_secs(10);
        let mut backoff = Backoff::up_to(most);
        for attempt in 0..40_u32 {
            let longest = FIRST.saturating_mul(1 << attempt.min(10)).min(most);
            let pause = backoff.next(Duration::ZERO);
            assert!(pause >= longest / 2 && pause <= longest, "{attempt}: {pause:?}");
        }
        assert!(backoff.next(GOOD) <= FIRST);
        assert!(backoff.next(Duration::from_secs(1)) <= FIRST * 2);
    }
}
