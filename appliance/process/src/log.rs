//! Logs to standard error, the level from the command line or the environment.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

/// Starts logging at `filter`: a level (`error`, `warn`, `info`, `debug`, `trace`) or a filter per module.
/// A filter that does not parse becomes `info`, with a warning.
pub fn start_log(filter: &str) {
    let (parsed, fallback) = match EnvFilter::try_new(filter) {
        Ok(parsed) => (parsed, false),
        Err(_) => (EnvFilter::new("info"), true),
    };
    // Installing twice only happens in tests, where the first subscriber serves as well.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(parsed)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr)
        .try_init();
    if fallback {
        tracing::warn!("the log filter does not parse, using `info`");
    }
}
