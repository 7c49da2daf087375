//! A throw-away site with the real programs and a real broker, for the whole-system tests and the demo.
//!
//! Knows the programs only by their command lines and files, as a user does. Everything it starts dies with
//! it: each program leads a process group of its own, which is ended on drop, and the kernel ends it when
//! the test itself is killed.
//!
//! Failure model: every wait has an end; what went wrong is a [`HarnessError`] that names the log to read.

mod agent;
mod broker;
mod error;
pub mod fixtures;
pub mod interrupt;
mod places;
mod process;
mod site;
mod wait;

pub use agent::{AgentReport, AgentRun, ImageReport, RecordOptions, RecordReport};
pub use broker::Broker;
pub use error::HarnessError;
pub use places::{Programs, repository};
pub use process::Managed;
pub use site::{BoxProcess, Site};
pub use wait::wait_until;
