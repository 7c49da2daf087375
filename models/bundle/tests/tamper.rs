//! Attacks on a signed bundle: nothing but the very bytes that enough keys signed is accepted.
#![expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]

use std::collections::BTreeMap;

use obscura_bundle::{
    Bundle, BundleError, Meta, Root, RootKey, TrustedRoot, manifest::SCHEME_TFHE_1, verify,
};
use obscura_protocol::identity::{Digest, Identity, Purpose, Signature};
use proptest::prelude::*;
use zeroize::Zeroizing;

fn identity(seed: u8) -> Identity {
    Identity::from_seed(&Zeroizing::new([seed; 32]))
}

fn trusted(root: &Root) -> TrustedRoot {
    TrustedRoot::pinned(&root.to_bytes(), root.fingerprint()).unwrap()
}

fn root(threshold: u8, seeds: &[u8]) -> TrustedRoot {
    let keys = seeds.iter().map(|&seed| identity(seed).public());
    trusted(&Root::new(1, threshold, keys.collect()).unwrap())
}

/// Keys with the highest counter each may sign.
fn limited(threshold: u8, keys: &[(u8, u32)]) -> TrustedRoot {
    let keys = keys.iter().map(|&(seed, max_counter)| RootKey {
        key: identity(seed).public(),
        max_counter,
    });
    trusted(&Root::new(1, threshold, keys.collect()).unwrap())
}

fn meta() -> Meta {
    Meta {
        model_id: "small".to_owned(),
        version: "0.1.0".to_owned(),
        security_counter: 7,
        scheme: SCHEME_TFHE_1.to_owned(),
        min_protocol: 1,
    }
}

fn files() -> BTreeMap<String, Vec<u8>> {
    [
        ("a.json".to_owned(), b"{}".to_vec()),
        ("b.bin".to_owned(), vec![1, 2, 3]),
    ]
    .into()
}

fn signed(seeds: &[u8]) -> Vec<u8> {
    let keys: Vec<Identity> = seeds.iter().map(|&seed| identity(seed)).collect();
    Bundle::build(&meta(), files()).unwrap().sign(&keys)
}

#[test]
fn a_signed_bundle_gives_its_files_and_the_hash_of_its_manifest() {
    let unsigned = Bundle::build(&meta(), files()).unwrap();
    let bytes = unsigned.sign(&[identity(1)]);
    let bundle = verify(&bytes, &root(1, &[1])).unwrap();
    assert_eq!(bundle.file("a.json"), Some(&b"{}"[..]));
    assert_eq!(bundle.file("b.bin"), Some(&[1, 2, 3][..]));
    assert_eq!(bundle.file("c"), None);
    assert_eq!(bundle.as_bytes(), bytes);
    assert_eq!(bundle.model_hash(), Digest::of(unsigned.manifest_bytes()));
    assert_eq!(bundle.manifest().security_counter, 7);
    assert!(matches!(
        bundle.contract(),
        Err(BundleError::PeerMissingFile {
            name: "contract.json"
        })
    ));
}

#[test]
fn every_flipped_bit_of_every_byte_is_refused() {
    let bytes = signed(&[1]);
    let root = root(1, &[1]);
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut altered = bytes.clone();
            altered[at] ^= 1 << bit;
            assert!(verify(&altered, &root).is_err(), "byte {at} bit {bit}");
        }
    }
}

#[test]
fn every_truncation_and_any_trailing_byte_is_refused() {
    let bytes = signed(&[1]);
    let root = root(1, &[1]);
    for len in 0..bytes.len() {
        assert!(verify(&bytes[..len], &root).is_err(), "{len} bytes");
    }
    let extended = [&bytes[..], &[0]].concat();
    assert!(matches!(
        verify(&extended, &root),
        Err(BundleError::PeerTrailing { extra_bytes: 1 })
    ));
}

#[test]
fn an_unsigned_bundle_and_one_of_another_root_are_refused() {
    let unsigned = verify(&signed(&[]), &root(1, &[1]));
    assert!(matches!(
        unsigned,
        Err(BundleError::PeerTooFewSignatures { got: 0, needed: 1 })
    ));
    let foreign = verify(&signed(&[2]), &root(1, &[1]));
    assert!(matches!(
        foreign,
        Err(BundleError::PeerTooFewSignatures { got: 0, needed: 1 })
    ));
}

#[test]
fn a_key_counts_once_however_often_it_signs() {
    let two_of_two = root(2, &[1, 2]);
    let twice = verify(&signed(&[1, 1]), &two_of_two);
    assert!(matches!(
        twice,
        Err(BundleError::PeerTooFewSignatures { got: 1, needed: 2 })
    ));
    assert!(verify(&signed(&[1, 2]), &two_of_two).is_ok());
    assert!(
        verify(&signed(&[2, 9, 1]), &two_of_two).is_ok(),
        "a stranger's signature is passed over"
    );
}

#[test]
fn a_key_counts_up_to_its_limit_and_not_above() {
    // The manifest's counter is 7.
    assert!(verify(&signed(&[1]), &limited(1, &[(1, 7)])).is_ok());
    assert!(matches!(
        verify(&signed(&[1]), &limited(1, &[(1, 6)])),
        Err(BundleError::PeerCounterLimit {
            counter: 7,
            got: 0,
            needed: 1
        })
    ));
    let two_of_three = limited(2, &[(1, 6), (2, 7), (3, 7)]);
    assert!(matches!(
        verify(&signed(&[1, 2]), &two_of_three),
        Err(BundleError::PeerCounterLimit {
            counter: 7,
            got: 1,
            needed: 2
        })
    ));
    assert!(verify(&signed(&[1, 2, 3]), &two_of_three).is_ok());
}

#[test]
fn a_revoked_key_does_not_count_however_right_its_signature_is() {
    let revoked = vec![identity(1).public().fingerprint()];
    let root = trusted(&Root::with_revoked(2, 1, vec![identity(2).public()], revoked).unwrap());
    assert!(matches!(
        verify(&signed(&[1]), &root),
        Err(BundleError::PeerTooFewSignatures { got: 0, needed: 1 })
    ));
    assert!(verify(&signed(&[1, 2]), &root).is_ok());
}

#[test]
fn a_wrong_signature_under_a_known_name_refuses_even_above_the_threshold() {
    let mut bytes = signed(&[1, 2]);
    let name = identity(2).public().fingerprint().0;
    let at = bytes.windows(32).position(|window| window == name).unwrap() + 32;
    bytes[at] ^= 1;
    let refused = verify(&bytes, &root(1, &[1, 2]));
    assert!(matches!(refused, Err(BundleError::PeerBadSignature { .. })));
}

#[test]
fn a_signature_made_for_another_purpose_is_refused() {
    let unsigned = Bundle::build(&meta(), files()).unwrap();
    let mut bytes = unsigned.sign(&[identity(1)]);
    let right = identity(1)
        .sign(Purpose::Manifest, unsigned.manifest_bytes())
        .to_bytes();
    let moved = identity(1).sign(Purpose::Ticket, unsigned.manifest_bytes());
    let at = bytes.windows(64).position(|window| window == right).unwrap();
    bytes[at..at + 64].copy_from_slice(&Signature::to_bytes(moved));
    assert!(matches!(
        verify(&bytes, &root(1, &[1])),
        Err(BundleError::PeerBadSignature { .. })
    ));
}

/// The signed part of one bundle with the files of another.
fn with_files(files: &[&[u8]]) -> Vec<u8> {
    let bytes = signed(&[1]);
    let end = [&[2, 2][..], b"{}", &[3, 1, 2, 3]].concat();
    let head = bytes.strip_suffix(&end[..]).unwrap();
    let mut out = [head, &[u8::try_from(files.len()).unwrap()]].concat();
    for file in files {
        out.push(u8::try_from(file.len()).unwrap());
        out.extend_from_slice(file);
    }
    out
}

#[test]
fn swapped_missing_added_and_replaced_files_are_refused() {
    let root = root(1, &[1]);
    assert!(verify(&with_files(&[b"{}", &[1, 2, 3]]), &root).is_ok());
    let swapped = verify(&with_files(&[&[1, 2, 3], b"{}"]), &root);
    assert!(matches!(swapped, Err(BundleError::PeerFile { name }) if name == "a.json"));
    let replaced = verify(&with_files(&[b"{}", &[1, 2, 4]]), &root);
    assert!(matches!(replaced, Err(BundleError::PeerFile { name }) if name == "b.bin"));
    let longer = verify(&with_files(&[b"{}", &[1, 2, 3, 4]]), &root);
    assert!(matches!(longer, Err(BundleError::PeerFile { name }) if name == "b.bin"));
    let missing = verify(&with_files(&[b"{}"]), &root);
    assert!(matches!(
        missing,
        Err(BundleError::PeerFileCount { got: 1, listed: 2 })
    ));
    let added = verify(&with_files(&[b"{}", &[1, 2, 3], b"extra"]), &root);
    assert!(matches!(
        added,
        Err(BundleError::PeerFileCount { got: 3, listed: 2 })
    ));
}

#[test]
fn a_small_file_that_promises_endless_parts_is_refused() {
    let endless = [0xff, 0xff, 0xff, 0xff, 0x0f];
    let head = [b"OBSCURAB".as_slice(), &[2]].concat();
    for body in [
        endless.to_vec(),
        [&[0][..], &endless].concat(),
        [&[0, 0][..], &endless].concat(),
        [&[0, 0][..], &endless, &[0; 4096]].concat(),
    ] {
        let refused = Bundle::parse(&[&head[..], &body].concat());
        assert!(matches!(refused, Err(BundleError::PeerMalformed)));
    }
    for got in [1, 3] {
        let other = [b"OBSCURAB".as_slice(), &[got]].concat();
        let refused = Bundle::parse(&other);
        assert!(matches!(refused, Err(BundleError::PeerVersion { got: found }) if found == got));
    }
}

#[test]
fn names_and_sizes_are_refused_before_signing() {
    let upper: BTreeMap<_, _> = [("A.json".to_owned(), vec![])].into();
    assert!(matches!(
        Bundle::build(&meta(), upper),
        Err(BundleError::PeerManifest(_))
    ));
    let huge: BTreeMap<_, _> = [("a".to_owned(), vec![0; obscura_bundle::MAX_BUNDLE_BYTES])].into();
    assert!(matches!(
        Bundle::build(&meta(), huge),
        Err(BundleError::PeerTooLarge { .. })
    ));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        let framed = [b"OBSCURAB\x02", &bytes[..]].concat();
        prop_assert!(verify(&bytes, &root(1, &[1])).is_err());
        prop_assert!(verify(&framed, &root(1, &[1])).is_err());
    }
}
