//! Do not change this test.
//!
//! The exact bytes of what protocol version 2 adds to version 1.

#![expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]

use std::fmt::Write;

use obscura_protocol::{
    identity::JobId,
    message::{BoxMessage, DeviceMessage, Lane, Refusal},
};

const JOB: JobId = JobId([0x0b; 16]);

#[track_caller]
fn frozen(bytes: &[u8], want: &str) {
    let mut got = String::new();
    for byte in bytes {
        write!(got, "{byte:02x}").unwrap();
    }
    assert_eq!(got, want.replace(' ', ""));
}

#[track_caller]
fn boxed(message: &BoxMessage, want: &str) {
    let bytes = message.encode();
    frozen(&bytes, want);
    assert_eq!(&BoxMessage::decode(&bytes).unwrap(), message);
}

#[test]
fn request() {
    let request = |lane, within_s| DeviceMessage::Request {
        ticket: vec![8, 9],
        lane,
        within_s,
    };
    for (message, want) in [
        (request(Lane::Routine, None), "08 02 0809 00 00"),
        (request(Lane::Urgent, Some(300)), "08 02 0809 01 01 ac02"),
    ] {
        frozen(&message.encode(), want);
        assert_eq!(DeviceMessage::decode(&message.encode()).unwrap(), message);
    }
}

#[test]
fn outlook() {
    let outlook = |left_s| BoxMessage::Outlook {
        job: JOB,
        ahead: 300,
        left_s,
    };
    boxed(&outlook(None), "08 0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b ac02 00");
    boxed(
        &outlook(Some(2)),
        "08 0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b ac02 01 02",
    );
}

#[test]
fn dead() {
    let message = BoxMessage::Dead {
        job: JOB,
        index: 1,
        code: Refusal::BadCiphertext,
    };
    boxed(&message, "09 0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b 01 0e");
}

#[test]
fn revoke_keys() {
    frozen(&DeviceMessage::RevokeKeys.encode(), "09");
    assert_eq!(DeviceMessage::decode(&[9]).unwrap(), DeviceMessage::RevokeKeys);
    boxed(&BoxMessage::Revoked { objects: 300 }, "0a ac02");
}

#[test]
fn overdue() {
    let message = BoxMessage::Refused {
        sequence: 0,
        code: Refusal::Overdue,
        job: Some(JOB),
    };
    boxed(&message, "07 00 11 01 0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b");
}
