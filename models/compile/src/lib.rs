//! From an exporter's folder, calibration samples and an accuracy bound to a payload that can be signed.
//!
//! For the model owner's desk: knows circuits, noise and security, but no key and no ciphertext. Parameters
//! are a choice among recorded estimates, so nothing here can make an insecure set; the box checks again.
//!
//! Failure model: a circuit no set can evaluate and a bound no set can hold are refused with the figure that
//! is out of reach.

mod calibration;
mod candidates;
mod choose;
mod cost;
mod decisions;
mod error;
mod layers;
mod payload;
mod precision;
mod report;
mod search;
mod sweep;

pub use calibration::Calibration;
pub use candidates::{Candidate, ESTIMATOR};
pub use choose::{Choice, Settings, choose};
pub use cost::look_up_cost;
pub use decisions::Unit;
pub use error::CompileError;
pub use layers::check_layers;
pub use payload::{Exported, write};
pub use precision::Network;
pub use report::{json, report};
pub use search::{Assessed, Found, Trial, bisect, frontier};
pub use sweep::{Row, Sweep, TABLE_BITS, sweep};
