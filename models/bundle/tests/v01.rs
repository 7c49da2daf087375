//! Do not change this test.
//!
//! The exact bytes of a root document, a manifest and a bundle as of release 0.1.0. A later release that
//! fails here cannot read the models and roots that are out there.

#![expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]

use std::fmt::Write;

use obscura_bundle::{Bundle, Meta, Root, manifest::SCHEME_TFHE_1, verify};
use obscura_protocol::identity::Identity;
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

#[test]
fn root_document() {
    let root = Root::new(300, 2, vec![identity(0x42).public(), identity(0x43).public()]).unwrap();
    // Magic, version, threshold, two keys.
    frozen(
        &root.to_bytes(),
        "4f425343524f4f54 ac02 02 02
         2152f8d19b791d24453242e15f2eab6cb7cffa7b6a5ed30097960e069881db12
         22fc297792f0b6ffc0bfcfdb7edb0c0aa14e025a365ec0e342e86e3829cb74b6",
    );
    assert_eq!(Root::from_bytes(&root.to_bytes()).unwrap(), root);
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
    let unsigned = Bundle::build(&meta, [("a.json".to_owned(), b"{}".to_vec())].into()).unwrap();
    // Product, model, version, counter, scheme, protocol, one file: name, length, SHA-256.
    let manifest = "0d6f6273637572612d6d6f64656c 05736d616c6c 05302e312e30 07 06746668652d31 01
                    01 06612e6a736f6e 02 44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    frozen(unsigned.manifest_bytes(), manifest);
    let bytes = unsigned.sign(&[identity(0x42)]);
    // Magic and version; manifest; one signature: key fingerprint, R, s; one file.
    let bundle = format!(
        "4f42534355524142 01 4c {manifest} 01
         3097e2dee2cb4a34b53840cdb705aed71067c36f68db0e0f559c3f3fa043315f
         f2e3c525637b5a00fa99dac5166b03284943811d8f0a21087a751610d5040524
         0d7d51b81762e830e518309ea7e9c7af6339af957b5ef5a9d8af062b3f94650d 01 02 7b7d"
    );
    frozen(&bytes, &bundle);
    let root = Root::new(1, 1, vec![identity(0x42).public()]).unwrap();
    assert_eq!(verify(&bytes, &root).unwrap().as_bytes(), bytes);
}
