//! Medians of repeated runs.

use std::time::Instant;

/// Runs `work` a few times unmeasured, then `rounds` times; the median in milliseconds and the last result.
///
/// # Errors
/// What `work` fails with.
pub(crate) fn median_ms<T, E>(
    warm_up: usize,
    rounds: usize,
    mut work: impl FnMut() -> Result<T, E>,
) -> Result<(f64, T), E> {
    for _ in 0..warm_up {
        work()?;
    }
    let (ms, mut result) = time_ms(&mut work)?;
    let mut times = vec![ms];
    for _ in 1..rounds {
        let ms;
        (ms, result) = time_ms(&mut work)?;
        times.push(ms);
    }
    Ok((median(&mut times), result))
}

/// Runs `work` once; milliseconds and its result.
///
/// # Errors
/// What `work` fails with.
pub(crate) fn time_ms<T, E>(work: impl FnOnce() -> Result<T, E>) -> Result<(f64, T), E> {
    let start = Instant::now();
    let result = work()?;
    Ok((start.elapsed().as_secs_f64() * 1e3, result))
}

/// The median, the upper one of an even number of values; zero of none.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_warm_ups_and_rounds_and_gives_the_last_result() {
        let mut count = 0;
        let (ms, last) = median_ms(2, 3, || {
            count += 1;
            Ok::<_, ()>(count)
        })
        .unwrap();
        assert_eq!((count, last), (5, 5));
        assert!(ms >= 0.0);
    }

    #[test]
    fn the_median_ignores_the_order_and_outliers() {
        assert!((median(&mut [3.0, 1000.0, 1.0]) - 3.0).abs() < 1e-9);
    }
}
