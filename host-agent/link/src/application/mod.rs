//! The use case: bring every job to the box and every answer back.

mod event;
mod heard;
mod link;
mod refusal;
#[cfg(test)]
mod tests;

pub use event::{DropReason, Effect, Event};
pub use link::{Held, Link, LinkIdentity};
