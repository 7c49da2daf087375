//! Why no parameters were found or written.

use std::path::PathBuf;

/// Why no parameters were found or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// A file cannot be read or written; the source says why.
    #[error("{path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// The circuit does not load, or a calibration sample does not fit it.
    #[error(transparent)]
    Circuit(#[from] obscura_circuit::CircuitError),
    /// The chosen parameters are not accepted; a defect of the search.
    #[error(transparent)]
    Parameters(#[from] obscura_fhe_core::ParameterError),
    /// The calibration file is not one.
    #[error("{path}: {what}")]
    Calibration {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The circuit has no table, so nothing is rotated and there is nothing to choose.
    #[error("the circuit looks nothing up in a table: its parameters are not searched for")]
    NoTable,
    /// No set can evaluate the circuit at all; the refusal is that of the quietest.
    #[error("no recorded parameters can evaluate the circuit")]
    Infeasible(#[source] obscura_fhe_core::PlanError),
    /// Even the quietest set changes too many decisions.
    #[error(
        "the quietest parameters change {:.1} % of the decisions, at most {:.1} % are allowed: raise --bound, \
         widen the tables' steps, or lower the weights",
        100.0 * changed, 100.0 * bound
    )]
    BoundOutOfReach {
        /// Share of decisions the quietest set changes.
        changed: f64,
        /// Share allowed.
        bound: f64,
    },
}
