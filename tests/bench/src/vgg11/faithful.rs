//! How near noisy logits come to the clear ones, and whether they still say the same class.

/// Deviations of the clear margin below which a class may change.
pub(super) const MARGIN_DEVIATIONS: f64 = 5.0;

/// Noisy logits of many patches beside the clear ones.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Faithfulness {
    pub(super) patches: usize,
    /// Patches whose largest logit is at the same class.
    pub(super) agreeing: usize,
    /// Patches whose clear margin exceeds five predicted deviations.
    pub(super) clear_cases: usize,
    /// Class changes among these.
    pub(super) changes_beyond_margin: usize,
    squares: f64,
    logits: usize,
}

impl Faithfulness {
    /// Counts one patch. `predicted` is the deviation of one of its logits: patches differ in how much noise
    /// their activations let through.
    pub(super) fn add(&mut self, clear: &[i64], noisy: &[f64], predicted: f64) {
        let same = !changes(clear, noisy);
        let decided = margin(clear) > MARGIN_DEVIATIONS * predicted;
        self.patches += 1;
        self.agreeing += usize::from(same);
        self.clear_cases += usize::from(decided);
        self.changes_beyond_margin += usize::from(decided && !same);
        self.squares += deviation_squares(clear, noisy);
        self.logits += clear.len();
    }

    /// Share of patches that keep their class.
    #[expect(clippy::cast_precision_loss, reason = "thousands")]
    pub(super) fn agreement(&self) -> f64 {
        self.agreeing as f64 / self.patches.max(1) as f64
    }

    /// Root mean square of the logits' deviations, in integers of the logits.
    #[expect(clippy::cast_precision_loss, reason = "thousands")]
    pub(super) fn deviation(&self) -> f64 {
        (self.squares / self.logits.max(1) as f64).sqrt()
    }
}

/// Whether the noisy logits say another class.
pub(super) fn changes(clear: &[i64], noisy: &[f64]) -> bool {
    top(&real(clear)).0 != top(noisy).0
}

/// Sum of squared differences.
pub(super) fn deviation_squares(clear: &[i64], noisy: &[f64]) -> f64 {
    real(clear)
        .iter()
        .zip(noisy)
        .map(|(c, n)| (n - c) * (n - c))
        .sum()
}

/// Clear logits as real numbers.
#[expect(clippy::cast_precision_loss, reason = "logits have at most 32 bits")]
pub(super) fn real(clear: &[i64]) -> Vec<f64> {
    clear.iter().map(|&x| x as f64).collect()
}

/// The largest logit's class, the first of several, and its value.
pub(super) fn top(logits: &[f64]) -> (usize, f64) {
    let candidates = logits.iter().copied().enumerate();
    candidates.fold(
        (0, f64::NEG_INFINITY),
        |best, next| if next.1 > best.1 { next } else { best },
    )
}

/// How far the largest clear logit is above the next.
pub(super) fn margin(clear: &[i64]) -> f64 {
    let mut sorted = real(clear);
    sorted.sort_by(|a, b| b.total_cmp(a));
    match sorted[..] {
        [first, second, ..] => first - second,
        _ => f64::INFINITY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_change_against_a_clear_margin_counts_as_one() {
        let mut narrow = Faithfulness::default();
        narrow.add(&[10, 9, 0], &[9.0, 10.0, 0.0], 1.0);
        assert_eq!(
            (narrow.agreeing, narrow.clear_cases, narrow.changes_beyond_margin),
            (0, 0, 0)
        );
        let mut wide = Faithfulness::default();
        wide.add(&[10, 4, 0], &[3.0, 4.0, 0.0], 1.0);
        wide.add(&[10, 4, 0], &[9.0, 4.0, 0.0], 1.0);
        assert_eq!(
            (wide.agreeing, wide.clear_cases, wide.changes_beyond_margin),
            (1, 2, 1)
        );
        assert!((wide.agreement() - 0.5).abs() < 1e-9);
        assert!((wide.deviation() - (50.0_f64 / 6.0).sqrt()).abs() < 1e-9);
    }
}
