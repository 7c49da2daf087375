//! Bundle files, unsigned: the frame and the wall before the manifest.
#![no_main]

use libfuzzer_sys::fuzz_target;
use obscura_bundle::{Bundle, Root, TrustedRoot, verify};
use obscura_fuzz::identity;

fuzz_target!(|data: &[u8]| {
    let root = Root::new(1, 1, vec![identity().public()]).expect("one usable key");
    let root = TrustedRoot::pinned(&root.to_bytes(), root.fingerprint()).expect("its own fingerprint");
    if let Ok(bundle) = Bundle::parse(data) {
        assert_eq!(bundle.as_bytes(), data);
        assert!(bundle.claimed_signers().count() <= 64);
    }
    if let Ok(bundle) = verify(data, &root) {
        let total: u64 = bundle.manifest().files.iter().map(|file| file.len_bytes).sum();
        assert!(total <= data.len() as u64);
        for file in &bundle.manifest().files {
            assert_eq!(
                bundle.file(&file.name).map(|bytes| bytes.len() as u64),
                Some(file.len_bytes)
            );
        }
        let _ = bundle.contract();
    }
});
