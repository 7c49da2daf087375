//! The line to the launcher: a process of the box ends when its standard input does.
//!
//! So nothing survives a launcher that died, however it died.

use std::{
    io::{self, Read},
    thread,
};

/// Calls `end` once standard input reaches its end.
///
/// # Errors
/// The operating system gives no thread.
pub fn on_end_of_input(end: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new()
        .name("lifeline".to_owned())
        .spawn(move || {
            let mut ignored = [0; 64];
            // Nobody writes to the line; whatever a person types there has no meaning.
            while matches!(io::stdin().read(&mut ignored), Ok(1..)) {}
            end();
        })
        .map(drop)
}
