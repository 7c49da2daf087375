//! The machine's steady clock.

use std::time::{Duration, Instant};

use crate::ports::Clock;

/// Time since the process began.
#[derive(Clone, Copy, Debug)]
pub struct SteadyClock(Instant);

impl SteadyClock {
    /// A clock that begins now.
    pub fn new() -> Self {
        Self(Instant::now())
    }
}

impl Default for SteadyClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SteadyClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}
