//! What the kernel says about the machine.

use std::{io, path::Path};

use obscura_process::{ConfigError, read_bounded};

/// Where Linux reports the memory (proc_meminfo(5)).
const MEMINFO: &str = "/proc/meminfo";
/// That report is a few KiB long.
const MAX_MEMINFO_BYTES: u64 = 64 * 1024;

/// Memory of the machine, bytes.
///
/// # Errors
/// [`ConfigError::ConfigUnreadable`] where the kernel does not say.
pub(super) fn memory_bytes() -> Result<u64, ConfigError> {
    let path = Path::new(MEMINFO);
    let text = read_bounded(path, MAX_MEMINFO_BYTES)?;
    total_bytes(&text).ok_or_else(|| ConfigError::ConfigUnreadable {
        path: path.to_owned(),
        source: io::Error::new(io::ErrorKind::InvalidData, "no line MemTotal"),
    })
}

/// The line `MemTotal:  24684096 kB`, whose kB are 1024 bytes.
fn total_bytes(meminfo: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(meminfo).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = value.trim().strip_suffix(" kB")?.trim_end().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_total_and_nothing_else() {
        let text = b"MemTotal:       24684096 kB\nMemFree:  1 kB\n";
        assert_eq!(total_bytes(text), Some(24_684_096 * 1024));
        for wrong in [
            &b"MemFree: 1 kB\n"[..],
            b"MemTotal: many kB\n",
            b"MemTotal: 1 MB\n",
            b"",
        ] {
            assert_eq!(total_bytes(wrong), None);
        }
        assert!(memory_bytes().is_ok_and(|bytes| bytes > 64 << 20));
    }
}
