//! What can go wrong around the programs, as opposed to inside them.

use std::{io, path::PathBuf, time::Duration};

/// Why a site could not be made or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HarnessError {
    /// A program of the workspace was not built.
    #[error("{} is missing; build the programs first: cargo build --workspace --bins", .path.display())]
    MisuseNotBuilt {
        /// Where it should be.
        path: PathBuf,
    },
    /// The broker is not installed.
    #[error(
        "Mosquitto is not installed; `cargo xtask test` and `cargo xtask demo` install it, or: apt-get install mosquitto"
    )]
    DeviceNoBroker,
    /// A program could not be started.
    #[error("{program} does not start: {source}")]
    DeviceStart {
        /// The program.
        program: String,
        /// The operating system's error.
        source: io::Error,
    },
    /// A program ended with an error.
    #[error("{program} ended with code {code:?}:\n{output}")]
    ProgramFailed {
        /// The program.
        program: String,
        /// Exit code, none when a signal ended it.
        code: Option<i32>,
        /// The end of what it said.
        output: String,
    },
    /// Something did not happen in time.
    #[error("{what} did not happen within {limit:?}")]
    TimedOut {
        /// What was waited for.
        what: String,
        /// How long.
        limit: Duration,
    },
    /// The user pressed Ctrl-C.
    #[error("stopped by the user")]
    Interrupted,
    /// A file could not be read or written.
    #[error("{}: {source}", .path.display())]
    DeviceIo {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// A JSON file or output has another shape than expected.
    #[error("{what} is not the JSON expected: {source}")]
    BadJson {
        /// What was read.
        what: String,
        /// The parser's error.
        source: serde_json::Error,
    },
}
