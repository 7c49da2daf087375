//! Verifying at start, and answering compute.

mod boot;
mod service;

pub use boot::{VerifiedBundle, boot};
pub use service::Service;
