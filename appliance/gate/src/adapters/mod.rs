//! The configuration files, the carrier, the disk store, compute's socket, and the loop that joins them.

mod compute;
mod config;
mod disk;
mod entropy;
mod hash;
mod intake;
mod log;
mod outbox;
mod run;
mod store;
mod topic;

pub use config::{Setup, load};
pub use run::{RunError, run};
