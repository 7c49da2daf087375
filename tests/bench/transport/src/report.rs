//! Reports: flat JSON objects of numbers; medians and percentiles.

use std::time::Duration;

use serde_json::{Map, Value};

/// One flat JSON object of numbers.
#[derive(Debug, Default)]
pub(crate) struct Report(Map<String, Value>);

impl Report {
    /// Adds a measured figure, rounded to four significant digits: more would be noise.
    pub(crate) fn put(&mut self, name: &str, value: f64) {
        let rounded: f64 = format!("{value:.3e}").parse().unwrap_or(value);
        eprintln!("  {name} {rounded}");
        self.0.insert(name.to_owned(), Value::from(rounded));
    }

    /// Adds a count, exact.
    pub(crate) fn count(&mut self, name: &str, value: u64) {
        eprintln!("  {name} {value}");
        self.0.insert(name.to_owned(), Value::from(value));
    }

    /// The JSON text.
    pub(crate) fn into_json(self) -> String {
        Value::Object(self.0).to_string()
    }
}

/// A count as a number to calculate with.
#[expect(clippy::cast_precision_loss, reason = "sizes far below 2^53")]
pub(crate) fn number(count: u64) -> f64 {
    count as f64
}

/// Milliseconds of the time below which `percent` of the sorted `times` lie; 0 when there is none.
pub(crate) fn percentile_ms(times: &mut [Duration], percent: usize) -> f64 {
    times.sort_unstable();
    let at = (times.len() * percent / 100).min(times.len().saturating_sub(1));
    times.get(at).map_or(0.0, |time| time.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_were_measured() {
        let mut times: Vec<_> = (1..=100).rev().map(Duration::from_millis).collect();
        assert!((percentile_ms(&mut times, 50) - 51.0).abs() < 1e-9);
        assert!((percentile_ms(&mut times, 95) - 96.0).abs() < 1e-9);
        assert!((percentile_ms(&mut times[..1], 95) - 1.0).abs() < 1e-9);
        assert!(percentile_ms(&mut [], 50).abs() < 1e-9);
    }

    #[test]
    fn figures_keep_four_digits_and_counts_all() {
        let mut report = Report::default();
        report.put("ms", 12.345_67);
        report.count("bytes", 44_347_461);
        assert_eq!(report.into_json(), r#"{"bytes":44347461,"ms":12.35}"#);
    }
}
