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

/// One simulation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trial {
    /// Number of the candidate on the frontier.
    pub index: usize,
    /// Share of decisions that changed.
    pub changed: f64,
    /// Balanced accuracy that was left; `None` without labels.
    pub accuracy: Option<f64>,
}

/// The first candidate that holds the bound, if any, and all that was tried.
pub type Found = (Option<usize>, Vec<Trial>);

/// The first of `count` candidates whose changed share stays within `bound`, and all that was tried.
///
/// `simulate` is called about `log2(count) + 1` times.
///
/// # Errors
/// What `simulate` fails with.
pub fn bisect<E>(
    count: usize,
    bound: f64,
    simulate: &mut dyn FnMut(usize) -> Result<Trial, E>,
) -> Result<Found, E> {
    let mut trials = Vec::new();
    let (mut low, mut high) = (0, count);
    // Invariant: everything below `low` breaks the bound, `high` and above hold it as far as tried.
    while low < high {
        let middle = low + (high - low) / 2;
        let trial = simulate(middle)?;
        trials.push(trial);
        if trial.changed <= bound {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Ok(((high < count).then_some(high), trials))
}

/// The same with every candidate tried, for networks so small that this takes no time.
///
/// # Errors
/// What `simulate` fails with.
pub(crate) fn try_all<E>(
    count: usize,
    bound: f64,
    simulate: &mut dyn FnMut(usize) -> Result<Trial, E>,
) -> Result<Found, E> {
    let trials: Vec<Trial> = (0..count).map(simulate).collect::<Result<_, _>>()?;
    let found = trials.iter().position(|trial| trial.changed <= bound);
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

    fn trial(index: usize, changed: f64) -> Trial {
        Trial {
            index,
            changed,
            accuracy: None,
        }
    }

    #[test]
    fn bisection_finds_the_first_that_holds_with_few_trials() {
        for first in 0..=40 {
            let mut simulate =
                |index: usize| Ok::<_, ()>(trial(index, if index < first { 0.2 } else { 0.01 }));
            let (found, trials) = bisect(40, 0.05, &mut simulate).unwrap();
            assert_eq!(found, (first < 40).then_some(first));
            assert!(trials.len() <= 6, "{}", trials.len());
        }
        let mut never = |_| Err(());
        assert_eq!(bisect(0, 0.05, &mut never).unwrap().0, None);
    }

    #[test]
    fn trying_all_finds_the_first_even_where_noise_and_changes_do_not_fall_together() {
        let changed = [0.2, 0.04, 0.2, 0.06, 0.01];
        let mut simulate = |index: usize| Ok::<_, ()>(trial(index, changed[index]));
        let (found, trials) = try_all(5, 0.05, &mut simulate).unwrap();
        assert_eq!((found, trials.len()), (Some(1), 5));
        assert_eq!(
            bisect(5, 0.05, &mut simulate).unwrap().0,
            Some(4),
            "bisection cannot know"
        );
        assert_eq!(try_all(5, 0.001, &mut simulate).unwrap().0, None);
    }
}
