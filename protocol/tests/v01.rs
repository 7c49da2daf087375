//! Do not change this test.
//!
//! The exact bytes of every message, envelope, ticket and receipt of protocol version 1 as of release
//! 0.1.0. A later release that fails here cannot talk to the boxes and devices that are out there.

#![expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]

use std::fmt::Write;

use obscura_protocol::{
    codec,
    envelope::{self, Header},
    identity::{ClientId, Digest, Identity, JobId, PeerName, SessionId, SiteId},
    job::{FloorKind, Receipt, Signed, Ticket},
    message::{BoxMessage, DeviceMessage, KeyState, Limits, ModelOffer, Phase, Refusal},
    transfer::{ChunkSet, ObjectHeader, ObjectKind},
};
use zeroize::Zeroizing;

const JOB: JobId = JobId([0x0b; 16]);
const OBJECT: Digest = Digest([0x0d; 32]);
const CLIENT: ClientId = ClientId([0x0c; 16]);
const SESSION: SessionId = SessionId([0x05; 16]);

#[track_caller]
fn frozen(bytes: &[u8], want: &str) {
    let mut got = String::new();
    for byte in bytes {
        write!(got, "{byte:02x}").unwrap();
    }
    assert_eq!(got, want.replace([' ', '\n'], ""));
}

#[track_caller]
fn device(message: &DeviceMessage, want: &str) {
    let bytes = message.encode();
    frozen(&bytes, want);
    assert_eq!(&DeviceMessage::decode(&bytes).unwrap(), message);
}

#[track_caller]
fn boxed(message: &BoxMessage, want: &str) {
    let bytes = message.encode();
    frozen(&bytes, want);
    assert_eq!(&BoxMessage::decode(&bytes).unwrap(), message);
}

fn identity() -> Identity {
    Identity::from_seed(&Zeroizing::new([0x42; 32]))
}

fn name(text: &str) -> PeerName {
    text.parse().unwrap()
}

#[test]
fn hello() {
    let message = DeviceMessage::Hello {
        min_version: 1,
        max_version: 300,
        nonce: [0x0a; 16],
    };
    device(&message, "00 01 ac02 0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a");
}

#[test]
fn key_status() {
    device(
        &DeviceMessage::KeyStatus { client: CLIENT },
        "01 0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c",
    );
}

#[test]
fn offer() {
    let object = ObjectHeader {
        kind: ObjectKind::EvaluationKeys,
        digest: OBJECT,
        len_bytes: 40_000_000,
        client: CLIENT,
        parameter_hash: Digest([0x0e; 32]),
    };
    device(
        &DeviceMessage::Offer { object },
        "02 00 0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d 80b48913
         0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c 0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e",
    );
}

#[test]
fn chunk() {
    let message = DeviceMessage::Chunk {
        object: OBJECT,
        index: 200,
        bytes: vec![1, 2, 0xff],
    };
    device(
        &message,
        "03 0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d c801 03 0102ff",
    );
}

#[test]
fn submit_item_cancel_goodbye() {
    device(&DeviceMessage::Submit { ticket: vec![7, 8] }, "04 02 0708");
    let item = DeviceMessage::Item {
        job: JOB,
        index: 48,
        bytes: vec![9],
    };
    device(&item, "05 0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b 30 01 09");
    device(
        &DeviceMessage::Cancel { job: JOB },
        "06 0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
    );
    device(&DeviceMessage::Goodbye, "07");
}

#[test]
fn welcome() {
    let message = BoxMessage::Welcome {
        version: 1,
        nonce: [0x0a; 16],
        session: SESSION,
        limits: Limits {
            max_object_bytes: 1 << 30,
            max_item_bytes: 65536,
            window_chunks: 8,
            max_jobs: 4,
        },
        models: vec![ModelOffer {
            model_id: "cardio-lr".to_owned(),
            model_hash: Digest([0x11; 32]),
            parameter_hash: Digest([0x12; 32]),
            security_counter: 3,
        }],
    };
    boxed(
        &message,
        "00 01 0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a 05050505050505050505050505050505
         8080808004 808004 08 04 01 09 63617264696f2d6c72
         1111111111111111111111111111111111111111111111111111111111111111
         1212121212121212121212121212121212121212121212121212121212121212 03",
    );
}

#[test]
fn key_states() {
    let state = |state| BoxMessage::KeyState {
        client: CLIENT,
        state,
    };
    boxed(
        &state(KeyState::Missing),
        "01 0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c 00",
    );
    let partial = KeyState::Partial {
        object: OBJECT,
        have: 5,
        of: 160,
    };
    boxed(
        &state(partial),
        "01 0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c 01
         0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d 05 a001",
    );
    boxed(
        &state(KeyState::Stored { object: OBJECT }),
        "01 0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c 02 0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d",
    );
}

#[test]
fn want_and_stored() {
    let message = BoxMessage::Want {
        object: OBJECT,
        chunks: ChunkSet::from_ascending([0, 1, 2, 130]),
        have: 17,
    };
    boxed(
        &message,
        "02 0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d 02 00 03 8201 01 11",
    );
    boxed(
        &BoxMessage::Stored { object: OBJECT },
        "03 0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d",
    );
}

#[test]
fn accepted_progress_answer() {
    boxed(
        &BoxMessage::Accepted { job: JOB },
        "04 0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
    );
    let progress = |phase| BoxMessage::Progress {
        job: JOB,
        index: 1,
        phase,
    };
    boxed(
        &progress(Phase::Queued { ahead: 2 }),
        "05 0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b 01 00 02",
    );
    boxed(
        &progress(Phase::Computing { done: 3, of: 4 }),
        "05 0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b 01 01 03 04",
    );
    let answer = BoxMessage::Answer {
        job: JOB,
        index: 1,
        bytes: vec![5, 6],
        receipt: vec![7],
    };
    boxed(&answer, "06 0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b 01 02 0506 01 07");
}

#[test]
fn refused() {
    let codes = [
        Refusal::Malformed,
        Refusal::TooLarge,
        Refusal::WrongVersion,
        Refusal::BadSignature,
        Refusal::UnknownDevice,
        Refusal::UnknownSession,
        Refusal::Replayed,
        Refusal::UnknownModel,
        Refusal::UnknownKey,
        Refusal::NonConforming,
        Refusal::UnexpectedChunk,
        Refusal::HashMismatch,
        Refusal::BadTicket,
        Refusal::UnknownJob,
        Refusal::BadCiphertext,
        Refusal::Busy,
        Refusal::Internal,
    ];
    for (number, code) in codes.into_iter().enumerate() {
        let message = BoxMessage::Refused {
            sequence: 300,
            code,
            job: None,
        };
        boxed(&message, &format!("07 ac02 {number:02x} 00"));
    }
    let message = BoxMessage::Refused {
        sequence: 0,
        code: Refusal::Busy,
        job: Some(JOB),
    };
    boxed(&message, "07 00 0f 01 0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b");
}

#[test]
fn envelope() {
    let header = Header {
        version: 1,
        sender: name("device-1"),
        recipient: name("box-1"),
        session: SESSION,
        sequence: 300,
    };
    let bytes = envelope::seal(&header, &[7], &identity());
    frozen(
        &bytes,
        "2401086465766963652d3105626f782d3105050505050505050505050505050505ac020107e22d2ce82e43c3ede6394f
         660596ad3a36bf853ffb2382e179d5f2587fdd71a2429c8c55784e1be0b804d27a0c338a91bcff91fa2581973aec93d8
         cd71f9c00e",
    );
    let verified = envelope::open(&bytes)
        .unwrap()
        .verify(&identity().public())
        .unwrap();
    assert_eq!((verified.header, verified.payload), (header, vec![7]));
}

#[test]
fn ticket() {
    let ticket = Ticket {
        site: SiteId([0x01; 16]),
        device: name("device-1"),
        job: JOB,
        model_hash: Digest([0x11; 32]),
        client: CLIENT,
        key_fingerprint: OBJECT,
        items: 49,
    };
    let signed = Signed::sign(ticket, &identity());
    frozen(
        signed.as_bytes(),
        "7a01010101010101010101010101010101086465766963652d310b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b111111111111
         11111111111111111111111111111111111111111111111111110c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0d0d0d0d0d0d
         0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d3125049e4b3468f7ee3d23f2db58c3e3d37f9de59ef5
         4acffac19d294d09523d228d8438ad3ca9f7bc6e227f952fcca2b2f1591b0fda5189703f2739a6bf263506",
    );
    assert_eq!(
        Signed::verify(signed.as_bytes(), &identity().public()).unwrap(),
        signed
    );
}

#[test]
fn receipt() {
    let receipt = |floor| Receipt {
        job: JOB,
        item: 48,
        input_hash: Digest([0x21; 32]),
        answer_hash: Digest([0x22; 32]),
        model_id: "cardio-lr".to_owned(),
        model_hash: Digest([0x11; 32]),
        security_counter: 3,
        floor,
        parameter_hash: Digest([0x12; 32]),
        key_fingerprint: OBJECT,
        box_name: name("box-1"),
    };
    let signed = Signed::sign(receipt(FloorKind::None), &identity());
    frozen(
        signed.as_bytes(),
        "c3010b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b302121212121212121212121212121212121212121212121212121212121
         21212122222222222222222222222222222222222222222222222222222222222222220963617264696f2d6c72111111
         111111111111111111111111111111111111111111111111111111111103001212121212121212121212121212121212
         1212121212121212121212121212120d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d05
         626f782d31d9b1785c047d7218790d1a64d0dd9ad32dbee9c74449ae0fed02ae1deb42d6dd12e528dff6cd44a5a56dad
         ba7054a6b469b74e727d94e27f526355c2007c5108",
    );
    assert_eq!(
        Signed::verify(signed.as_bytes(), &identity().public()).unwrap(),
        signed
    );
    for (number, kind) in [
        FloorKind::None,
        FloorKind::File,
        FloorKind::Tpm,
        FloorKind::SecureElement,
    ]
    .into_iter()
    .enumerate()
    {
        frozen(&codec::encode(&kind), &format!("{number:02x}"));
    }
}

#[test]
fn the_public_key_and_its_fingerprint() {
    frozen(
        &identity().public().0,
        "2152f8d19b791d24453242e15f2eab6cb7cffa7b6a5ed30097960e069881db12",
    );
    frozen(
        &identity().public().fingerprint().0,
        "3097e2dee2cb4a34b53840cdb705aed71067c36f68db0e0f559c3f3fa043315f",
    );
}
