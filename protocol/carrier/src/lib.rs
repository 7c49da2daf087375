//! Carriers of envelopes between a clinic device and its box: MQTT over the network, or a serial cable.
//!
//! The one crate that names an MQTT library or opens a serial port. It moves bytes and says whether the way
//! is open; it knows nothing of envelopes and sessions, and it promises nothing about delivery beyond one
//! connection: what was under way when a connection broke is dropped, and the session layer above sends it
//! again. Both carriers have the same words, so one session layer serves both.
//!
//! Failure model: a lost or refused connection is a [`CarrierEvent::Down`] with a typed reason; the carrier
//! tries again by itself until it is closed.

mod backoff;
mod either;
mod event;
pub mod mqtt;
pub mod serial;
mod tls;

pub use either::{Options, Publisher, Receiver, connect};
pub use event::{CarrierError, CarrierEvent, DownReason, PublishError, ReceiveError};
