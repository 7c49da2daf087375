//! The box's trust process: the smallest of the three, and the only one that decides what may run.
//!
//! It verifies the bundles once, at start, under the pinned root, those first that came over a carrier since the
//! last one and replace installed ones; serves the very bytes it verified; and
//! signs receipts about models it verified itself. It opens no network socket, knows no ciphertext, and
//! has no switch that skips a check.
//!
//! Failure model: a bundle that does not verify is not offered, and the log says why; the process goes on
//! with the others, or with none. A root that is not the pinned one ends the process.

pub mod adapters;
pub mod application;
pub mod domain;
pub mod ports;
