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
    let start = Instant::now();
    let mut result = work()?;
    let mut times = vec![start.elapsed().as_secs_f64() * 1e3];
    for _ in 1..rounds {
        let start = Instant::now();
        result = work()?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok((times[times.len() / 2], result))
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
}
