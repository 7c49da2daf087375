//! How far look-ups that land beside their entry move a table's result.

use obscura_circuit::Lut;

/// Deviations to both sides over which landing is averaged.
const WIDTH: f64 = 6.0;
/// Points per deviation, and least points per entry, of the average.
const POINTS: f64 = 16.0;

/// Mean square, in squared integers of the result, of what a look-up gives more than its right entry when its
/// phase deviates by `sigma_entries` entries (Gaussian).
///
/// The right phase is taken as uniform over the part of the table where inputs are expected. This is an
/// estimate: how real inputs spread over a table belongs to the data.
pub(super) fn mean_square(lut: &Lut, sigma_entries: f64) -> f64 {
    let shares = shares(sigma_entries);
    let half = i64::try_from(shares.len() / 2).unwrap_or(0);
    let (first, last) = expected(lut);
    let (mut sum, mut count) = (0.0, 0.0);
    for channel in 0..lut.tables() {
        let torus = turn(lut, channel);
        for entry in first..=last {
            let right = torus[place(entry, torus.len())];
            let around = (entry - half..).zip(&shares);
            sum += around
                .map(|(at, share)| share * (torus[place(at, torus.len())] - right).powi(2))
                .sum::<f64>();
            count += 1.0;
        }
    }
    sum / f64::max(count, 1.0)
}

/// All the table gives in one turn of the torus.
fn turn(lut: &Lut, channel: usize) -> Vec<f64> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "entries have 32 bits, their mirrors 34"
    )]
    (0..)
        .take(2 * lut.entries())
        .map(|at| lut.on_torus(channel, at) as f64)
        .collect()
}

fn place(entry: i64, turn: usize) -> usize {
    let turn = i64::try_from(turn.max(1)).unwrap_or(i64::MAX);
    usize::try_from(entry.rem_euclid(turn)).unwrap_or(0)
}

/// First and last entry inputs are expected in.
fn expected(lut: &Lut) -> (i64, i64) {
    let last = i64::try_from(lut.entries()).unwrap_or(i64::MAX) - 1;
    let entry = |x: i64| {
        x.saturating_sub(lut.origin)
            .div_euclid(lut.step.max(1))
            .clamp(0, last)
    };
    lut.calibrated
        .map_or((0, last), |range| (entry(range.min), entry(range.max)))
}

/// Probabilities of landing -h..=h entries beside the right one, when the phase is uniform within an entry: the
/// Gaussian, averaged over the width of an entry.
fn shares(sigma_entries: f64) -> Vec<f64> {
    #[expect(clippy::cast_possible_truncation, reason = "a share of a table's entries")]
    let half = (WIDTH * sigma_entries).ceil() as i32 + 1;
    let step = f64::min(sigma_entries, 1.0) / POINTS;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "at most 6 deviations of 16 points each per entry"
    )]
    let points = (WIDTH * sigma_entries / step).ceil() as i32;
    let mut shares = vec![0.0; usize::try_from(2 * half + 1).unwrap_or(1)];
    let mut total = 0.0;
    for point in -points..=points {
        let entries = f64::from(point) * step;
        let density = (-0.5 * (entries / sigma_entries).powi(2)).exp();
        let (below, part) = (entries.floor(), entries - entries.floor());
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "0 to 2 h by the choice of h"
        )]
        let at = (below + f64::from(half)) as usize;
        for (at, share) in [(at, 1.0 - part), (at + 1, part)] {
            if let Some(slot) = shares.get_mut(at) {
                *slot += density * share;
            }
        }
        total += density;
    }
    shares.iter().map(|share| share / total).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_those_of_a_gaussian_over_cells() {
        for sigma in [0.05, 0.3, 1.0, 4.5] {
            let shares = shares(sigma);
            let half = f64::from(u32::try_from(shares.len() / 2).unwrap());
            let moment = |power| {
                let term = |(at, share): (u32, &f64)| share * (f64::from(at) - half).powi(power);
                (0..).zip(&shares).map(term).sum::<f64>()
            };
            assert!((moment(0) - 1.0).abs() < 1e-9 && moment(1).abs() < 1e-9);
            // The cells add the variance of their rounding, which for narrow noise is all there is: the chance
            // of crossing the border, sigma times sqrt(2 / pi).
            let want = if sigma < 0.1 {
                sigma * (2.0 / std::f64::consts::PI).sqrt()
            } else if sigma < 1.0 {
                continue;
            } else {
                sigma * sigma + 1.0 / 6.0
            };
            assert!((moment(2) / want - 1.0).abs() < 0.02, "{} at {sigma}", moment(2));
        }
    }
}
