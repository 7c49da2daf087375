//! Ctrl-C and termination: the terminal gets its echo back, and the children see their sockets close.

use std::{io::stdin, thread};

use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

use crate::error::CliError;

/// Ends the process on a signal with exit code 128 + its number, after restoring the terminal as it is now.
///
/// # Errors
/// [`CliError::DeviceTerminal`] when signals cannot be received.
pub(crate) fn end_on_signal() -> Result<(), CliError> {
    let terminal = std::fs::File::open("/dev/tty").ok();
    let before = terminal.as_ref().and_then(|tty| tcgetattr(tty).ok());
    let before = before.or_else(|| tcgetattr(stdin()).ok());
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(CliError::DeviceTerminal)?;
    thread::spawn(move || {
        let Some(signal) = signals.forever().next() else {
            return;
        };
        if let (Some(tty), Some(before)) = (&terminal, &before) {
            // Nothing better can be done on the way out.
            let _ = tcsetattr(tty, OptionalActions::Now, before);
        }
        std::process::exit(128 + signal);
    });
    Ok(())
}
