//! Loading models once, then answering gate.

mod incoming;
mod service;
mod watch;

pub use service::Service;
