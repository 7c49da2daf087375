//! The box's trust process: the smallest of the three, and the only one that decides what may run.
//!
//! It takes in what arrived since the last start, verifies what lies in the slots under the root in force and against
//! the rollback floors, serves the very bytes it verified, hears from compute whether they are good, raises the floors,
//! and signs receipts about models it verified itself. It opens no network socket, knows no ciphertext, and has no
//! switch that skips a check.
//!
//! Failure model: a bundle that does not verify is not offered, and the log says why; the process goes on with the other
//! slot, with the other models, or with none. Missing or damaged floors, and a root that is not the pinned one or older
//! than one in force before, end the process.

pub mod adapters;
pub mod application;
pub mod domain;
pub mod ports;
