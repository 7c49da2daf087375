//! The cache of expanded keys, the bounds on memory, and how far an evaluation is.

mod cache;
mod limits;
mod progress;

pub use cache::{ByteCache, DoesNotFit};
pub use limits::{Limits, TooDemanding};
pub use progress::{Pace, Progress};
