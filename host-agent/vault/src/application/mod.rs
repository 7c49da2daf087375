//! The use cases: unlock, make keys, encrypt a record or an image, accept an answer.

mod answer;
mod error;
mod scan;
#[cfg(test)]
mod tests;
mod vault;

pub use answer::Answered;
pub use error::VaultError;
pub use vault::{Enrolment, Ports, Vault};
