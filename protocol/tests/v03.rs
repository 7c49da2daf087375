//! Do not change this test.
//!
//! The exact bytes of what protocol version 3 adds to version 2.

#![expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]

use std::fmt::Write;

use obscura_protocol::{
    identity::{ClientId, Digest},
    message::{BoxMessage, DeviceMessage, Refusal},
    transfer::{ObjectHeader, ObjectKind},
};

#[track_caller]
fn frozen(bytes: &[u8], want: &str) {
    let mut got = String::new();
    for byte in bytes {
        write!(got, "{byte:02x}").unwrap();
    }
    assert_eq!(got, want.replace([' ', '\n'], ""));
}

#[test]
fn offer_of_a_bundle() {
    let object = ObjectHeader {
        kind: ObjectKind::Bundle,
        digest: Digest([0x0d; 32]),
        len_bytes: 300,
        client: ClientId([0x0c; 16]),
        parameter_hash: Digest([0; 32]),
    };
    let message = DeviceMessage::Offer { object };
    let bytes = message.encode();
    frozen(
        &bytes,
        "02 01
         0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d
         ac02
         0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c
         0000000000000000000000000000000000000000000000000000000000000000",
    );
    assert_eq!(DeviceMessage::decode(&bytes).unwrap(), message);
}

#[test]
fn name_of_a_bundle() {
    let device = "device-1".parse().unwrap();
    let object = ObjectHeader::of_bundle(&device, Digest([0x0d; 32]), 300);
    assert_eq!((object.kind, object.len_bytes), (ObjectKind::Bundle, 300));
    assert_eq!(object.digest, Digest([0x0d; 32]));
    assert_eq!(object.parameter_hash, Digest([0; 32]));
    // The first half of SHA-256 over "obscura bundle", 0, "device-1", 0 and the digest.
    frozen(&object.client.0, "b864cc40567a200165827829850e816b");
}

#[test]
fn not_allowed() {
    let message = BoxMessage::Refused {
        sequence: 5,
        code: Refusal::NotAllowed,
        job: None,
    };
    frozen(&message.encode(), "07 05 12 00");
    assert_eq!(BoxMessage::decode(&message.encode()).unwrap(), message);
}
