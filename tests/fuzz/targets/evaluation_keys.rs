//! Evaluation keys of the shipped model and of one for images, with a packing key: any length, and exactly the
//! right one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use obscura_fhe_core::EvaluationKeyParts;
use obscura_fuzz::{fit, image_plan, plan};

fuzz_target!(|data: &[u8]| {
    for set in [plan().parameters(), image_plan().parameters()] {
        let _ = EvaluationKeyParts::from_bytes(set, data);
        // The object has tens of megabytes: only what begins like one is filled up to its length.
        if data.starts_with(&[b"OBS1\x01".as_slice(), &set.hash()].concat()) {
            let bytes = fit(data, EvaluationKeyParts::byte_len(set));
            if let Ok(keys) = EvaluationKeyParts::from_bytes(set, &bytes) {
                assert_eq!(keys.packing.is_some(), set.packing.is_some());
                assert!(keys.to_bytes(set) == bytes);
            }
        }
    }
});
