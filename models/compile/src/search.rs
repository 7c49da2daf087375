//! The search: the cheapest set whose decisions stay within the bound.
//!
//! Candidates are ordered by predicted cost; of two, the one that is neither cheaper nor quieter is dropped.
//! Along what is left the noise falls as the cost rises, so the cheapest that holds the bound is found by
//! bisection, with one simulation per step.

/// A candidate with its two predictions.
#[derive(Clone, Debug)]
pub struct Assessed<C> {
    /// The candidate.
    pub candidate: C,
    /// Predicted cost of a look-up.
    pub cost: f64,
    /// Predicted deviation of the outputs, which is all that a decision meets: a share of the range they have on
    /// the calibration samples, the largest over the outputs.
    pub noise: f64,
    /// Predicted deviation of the look-ups, a mean over the layers in table entries; for the report.
    pub look_up_entries: f64,
}

/// Candidates by rising cost and falling noise.
pub fn frontier<C>(mut all: Vec<Assessed<C>>) -> Vec<Assessed<C>> {
    all.sort_by(|a, b| a.cost.total_cmp(&b.cost).then(a.noise.total_cmp(&b.noise)));
    let mut quietest = f64::INFINITY;
    all.retain(|candidate| {
        let better = candidate.noise < quietest;
        quietest = quietest.min(candidate.noise);
        better
    });
    all
}

/// One step of the bisection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trial {
    /// Number of the candidate on the frontier.
    pub index: usize,
    /// Share of decisions that changed.
    pub changed: f64,
}

/// The first of `count` candidates whose `changed` share stays within `bound`, and all that was tried.
///
/// `changed` simulates a candidate; it is called about `log2(count) + 1` times.
///
/// # Errors
/// What `changed` fails with.
pub fn bisect<E>(
    count: usize,
    bound: f64,
    mut changed: impl FnMut(usize) -> Result<f64, E>,
) -> Result<(Option<usize>, Vec<Trial>), E> {
    let mut trials = Vec::new();
    let mut holds = |index: usize| {
        let share = changed(index)?;
        trials.push(Trial {
            index,
            changed: share,
        });
        Ok(share <= bound)
    };
    let (mut low, mut high) = (0, count);
    // Invariant: everything below `low` breaks the bound, `high` and above hold it as far as tried.
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle)? {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    let found = (high < count).then_some(high);
    Ok((found, trials))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assessed(cost: f64, noise: f64) -> Assessed<()> {
        Assessed {
            candidate: (),
            cost,
            noise,
            look_up_entries: 0.0,
        }
    }

    #[test]
    fn the_frontier_rises_in_cost_and_falls_in_noise() {
        let all = vec![
            assessed(3.0, 0.5),
            assessed(1.0, 2.0),
            assessed(2.0, 2.5),
            assessed(4.0, 0.5),
            assessed(1.0, 3.0),
        ];
        let kept: Vec<(f64, f64)> = frontier(all).iter().map(|a| (a.cost, a.noise)).collect();
        assert_eq!(kept, [(1.0, 2.0), (3.0, 0.5)]);
    }

    #[test]
    fn bisection_finds_the_first_that_holds_with_few_trials() {
        for first in 0..=40 {
            let changed = |index: usize| Ok::<_, ()>(if index < first { 0.2 } else { 0.01 });
            let (found, trials) = bisect(40, 0.05, changed).unwrap();
            assert_eq!(found, (first < 40).then_some(first));
            assert!(trials.len() <= 6, "{}", trials.len());
        }
        assert_eq!(bisect(0, 0.05, |_| Ok::<_, ()>(0.0)).unwrap().0, None);
    }
}
