//! Fairness and patience, in no particular vocabulary.

mod fair;
mod throttle;

pub use fair::{FairQueue, QueueFull};
pub use throttle::Throttle;
