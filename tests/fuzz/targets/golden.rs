//! Golden vectors.
#![no_main]

use libfuzzer_sys::fuzz_target;
use obscura_bundle::Golden;

fuzz_target!(|data: &[u8]| {
    if let Ok(golden) = Golden::from_json(data) {
        assert!(!golden.is_empty());
    }
});
