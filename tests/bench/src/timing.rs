//! Wall time, processor time, medians of repeated runs.

use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};

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

/// What some work took, per ciphertext or in all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spent {
    /// Wall time.
    pub(crate) wall_ms: f64,
    /// Processor time of this process, all threads together.
    pub(crate) cpu_ms: f64,
}

impl Spent {
    /// What `work` takes, with its result.
    pub(crate) fn on<T>(work: impl FnOnce() -> T) -> (Self, T) {
        let (start, cpu) = (Instant::now(), process_cpu_ms());
        let result = work();
        let spent = Self {
            wall_ms: start.elapsed().as_secs_f64() * 1e3,
            cpu_ms: process_cpu_ms() - cpu,
        };
        (spent, result)
    }

    /// The share of one of `count` equal parts.
    #[expect(clippy::cast_precision_loss, reason = "a few hundred at most")]
    pub(crate) fn each_of(self, count: usize) -> Self {
        Self {
            wall_ms: self.wall_ms / count as f64,
            cpu_ms: self.cpu_ms / count as f64,
        }
    }
}

/// Processor time of this process so far, milliseconds.
#[expect(clippy::cast_precision_loss, reason = "a process runs for minutes")]
fn process_cpu_ms() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}

/// The least value; zero of none.
pub(crate) fn least(values: &mut [f64]) -> f64 {
    values.iter().copied().reduce(f64::min).unwrap_or(0.0)
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
    fn waiting_takes_wall_time_and_no_processor_time() {
        let (spent, ()) = Spent::on(|| std::thread::sleep(std::time::Duration::from_millis(30)));
        assert!(spent.wall_ms >= 30.0, "{spent:?}");
        let each = spent.each_of(3);
        assert!((each.wall_ms * 3.0 - spent.wall_ms).abs() < 1e-9, "{each:?}");
    }

    #[test]
    fn the_median_ignores_the_order_and_outliers() {
        assert!((median(&mut [3.0, 1000.0, 1.0]) - 3.0).abs() < 1e-9);
        assert!((least(&mut [3.0, 1000.0, 1.0]) - 1.0).abs() < 1e-9);
    }
}
