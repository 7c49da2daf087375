//! The link's own notions: pauses, jobs under way, the key object under way.

pub mod job;
pub mod pace;
pub mod upload;
