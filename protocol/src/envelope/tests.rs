//! Envelopes against every altered bit.

use super::*;
use alloc::vec;
use zeroize::Zeroizing;

fn identity(seed: u8) -> Identity {
    Identity::from_seed(&Zeroizing::new([seed; 32]))
}

fn header() -> Header {
    Header {
        version: u16::MAX,
        sender: "d".repeat(32).parse().expect("a valid name"),
        recipient: "b".repeat(32).parse().expect("a valid name"),
        session: SessionId([0xff; 16]),
        sequence: u64::MAX,
    }
}

fn accepted(bytes: &[u8]) -> Result<Verified, EnvelopeError> {
    Ok(open(bytes)?.verify(&identity(1).public())?)
}

#[test]
fn opens_what_was_sealed_even_the_largest() {
    for len in [0, 1, MAX_PAYLOAD_BYTES] {
        let payload = vec![0xab; len];
        let bytes = seal(&header(), &payload, &identity(1));
        assert!(bytes.len() <= MAX_ENVELOPE_BYTES);
        let verified = accepted(&bytes).unwrap();
        assert_eq!((verified.header, verified.payload), (header(), payload));
    }
}

#[test]
fn every_flipped_bit_is_refused() {
    let bytes = seal(&header(), b"payload", &identity(1));
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut altered = bytes.clone();
            altered[at] ^= 1 << bit;
            assert!(accepted(&altered).is_err(), "byte {at} bit {bit}");
        }
    }
}

#[test]
fn truncated_extended_and_oversized_envelopes_are_refused() {
    let bytes = seal(&header(), b"payload", &identity(1));
    for len in 0..bytes.len() {
        assert!(open(&bytes[..len]).is_err(), "{len} bytes");
    }
    let extended = [&bytes[..], &[0]].concat();
    assert_eq!(
        open(&extended).unwrap_err(),
        DecodeError::PeerTrailing { extra_bytes: 1 }
    );
    let large = seal(&header(), &vec![0; MAX_PAYLOAD_BYTES + 1], &identity(1));
    assert!(matches!(open(&large), Err(DecodeError::PeerTooLarge { .. })));
    assert!(matches!(
        open(&vec![0; MAX_ENVELOPE_BYTES + 1]),
        Err(DecodeError::PeerTooLarge { .. })
    ));
}

#[test]
fn bytes_hidden_behind_the_signed_part_are_refused() {
    let inner = codec::encode(&Signed {
        header: header(),
        payload: vec![1],
    });
    let signed = [&inner[..], &[0]].concat();
    let signature = identity(1).sign(Purpose::Envelope, &signed);
    let bytes = codec::encode(&Wire { signed, signature });
    assert_eq!(
        open(&bytes).unwrap_err(),
        DecodeError::PeerTrailing { extra_bytes: 1 }
    );
}

#[test]
fn the_signature_of_somebody_else_is_refused() {
    let bytes = seal(&header(), b"payload", &identity(2));
    let unverified = open(&bytes).unwrap();
    assert_eq!(unverified.claimed_sender(), &header().sender);
    assert_eq!(unverified.claimed_version(), u16::MAX);
    assert_eq!(unverified.verify(&identity(1).public()), Err(PeerBadSignature));
}
