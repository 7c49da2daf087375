//! Framed local sockets between the processes of one machine.
//!
//! A frame is a little-endian `u32` length and one postcard value. Each end states the largest frame it
//! takes; the listener admits only processes of its own user. Knows nothing of what is said.

pub mod agent;
pub mod appliance;
pub mod imaging;
mod socket;

pub use socket::{Channel, ChannelError, Listener};
