//! The cache of expanded keys.

mod cache;

pub use cache::{ByteCache, DoesNotFit};
