//! Sealed files; only the cheapest are opened, so that one run stays short.
#![no_main]

use libfuzzer_sys::fuzz_target;
use obscura_sealed::{Cost, cost_of, open};

const MAGIC: &[u8; 8] = b"OBSCTEST";
const MAX_BYTES: usize = 4096;

fuzz_target!(|data: &[u8]| {
    if cost_of(data, MAGIC, MAX_BYTES) == Ok(Cost::CHEAPEST)
        && let Ok(plaintext) = open(b"correct horse", data, MAGIC, MAX_BYTES)
    {
        assert_eq!(*plaintext, b"secret");
    }
});
