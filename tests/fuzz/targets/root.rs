//! Root documents.
#![no_main]

use libfuzzer_sys::fuzz_target;
use obscura_bundle::Root;

fuzz_target!(|data: &[u8]| {
    if let Ok(root) = Root::from_bytes(data) {
        assert!(root.threshold() >= 1 && usize::from(root.threshold()) <= root.keys().len());
        assert_eq!(Root::from_bytes(&root.to_bytes()), Ok(root));
    }
});
