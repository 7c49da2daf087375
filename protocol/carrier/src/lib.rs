//! Carriers of envelopes between a clinic device and its box.
//!
//! The one module that names an MQTT library. It moves bytes and says whether the way is open; it knows
//! nothing of envelopes, sessions or devices, and it promises nothing about delivery beyond one connection:
//! what was under way when a connection broke is dropped, and the session layer above sends it again.
//!
//! Failure model: a lost or refused connection is a [`CarrierEvent::Down`] with a typed reason; the carrier
//! tries again by itself until it is closed.

mod event;
pub mod mqtt;

pub use event::{CarrierError, CarrierEvent, DownReason, PublishError, ReceiveError};
