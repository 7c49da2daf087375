//! Attacks on the change of roots: only the next version, signed by the thresholds of both, is ever believed.
#![expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]

use obscura_bundle::{ChangeError, Root, RootChange, RootError, TrustedRoot};
use obscura_protocol::identity::{Digest, Identity, Purpose};
use proptest::prelude::*;
use zeroize::Zeroizing;

fn identity(seed: u8) -> Identity {
    Identity::from_seed(&Zeroizing::new([seed; 32]))
}

fn root(version: u32, threshold: u8, seeds: &[u8], revoked: &[u8]) -> Root {
    let fingerprints = revoked.iter().map(|&seed| identity(seed).public().fingerprint());
    let keys = seeds.iter().map(|&seed| identity(seed).public());
    Root::with_revoked(version, threshold, keys.collect(), fingerprints.collect()).unwrap()
}

fn pinned(root: &Root) -> TrustedRoot {
    TrustedRoot::pinned(&root.to_bytes(), root.fingerprint()).unwrap()
}

fn change(root: &Root, signers: &[u8]) -> RootChange {
    let mut change = RootChange::unsigned(root);
    for &seed in signers {
        change.sign(&identity(seed)).unwrap();
    }
    change
}

#[test]
fn the_next_root_needs_the_thresholds_of_both() {
    let first = pinned(&root(1, 2, &[1, 2, 3], &[]));
    let next = root(2, 2, &[2, 4, 5], &[1]);
    let believed = first.followed_by(&change(&next, &[2, 3, 4])).unwrap();
    assert_eq!(believed.document(), &next);
    let refused = |signers: &[u8]| first.followed_by(&change(&next, signers)).unwrap_err();
    let former = |got| ChangeError::PeerFormerThreshold { got, needed: 2 };
    let own = |got| ChangeError::PeerOwnThreshold { got, needed: 2 };
    assert_eq!(refused(&[]), former(0));
    assert_eq!(refused(&[2, 4, 5]), former(1), "one old threshold missing");
    assert_eq!(refused(&[1, 3]), own(0));
    assert_eq!(refused(&[2, 3]), own(1), "one new threshold missing");
    assert_eq!(refused(&[2, 8, 9]), former(1), "strangers do not count");
}

#[test]
fn a_revoked_key_signs_its_own_end_and_nothing_after_it() {
    let first = pinned(&root(1, 1, &[1], &[]));
    let second = first
        .followed_by(&change(&root(2, 1, &[2], &[1]), &[1, 2]))
        .unwrap();
    let third = root(3, 1, &[3], &[1]);
    assert_eq!(
        second.followed_by(&change(&third, &[1, 3])),
        Err(ChangeError::PeerFormerThreshold { got: 0, needed: 1 })
    );
    assert!(second.followed_by(&change(&third, &[2, 3])).is_ok());
    let forgets = root(3, 1, &[1, 3], &[]);
    assert_eq!(
        second.followed_by(&change(&forgets, &[2, 3])),
        Err(ChangeError::PeerForgetsRevoked {
            key: identity(1).public().fingerprint()
        })
    );
}

#[test]
fn no_other_version_than_the_next_follows() {
    let first = pinned(&root(5, 1, &[1], &[]));
    for version in [0, 1, 4, 5, 7, u32::MAX] {
        assert_eq!(
            first.followed_by(&change(&root(version, 1, &[1], &[]), &[1])),
            Err(ChangeError::PeerVersion {
                got: version,
                needed: 6
            })
        );
    }
    let last = pinned(&root(u32::MAX, 1, &[1], &[]));
    assert!(last.followed_by(&change(&root(0, 1, &[1], &[]), &[1])).is_err());
}

/// A change with signatures that [`RootChange::sign`] would not put there.
fn forged(root: &Root, signatures: &[(Digest, obscura_protocol::identity::Signature)]) -> RootChange {
    let body = obscura_protocol::codec::encode(&(root.to_bytes(), signatures.to_vec()));
    RootChange::from_bytes(&[b"OBSCRNXT\x01", &body[..]].concat()).unwrap()
}

#[test]
fn a_key_counts_once_however_often_its_signature_is_there() {
    let first = pinned(&root(1, 2, &[1, 2], &[]));
    let next = root(2, 1, &[1, 2], &[]);
    let key = identity(1);
    let one = (
        key.public().fingerprint(),
        key.sign(Purpose::Root, &next.to_bytes()),
    );
    assert_eq!(
        first.followed_by(&forged(&next, &[one, one, one])),
        Err(ChangeError::PeerFormerThreshold { got: 1, needed: 2 })
    );
}

#[test]
fn signatures_for_another_purpose_or_another_document_are_refused() {
    let first = pinned(&root(1, 1, &[1], &[]));
    let next = root(2, 1, &[1, 2], &[]);
    let key = identity(1);
    let name = key.public().fingerprint();
    let moved = key.sign(Purpose::Manifest, &next.to_bytes());
    let other = key.sign(Purpose::Root, &root(2, 1, &[1], &[]).to_bytes());
    for signature in [moved, other] {
        assert_eq!(
            first.followed_by(&forged(&next, &[(name, signature)])),
            Err(ChangeError::PeerBadSignature { key: name })
        );
    }
}

#[test]
fn a_signature_made_elsewhere_over_the_message_is_taken_and_no_other() {
    let first = pinned(&root(1, 1, &[1], &[]));
    let next = root(2, 1, &[1], &[]);
    let mut change = RootChange::unsigned(&next);
    let signature = identity(1).sign(Purpose::Root, &next.to_bytes()).to_bytes();
    let stranger = identity(2).public();
    assert_eq!(
        change.import(&stranger, &signature),
        Err(ChangeError::PeerBadSignature {
            key: stranger.fingerprint()
        })
    );
    change.import(&identity(1).public(), &signature).unwrap();
    change.import(&identity(1).public(), &signature).unwrap();
    assert_eq!(change.claimed_signers().count(), 1);
    assert!(first.followed_by(&change).is_ok());
}

#[test]
fn only_the_pinned_document_begins_a_chain() {
    let (ours, theirs) = (root(1, 1, &[1], &[]), root(1, 1, &[2], &[]));
    assert_eq!(
        TrustedRoot::pinned(&theirs.to_bytes(), ours.fingerprint()),
        Err(RootError::PeerPinned {
            got: theirs.fingerprint(),
            pinned: ours.fingerprint()
        })
    );
}

#[test]
fn every_flipped_bit_truncation_and_extension_of_a_change_is_refused() {
    let first = pinned(&root(1, 1, &[1], &[]));
    let bytes = change(&root(2, 1, &[2], &[1]), &[1, 2]).to_bytes();
    let believed =
        |bytes: &[u8]| RootChange::from_bytes(bytes).is_ok_and(|change| first.followed_by(&change).is_ok());
    assert!(believed(&bytes));
    for at in 0..bytes.len() {
        assert!(!believed(&bytes[..at]), "{at} bytes");
        for bit in 0..8 {
            let mut altered = bytes.clone();
            altered[at] ^= 1 << bit;
            assert!(!believed(&altered), "byte {at} bit {bit}");
        }
    }
    assert!(!believed(&[&bytes[..], &[0]].concat()));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        let framed = [b"OBSCRNXT\x01", &bytes[..]].concat();
        prop_assert!(RootChange::from_bytes(&bytes).is_err());
        prop_assert!(RootChange::from_bytes(&framed).is_err());
        if let Ok(root) = Root::from_bytes(&[b"OBSCROOT\x02", &bytes[..]].concat()) {
            prop_assert_eq!(Root::from_bytes(&root.to_bytes()), Ok(root));
        }
    }
}
