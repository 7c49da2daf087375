//! Loading models once, then answering gate.

mod incoming;
mod service;

pub use service::Service;
