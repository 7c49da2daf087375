//! Why nothing was measured.

use std::{io, path::PathBuf};

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum BenchError {
    /// A circuit does not load or evaluate.
    #[error(transparent)]
    Circuit(#[from] obscura_circuit::CircuitError),
    /// Parameters do not load.
    #[error(transparent)]
    Parameters(#[from] obscura_fhe_core::ParameterError),
    /// Circuit and parameters do not fit.
    #[error(transparent)]
    Plan(#[from] obscura_fhe_core::PlanError),
    /// The client side failed.
    #[error(transparent)]
    Client(#[from] obscura_fhe_client::ClientError),
    /// The server side failed.
    #[error(transparent)]
    Server(#[from] obscura_fhe_server::ServerError),
    /// A result was wrong, so its time means nothing.
    #[error("{who} computed {got} instead of {want}")]
    WrongResult {
        /// Whose result.
        who: &'static str,
        /// What came out.
        got: i64,
        /// What is right.
        want: i64,
    },
    /// A look-up was wrong, so its time means nothing.
    #[error("our look-up gave {got} of the torus instead of {want}")]
    WrongLookUp {
        /// What came out.
        got: f64,
        /// What is right.
        want: f64,
    },
    /// The operating system gives no threads.
    #[error("no threads can be started")]
    NoThreads,
    /// A process of the measurement could not be started or spoken to.
    #[error("the process {name} cannot be used: {source}")]
    Process {
        /// Its name.
        name: &'static str,
        /// The operating system's error.
        source: io::Error,
    },
    /// A process of the measurement said something else than a figure; it has said why.
    #[error("the process {name} gave no figure")]
    NoFigure {
        /// Its name.
        name: &'static str,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// A file is not what its name says.
    #[error("{} is not {want}", .path.display())]
    BadFile {
        /// The file.
        path: PathBuf,
        /// What it should be.
        want: &'static str,
    },
    /// The circuit has no layer of the kind that is measured.
    #[error("the circuit has no {kind}")]
    NoLayer {
        /// The kind of layer.
        kind: &'static str,
    },
    /// The command line is not understood.
    #[error("usage: {usage}")]
    Usage {
        /// What is.
        usage: &'static str,
    },
}
