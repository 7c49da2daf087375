//! The box's network face: envelopes, sessions, transfers, the queue.
//!
//! It holds the envelope key and the roster, no model, no receipt key and nothing that could decrypt. The
//! core is one state machine without I/O, [`application::Gate`]; adapters carry out its effects.
//!
//! Failure model: whatever a device sends is answered or refused with a typed reason and the gate goes on.
//! Senders outside the roster get no answer. Compute may die at any time: its work is queued again.

pub mod adapters;
pub mod application;
pub mod domain;
pub mod ports;
