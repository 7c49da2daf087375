//! How far look-ups that land beside their entry move a table's result.

use obscura_circuit::Lut;

use super::table::{place, turn};

/// Deviations to both sides over which landing is averaged.
const WIDTH: f64 = 6.0;
/// Points per deviation, and least points per entry, of the average.
const POINTS: f64 = 16.0;
/// Wider deviations are looked at in strides of several entries.
const FINE_ENTRIES: f64 = 4.0;
/// Entries of all tables together beyond which only every so many is looked at.
const MAX_ENTRIES: usize = 1 << 20;

/// Mean square, in squared integers of the result, of what a look-up gives more than its right entry when its
/// phase deviates by `sigma_entries` entries (Gaussian).
///
/// The right phase is taken as uniform over the part of the table where inputs are expected. This is an
/// estimate: how real inputs spread over a table belongs to the data.
pub(super) fn mean_square(lut: &Lut, sigma_entries: f64) -> f64 {
    // Beyond a turn of the torus all entries are as likely.
    let sigma = sigma_entries.min(2.0 * f64::from(u32::try_from(lut.entries()).unwrap_or(u32::MAX)));
    let strides = (sigma / FINE_ENTRIES).ceil().max(1.0);
    let shares = shares(sigma / strides);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "1 to 8192 entries"
    )]
    let stride = strides as usize;
    let reach = i64::try_from(stride * (shares.len() / 2)).unwrap_or(0);
    let every = lut.tables() * lut.entries() / MAX_ENTRIES + 1;
    let (first, last) = expected(lut);
    let twice_centre = lut.twice_centre();
    let (mut sum, mut count) = (0.0, 0.0);
    for channel in 0..lut.tables() {
        let torus = turn(lut, channel, twice_centre);
        for entry in (first..=last).step_by(every) {
            let right = torus[place(entry, &torus)];
            for (at, share) in (entry - reach..).step_by(stride).zip(&shares) {
                #[expect(
                    clippy::cast_precision_loss,
                    reason = "entries have 32 bits, their mirrors 34"
                )]
                let moved = (torus[place(at, &torus)] - right) as f64;
                sum += share * moved * moved;
            }
            count += 1.0;
        }
    }
    sum / f64::max(count, 1.0)
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
    #[expect(clippy::cast_possible_truncation, reason = "a few entries")]
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
        // Wide noise gets the variance of the cells' rounding on top; of narrow noise there is only the chance
        // of crossing a border.
        let crossing = 0.05 * (2.0 / std::f64::consts::PI).sqrt();
        let wide = |sigma: f64| sigma * sigma + 1.0 / 6.0;
        for (sigma, want) in [(0.05, crossing), (1.0, wide(1.0)), (4.0, wide(4.0))] {
            let shares = shares(sigma);
            let half = f64::from(u32::try_from(shares.len() / 2).unwrap());
            let moment = |power| {
                let term = |(at, share): (u32, &f64)| share * (f64::from(at) - half).powi(power);
                (0..).zip(&shares).map(term).sum::<f64>()
            };
            assert!((moment(0) - 1.0).abs() < 1e-9 && moment(1).abs() < 1e-9);
            assert!((moment(2) / want - 1.0).abs() < 0.02, "{} at {sigma}", moment(2));
        }
    }
}
