//! The agent's vault: the only process that ever has a secret key or a diagnosis.
//!
//! Keeps keys in a file sealed under a password, checks records against the signed contract, encrypts them,
//! checks receipts and decrypts answers. Opens no network socket and parses no file of a patient; its one
//! conversation is with the command line.
//!
//! Failure model: a wrong password and an altered file are one error, followed by a growing pause. An
//! answer whose receipt differs in any field is refused before anything is decrypted. No error carries a
//! secret, a record or a result.

pub mod adapters;
pub mod application;
pub mod domain;
pub mod ports;
