//! What the process gives up before it reads a byte from outside.

use rustix::{
    io,
    process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit},
};

/// Most memory of the process, bytes: the largest progressive JPEG takes 560 MiB, and its file three times 32.
const MAX_MEMORY_BYTES: u64 = 1024 * 1024 * 1024;

/// Gives up memory beyond a bound, every file and socket that is not open yet, and core dumps: whoever takes the
/// process over through a decoder has the picture and one socket.
///
/// # Errors
/// The operating system's; the process should not go on then.
pub fn confine() -> io::Result<()> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    for (resource, most) in [
        (Resource::Core, 0),
        (Resource::As, MAX_MEMORY_BYTES),
        (Resource::Nofile, 0),
        (Resource::Nproc, 0),
    ] {
        let limit = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        setrlimit(resource, limit)?;
    }
    Ok(())
}
