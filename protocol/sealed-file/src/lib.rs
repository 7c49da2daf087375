//! Files sealed under a password, for the vault's secret keys and the model owner's signing keys.
//!
//! [`sealed`] is the format (bytes in, bytes out), [`mod@file`] writes such bytes so that only this user can
//! read them and a power cut leaves the old file or the new one, [`password`] reads a password. Knows
//! nothing of what is sealed.
//!
//! Failure model: a wrong password and an altered file are one error. A hostile header cannot make
//! [`open`] use more memory or time than [`Cost`] allows.

pub mod file;
pub mod password;
pub mod sealed;

pub use file::{create_private, create_public, write_private, write_public};
pub use password::{Password, PasswordError, PasswordSource};
pub use sealed::{Cost, MAGIC_BYTES, OVERHEAD_BYTES, SealedError, cost_of, open, seal};
