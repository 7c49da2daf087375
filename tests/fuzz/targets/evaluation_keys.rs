//! Evaluation keys of the shipped model: any length, and exactly the right one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use obscura_fhe_core::EvaluationKeyParts;
use obscura_fuzz::{fit, plan};

fuzz_target!(|data: &[u8]| {
    let set = plan().parameters();
    let _ = EvaluationKeyParts::from_bytes(set, data);
    // The object has tens of megabytes: only what begins like one is filled up to its length.
    if data.starts_with(b"OBS1\x01") {
        let bytes = fit(data, EvaluationKeyParts::byte_len(set));
        if let Ok(keys) = EvaluationKeyParts::from_bytes(set, &bytes) {
            assert!(keys.to_bytes(set) == bytes);
        }
    }
});
