//! Waiting for something another process does: by asking again, with an end.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::{HarnessError, interrupt};

const PAUSE: Duration = Duration::from_millis(20);

/// Asks `ready` until it gives a value.
///
/// # Errors
/// [`HarnessError::TimedOut`] after `limit`, [`HarnessError::Interrupted`], or what `ready` fails with.
pub fn wait_until<T>(
    what: &str,
    limit: Duration,
    mut ready: impl FnMut() -> Result<Option<T>, HarnessError>,
) -> Result<T, HarnessError> {
    let start = Instant::now();
    loop {
        if let Some(value) = ready()? {
            return Ok(value);
        }
        interrupt::check()?;
        if start.elapsed() > limit {
            return Err(HarnessError::TimedOut {
                what: what.to_owned(),
                limit,
            });
        }
        thread::sleep(PAUSE);
    }
}
