//! Root documents and changes of root.
#![no_main]

use libfuzzer_sys::fuzz_target;
use obscura_bundle::{Root, RootChange, TrustedRoot};
use obscura_fuzz::identity;

fuzz_target!(|data: &[u8]| {
    if let Ok(root) = Root::from_bytes(data) {
        assert!(root.threshold() >= 1 && usize::from(root.threshold()) <= root.keys().len());
        assert!(root.keys().iter().all(|listed| !root.revokes(&listed.key.fingerprint())));
        assert_eq!(Root::from_bytes(&root.to_bytes()), Ok(root));
    }
    if let Ok(change) = RootChange::from_bytes(data) {
        assert_eq!(RootChange::from_bytes(&change.to_bytes()).as_ref(), Ok(&change));
        let former = Root::new(1, 1, vec![identity().public()]).expect("one usable key");
        let former = TrustedRoot::pinned(&former.to_bytes(), former.fingerprint()).expect("its own fingerprint");
        if let Ok(next) = former.followed_by(&change) {
            assert_eq!(next.document().version(), 2);
        }
    }
});
