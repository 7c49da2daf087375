//! Ctrl-C and termination as a question that waiting loops ask, so that everything is torn down.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering},
};

use crate::HarnessError;

static FLAG: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// From now on SIGINT, SIGTERM and SIGHUP make every wait end with [`HarnessError::Interrupted`].
///
/// # Errors
/// [`HarnessError::DeviceStart`] when a handler cannot be installed.
pub fn install() -> Result<(), HarnessError> {
    let flag = FLAG.get_or_init(Arc::default);
    for signal in [
        signal_hook::consts::SIGINT,
        signal_hook::consts::SIGTERM,
        signal_hook::consts::SIGHUP,
    ] {
        signal_hook::flag::register(signal, Arc::clone(flag)).map_err(|source| {
            HarnessError::DeviceStart {
                program: "signal handler".to_owned(),
                source,
            }
        })?;
    }
    Ok(())
}

/// Whether the user wants to stop.
///
/// # Errors
/// [`HarnessError::Interrupted`].
pub fn check() -> Result<(), HarnessError> {
    match FLAG.get() {
        Some(flag) if flag.load(Ordering::Relaxed) => Err(HarnessError::Interrupted),
        _ => Ok(()),
    }
}
