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
    /// A JSON file of the folder is not one.
    #[error("circuit.json, golden.json or the report is not JSON")]
    Json(#[source] serde_json::Error),
    /// The weights cannot be read or written again.
    #[error("weights.safetensors is unusable")]
    Weights(#[source] safetensors::SafeTensorError),
    /// The contract.
    #[error("contract.json is refused")]
    Contract(#[from] obscura_bundle::ContractError),
    /// The golden vectors cannot be read.
    #[error("golden.json is refused")]
    Golden(#[from] obscura_bundle::GoldenError),
    /// A golden vector does not come out.
    #[error(transparent)]
    GoldenMismatch(#[from] obscura_bundle::GoldenMismatch),
    /// Parts of the folder do not fit each other.
    #[error("the exporter's files do not fit each other: {rule}")]
    Contradiction {
        /// The rule that does not hold.
        rule: &'static str,
    },
    /// The file of expected layers is not one.
    #[error("{path}: {what}")]
    Layers {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A layer of the integer reference gives another number than the exporter says.
    #[error(
        "layer {layer}, sample {sample}, element {element}: the exporter says {want}, the reference gives {got}"
    )]
    Layer {
        /// The layer.
        layer: String,
        /// The sample, from 0.
        sample: usize,
        /// The element, in the tensor's order.
        element: usize,
        /// The exporter's number.
        want: i64,
        /// The reference's.
        got: i64,
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

impl CompileError {
    /// The error and everything that caused it, on one line.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        text
    }
}
