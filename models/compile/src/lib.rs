//! From a circuit, calibration samples and an accuracy bound to the cryptographic parameters of a payload.
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
mod error;
mod report;
mod search;

pub use calibration::Calibration;
pub use candidates::{Candidate, ESTIMATOR};
pub use choose::{Choice, Settings, choose};
pub use cost::look_up_cost;
pub use error::CompileError;
pub use report::report;
pub use search::{Assessed, Trial, bisect, frontier};
