//! Manifests behind a right signature.
#![no_main]

use libfuzzer_sys::fuzz_target;
use obscura_bundle::{Manifest, Root, TrustedRoot, verify};
use obscura_fuzz::identity;
use obscura_protocol::{codec, identity::Purpose};

fuzz_target!(|data: &[u8]| {
    if let Ok(manifest) = Manifest::from_bytes(data) {
        assert_eq!(Manifest::from_bytes(&codec::encode(&manifest)), Ok(manifest));
    }
    let signer = identity();
    let signatures = vec![(
        signer.public().fingerprint(),
        signer.sign(Purpose::Manifest, data),
    )];
    let files: Vec<Vec<u8>> = vec![Vec::new()];
    let frame = codec::encode(&(data.to_vec(), signatures, files));
    let root = Root::new(1, 1, vec![signer.public()]).expect("one usable key");
    let root = TrustedRoot::pinned(&root.to_bytes(), root.fingerprint()).expect("its own fingerprint");
    let _ = verify(&[b"OBSCURAB\x02", &frame[..]].concat(), &root);
});
