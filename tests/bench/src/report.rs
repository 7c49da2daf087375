//! Reports: flat JSON objects of numbers.

use serde_json::{Map, Value};

/// One flat JSON object of numbers.
#[derive(Debug, Default)]
pub(crate) struct Report(Map<String, Value>);

impl Report {
    /// Adds a measured figure, rounded to four significant digits: more would be noise.
    pub(crate) fn put(&mut self, name: &str, value: f64) {
        self.0.insert(name.to_owned(), Value::from(round(value)));
    }

    /// Adds a count, exact.
    pub(crate) fn count(&mut self, name: &str, value: usize) {
        self.0.insert(name.to_owned(), Value::from(value));
    }

    /// The JSON text.
    pub(crate) fn into_json(self) -> String {
        Value::Object(self.0).to_string()
    }
}

/// Cores this process may use.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Four significant digits.
pub(crate) fn round(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_four_significant_digits() {
        assert_eq!(round(12.345_67).to_string(), "12.35");
        assert_eq!(round(0.0).to_string(), "0");
    }

    #[test]
    fn is_a_flat_object() {
        let mut report = Report::default();
        report.put("ms", 1.5);
        report.count("bytes", 7);
        assert_eq!(report.into_json(), r#"{"bytes":7,"ms":1.5}"#);
    }
}
