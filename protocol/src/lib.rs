//! Everything that crosses a wire between a clinic device and a box.
//!
//! Wire types, the signed envelope, and the state machines of sessions, transfers and serial lines. This
//! crate does no I/O, knows no carrier's library and never sees a secret of the encryption scheme: key
//! objects, items and answers are opaque, size-limited, content-addressed byte strings to it.
//!
//! Failure model: every decoder takes a maximum size, rejects trailing bytes and returns a typed error; no
//! input can make it panic. All enums are append-only from protocol version 1 on (`tests/v01.rs` freezes
//! the bytes).
#![no_std]

extern crate alloc;

pub mod codec;
pub mod envelope;
pub mod identity;
pub mod job;
pub mod message;
pub mod serial;
pub mod session;
pub mod transfer;

/// Lowest protocol version this build speaks.
pub const MIN_VERSION: u16 = 1;
/// Protocol version this build prefers. Version 2 adds lanes, deadlines, outlooks and dead letters; version 3 adds
/// model bundles among the objects a box takes.
pub const CURRENT_VERSION: u16 = 3;
