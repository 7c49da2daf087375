//! Ordered, reliable bytes over a serial line that may lose, change or repeat what it carries.
//!
//! [`frame`] cuts a line into checked frames, [`link`] makes a byte stream of them. Neither does I/O, reads
//! a clock or draws a random number, and neither keeps a secret: confidentiality and identity are TLS's,
//! which runs over the stream.
//!
//! Failure model: bytes that are no frame are skipped; a frame that does not belong to this connection is
//! ignored; silence ends the connection. Memory is bounded whatever the other end does.

mod flow;
pub mod frame;
pub mod link;

/// Version of frames and link.
pub const LINK_VERSION: u8 = 1;
/// Bytes a receiver keeps for its owner, and so the most that is under way.
pub const WINDOW_BYTES: usize = 64 * 1024;
