//! The use cases: unlock, make keys, encrypt a record, accept an answer.

mod answer;
mod error;
#[cfg(test)]
mod tests;
mod vault;

pub use error::VaultError;
pub use vault::{Enrolment, Ports, Vault};
