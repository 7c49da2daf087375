//! The real programs under faults, round after round, and an observer that counts what came of every record.
//!
//! A round is drawn from a seed. It knows the programs by their command lines, files and outputs only. README.md
//! says what a round may do and what "exactly once" means.
//!
//! Failure model: what the product does wrong is a [`Verdict`]; what keeps a round from being run is a
//! [`FaultsError`].

mod agent;
mod bench;
#[path = "../../../protocol/carrier/tests/support/cable.rs"]
mod cable;
mod campaign;
mod error;
mod ledger;
mod observe;
pub mod plan;
mod processes;
mod proxy;
mod random;
mod round;
mod shown;
mod tap;
mod watch;

pub use campaign::{Campaign, Summary};
pub use error::FaultsError;
pub use ledger::Verdict;
pub use observe::observe;
pub use plan::Subject;
pub use round::{Outcome, PATIENCE};
