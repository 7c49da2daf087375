//! The box's blind evaluator: evaluation keys and ciphertexts in, ciphertexts and receipts out.
//!
//! It opens no network socket and writes no file. Models come from trust, which verified them; keys and
//! items come from gate, which faces the network, so every object is checked again here: its hash, its
//! length, and that it is of the model's parameters. The encryption library is behind a port.
//!
//! Failure model: a wrong object is a typed reply, and so is an evaluation that was cancelled, panicked or needs
//! more memory than it may have; the next one runs as if it had not been. What cannot be caught kills this
//! process alone; the launcher starts it again and gate sends the work once more.

pub mod adapters;
pub mod application;
pub mod domain;
#[cfg(test)]
mod fake;
pub mod ports;
