//! What a device may cost: so many events at once, and so many a second in the long run.

use std::time::{Duration, Instant};

/// A store of credit that refills with time.
#[derive(Clone, Debug)]
pub struct Budget {
    most: u32,
    /// Time in which one unit comes back.
    refill: Duration,
    left: u32,
    /// When the refill was last credited; `None` while the budget is full.
    since: Option<Instant>,
}

impl Budget {
    /// A full budget of `most`, of which one comes back every `refill`.
    pub fn new(most: u32, refill: Duration) -> Self {
        Self {
            most,
            refill,
            left: most,
            since: None,
        }
    }

    /// Takes one, if there is any.
    pub fn spend(&mut self, now: Instant) {
        self.credit(now);
        self.left = self.left.saturating_sub(1);
        self.since.get_or_insert(now);
    }

    /// Whether nothing is left.
    pub fn is_spent(&mut self, now: Instant) -> bool {
        self.credit(now);
        self.left == 0
    }

    fn credit(&mut self, now: Instant) {
        let Some(since) = self.since else { return };
        let units = now.saturating_duration_since(since).as_nanos() / self.refill.as_nanos().max(1);
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        let missing = self.most - self.left;
        if units >= missing {
            (self.left, self.since) = (self.most, None);
        } else {
            self.left += units;
            self.since = Some(since + self.refill * units);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_spent_budget_comes_back_one_by_one_and_no_further_than_it_was() {
        let start = Instant::now();
        let mut budget = Budget::new(3, 10 * MS);
        for _ in 0..3 {
            assert!(!budget.is_spent(start));
            budget.spend(start);
        }
        assert!(budget.is_spent(start + 9 * MS));
        assert!(!budget.is_spent(start + 10 * MS));
        budget.spend(start + 10 * MS);
        // What was over of the time before counts on.
        assert!(budget.is_spent(start + 19 * MS));
        let late = start + 10_000 * MS;
        for _ in 0..3 {
            assert!(!budget.is_spent(late));
            budget.spend(late);
        }
        assert!(budget.is_spent(late));
    }
}
