//! Identifiers, names and signatures under attack.

use super::*;
use alloc::{format, string::ToString, vec::Vec};

fn identity(seed: u8) -> Identity {
    Identity::from_seed(&Zeroizing::new([seed; 32]))
}

#[test]
fn identifiers_read_the_hexadecimal_they_print_and_nothing_else() {
    let id = Digest::of(b"x");
    assert_eq!(id.to_string().parse::<Digest>(), Ok(id));
    assert_eq!(id.to_string().to_uppercase().parse::<Digest>(), Ok(id));
    assert_eq!(format!("{id:.8}"), id.to_string()[..8]);
    let bad = Err(NameError::PeerBadHex { want_digits: 32 });
    for text in [
        "",
        "0",
        &"0".repeat(31),
        &"0".repeat(33),
        &"+f".repeat(16),
        &"é".repeat(16),
        &" 0".repeat(16),
    ] {
        assert_eq!(text.parse::<JobId>(), bad, "{text}");
    }
}

#[test]
fn peer_names_are_safe_in_topics_and_paths() {
    for name in ["a", "box-1", &"x".repeat(MAX_NAME_BYTES)] {
        assert_eq!(
            name.parse::<PeerName>().map(|n| n.to_string()),
            Ok(name.to_string())
        );
    }
    for name in [
        "1a", "-a", "A", "a/b", "a+", "a#", "a.b", "a b", "ä", "a\0", "../a",
    ] {
        assert_eq!(
            name.parse::<PeerName>(),
            Err(NameError::PeerNameCharacter),
            "{name}"
        );
    }
    for len in [0, MAX_NAME_BYTES + 1] {
        let length = Err(NameError::PeerNameLength { got_bytes: len });
        assert_eq!("x".repeat(len).parse::<PeerName>(), length);
    }
}

#[test]
fn decoding_a_name_checks_it() {
    let encoded = crate::codec::encode(&"a/b".to_string());
    assert!(crate::codec::decode::<PeerName>(&encoded, 64).is_err());
}

#[test]
fn signatures_hold_for_one_key_one_purpose_and_the_very_bytes() {
    let signature = identity(1).sign(Purpose::Ticket, b"bytes");
    let key = identity(1).public();
    assert_eq!(key.verify(Purpose::Ticket, b"bytes", &signature), Ok(()));
    let wrong = Err(PeerBadSignature);
    assert_eq!(key.verify(Purpose::Ticket, b"bytez", &signature), wrong);
    assert_eq!(
        identity(2).public().verify(Purpose::Ticket, b"bytes", &signature),
        wrong
    );
    for purpose in [Purpose::Envelope, Purpose::Receipt, Purpose::Manifest] {
        assert_eq!(key.verify(purpose, b"bytes", &signature), wrong);
    }
    for at in 0..64 {
        let mut altered = signature.to_bytes();
        altered[at] ^= 1;
        let altered = Signature::from_bytes(&altered);
        assert_eq!(
            key.verify(Purpose::Ticket, b"bytes", &altered),
            wrong,
            "byte {at}"
        );
    }
}

#[test]
fn a_small_order_key_verifies_nothing() {
    // With the neutral point as key and as R, and s = 0, the plain equation holds for every message.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let mut signature = [0; 64];
    signature[0] = 1;
    let forged = PublicKey(neutral).verify(Purpose::Receipt, b"x", &Signature::from_bytes(&signature));
    assert_eq!(forged, Err(PeerBadSignature));
    assert_eq!(
        PublicKey([0xff; 32]).verify(Purpose::Receipt, b"x", &Signature::from_bytes(&signature)),
        Err(PeerBadSignature)
    );
}

#[test]
fn purposes_are_prefix_free() {
    let all = [
        Purpose::Envelope,
        Purpose::Ticket,
        Purpose::Receipt,
        Purpose::Manifest,
    ];
    let prefixes: Vec<&[u8]> = all.iter().map(|purpose| purpose.prefix()).collect();
    for (at, a) in prefixes.iter().enumerate() {
        assert!(
            prefixes
                .iter()
                .enumerate()
                .all(|(other, b)| at == other || !b.starts_with(a))
        );
    }
}

#[test]
fn debug_of_a_secret_key_prints_the_public_half() {
    let text = format!("{:?}", identity(7));
    assert_eq!(text, format!("Identity(public {:.16})", identity(7).public()));
    assert!(!text.contains("0707"));
}
