//! Fairness, speed and patience, in no particular vocabulary.

mod budget;
mod fair;
mod lanes;
mod shares;
mod speed;
mod throttle;

pub use budget::Budget;
pub use fair::{FairQueue, QueueFull};
pub use lanes::Lanes;
pub use shares::{Bounds, Shares};
pub use speed::{Speed, left};
pub use throttle::Throttle;
