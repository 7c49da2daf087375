//! Verifying at start, and answering compute.

mod boot;
mod intake;
mod service;

pub use boot::{VerifiedBundle, boot};
pub use intake::take_in;
pub use service::Service;
