//! Do not change this test.
//!
//! The exact bytes of a root document and of a manifest and bundle in format 2, and of a change of root in format 1.
//! A later release that fails here cannot read the models and roots that are out there.

#![expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]

use std::fmt::Write;

use obscura_bundle::{
    Bundle, Meta, Root, RootChange, RootKey, Target, TrustedRoot, manifest::SCHEME_TFHE_1, verify,
};
use obscura_protocol::identity::{Digest, Identity};
use zeroize::Zeroizing;

fn identity(seed: u8) -> Identity {
    Identity::from_seed(&Zeroizing::new([seed; 32]))
}

#[track_caller]
fn frozen(bytes: &[u8], want: &str) {
    let mut got = String::new();
    for byte in bytes {
        write!(got, "{byte:02x}").unwrap();
    }
    assert_eq!(got, want.replace([' ', '\n'], ""));
}

fn root() -> Root {
    let key = |seed, max_counter| RootKey {
        key: identity(seed).public(),
        max_counter,
    };
    Root::with_revoked(
        300,
        2,
        vec![key(0x42, 300), key(0x43, 7)],
        vec![Digest([0x44; 32])],
    )
    .unwrap()
}

/// Magic, format, version, threshold, two keys with their limits, one revoked key.
const ROOT: &str = "4f425343524f4f54 02 ac02 02 02
    2152f8d19b791d24453242e15f2eab6cb7cffa7b6a5ed30097960e069881db12 ac02
    22fc297792f0b6ffc0bfcfdb7edb0c0aa14e025a365ec0e342e86e3829cb74b6 07
    01 4444444444444444444444444444444444444444444444444444444444444444";

#[test]
fn root_document() {
    frozen(&root().to_bytes(), ROOT);
    assert_eq!(Root::from_bytes(&root().to_bytes()).unwrap(), root());
}

#[test]
fn change_of_root() {
    let mut change = RootChange::unsigned(&root());
    // The purpose, then the document.
    frozen(
        change.message().as_slice(),
        &format!("6f627363757261 20 726f6f74 20 7631 00 {ROOT}"),
    );
    change.sign(&identity(0x42)).unwrap();
    // Magic, format, document, one signature: key fingerprint, R, s.
    let want = format!(
        "4f425343524e5854 01 71 {ROOT} 01
         3097e2dee2cb4a34b53840cdb705aed71067c36f68db0e0f559c3f3fa043315f
         95d040f99a74102ae898f72f048d6e7de5d80f189ed8809e95bb18287d847c54
         b5565d2ae4178d505de345b8dcaf2cbdac08abbb9d597811311dd30f61e17f01"
    );
    frozen(&change.to_bytes(), &want);
    assert_eq!(RootChange::from_bytes(&change.to_bytes()).unwrap(), change);
}

#[test]
fn manifest_and_bundle() {
    let meta = Meta {
        model_id: "small".to_owned(),
        version: "0.1.0".to_owned(),
        security_counter: 7,
        scheme: SCHEME_TFHE_1.to_owned(),
        min_protocol: 1,
    };
    let target = Target {
        hardware: "box-1".to_owned(),
        max_protocol: 300,
    };
    let files = [("a.json".to_owned(), b"{}".to_vec())].into();
    let unsigned = Bundle::build_for(&target, &meta, files).unwrap();
    // Product, model, version, counter, scheme, hardware, least and highest protocol, one file: name, length, SHA-256.
    let manifest =
        "0d6f6273637572612d6d6f64656c 05736d616c6c 05302e312e30 07 06746668652d31 05626f782d31 01 ac02
                    01 06612e6a736f6e 02 44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    frozen(unsigned.manifest_bytes(), manifest);
    let bytes = unsigned.sign(&[identity(0x42)]);
    // Magic and version; manifest; one signature: key fingerprint, R, s; one file.
    let bundle = format!(
        "4f42534355524142 02 54 {manifest} 01
         3097e2dee2cb4a34b53840cdb705aed71067c36f68db0e0f559c3f3fa043315f
         1c2220f528eccf29dfe8e73b650551a436158d5fb3f85d82a54b45713ddfab9f
         84a7ea2269aa62c4e2b7b583d0acfef65d70b13bf792ed3aef3e11e8399cdb02 01 02 7b7d"
    );
    frozen(&bytes, &bundle);
    let root = Root::new(1, 1, vec![identity(0x42).public()]).unwrap();
    let root = TrustedRoot::pinned(&root.to_bytes(), root.fingerprint()).unwrap();
    assert_eq!(verify(&bytes, &root).unwrap().as_bytes(), bytes);
}
