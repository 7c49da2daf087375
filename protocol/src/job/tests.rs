//! Tickets and receipts against every altered bit and field.

use super::*;
use alloc::{borrow::ToOwned, vec};
use zeroize::Zeroizing;

fn identity(seed: u8) -> Identity {
    Identity::from_seed(&Zeroizing::new([seed; 32]))
}

fn name(text: &str) -> PeerName {
    text.parse().expect("a valid name")
}

fn ticket() -> Ticket {
    Ticket {
        site: SiteId([1; 16]),
        device: name("device-1"),
        job: JobId([2; 16]),
        model_hash: Digest([3; 32]),
        client: ClientId([4; 16]),
        key_fingerprint: Digest([5; 32]),
        items: 1,
    }
}

fn receipt() -> Receipt {
    Receipt {
        job: JobId([2; 16]),
        item: 0,
        input_hash: Digest::of(b"input"),
        answer_hash: Digest::of(b"answer"),
        model_id: "cardio-lr".to_owned(),
        model_hash: Digest([3; 32]),
        security_counter: 7,
        floor: FloorKind::None,
        parameter_hash: Digest([6; 32]),
        key_fingerprint: Digest([5; 32]),
        box_name: name("box-1"),
    }
}

#[test]
fn signed_statements_round_trip_and_fit_their_limit() {
    let signed = Signed::sign(ticket(), &identity(1));
    let verified = Signed::<Ticket>::verify(signed.as_bytes(), &identity(1).public()).unwrap();
    assert_eq!(verified, signed);
    let mut longest = receipt();
    longest.model_id = "m".repeat(MAX_MODEL_ID_BYTES);
    longest.box_name = name(&"b".repeat(32));
    (longest.item, longest.security_counter) = (u32::MAX, u32::MAX);
    let signed = Signed::sign(longest, &identity(1));
    assert!(signed.as_bytes().len() <= MAX_SIGNED_BYTES);
    assert!(Signed::<Receipt>::verify(signed.as_bytes(), &identity(1).public()).is_ok());
}

#[test]
fn every_flipped_bit_of_a_ticket_and_a_receipt_is_refused() {
    let (ticket, receipt) = (
        Signed::sign(ticket(), &identity(1)),
        Signed::sign(receipt(), &identity(1)),
    );
    let key = identity(1).public();
    for bit in 0..8 * ticket.as_bytes().len() {
        let mut altered = ticket.as_bytes().to_vec();
        altered[bit / 8] ^= 1 << (bit % 8);
        assert!(Signed::<Ticket>::verify(&altered, &key).is_err(), "bit {bit}");
    }
    for bit in 0..8 * receipt.as_bytes().len() {
        let mut altered = receipt.as_bytes().to_vec();
        altered[bit / 8] ^= 1 << (bit % 8);
        assert!(Signed::<Receipt>::verify(&altered, &key).is_err(), "bit {bit}");
    }
}

#[test]
fn a_ticket_is_no_receipt_and_nobody_else_can_sign_it() {
    let ticket = Signed::sign(ticket(), &identity(1));
    let moved = Signed::<Receipt>::verify(ticket.as_bytes(), &identity(1).public());
    assert_eq!(moved, Err(StatementError::Signature(PeerBadSignature)));
    let foreign = Signed::<Ticket>::verify(ticket.as_bytes(), &identity(2).public());
    assert_eq!(foreign, Err(StatementError::Signature(PeerBadSignature)));
}

#[test]
fn truncated_extended_and_oversized_statements_are_refused() {
    let signed = Signed::sign(ticket(), &identity(1));
    let key = identity(1).public();
    for len in 0..signed.as_bytes().len() {
        assert!(Signed::<Ticket>::verify(&signed.as_bytes()[..len], &key).is_err());
    }
    let extended = [signed.as_bytes(), &[0]].concat();
    let trailing = StatementError::Decode(DecodeError::PeerTrailing { extra_bytes: 1 });
    assert_eq!(Signed::<Ticket>::verify(&extended, &key), Err(trailing));
    let large = Signed::<Ticket>::verify(&vec![0; MAX_SIGNED_BYTES + 1], &key);
    assert!(matches!(
        large,
        Err(StatementError::Decode(DecodeError::PeerTooLarge { .. }))
    ));
}

#[test]
fn a_signed_ticket_with_an_impossible_count_is_refused() {
    for items in [0, MAX_ITEMS + 1, u32::MAX] {
        let signed = Signed::sign(Ticket { items, ..ticket() }, &identity(1));
        let refused = Signed::<Ticket>::verify(signed.as_bytes(), &identity(1).public());
        assert_eq!(
            refused,
            Err(StatementError::Decode(DecodeError::PeerMalformed)),
            "{items}"
        );
    }
}

#[test]
fn a_signed_receipt_with_an_impossible_model_id_is_refused() {
    for model_id in ["", "A", "a/b", "a\u{1b}[0m", &"m".repeat(MAX_MODEL_ID_BYTES + 1)] {
        let bad = Receipt {
            model_id: model_id.to_owned(),
            ..receipt()
        };
        let signed = Signed::sign(bad, &identity(1));
        assert!(
            Signed::<Receipt>::verify(signed.as_bytes(), &identity(1).public()).is_err(),
            "{model_id}"
        );
    }
}

#[test]
fn a_receipt_that_differs_in_any_field_names_it() {
    type Alter = fn(&mut Receipt);
    let box_name = name("box-1");
    let expected = Expected {
        job: JobId([2; 16]),
        item: 0,
        input_hash: Digest::of(b"input"),
        model_id: "cardio-lr",
        model_hash: Digest([3; 32]),
        security_counter: 7,
        parameter_hash: Digest([6; 32]),
        key_fingerprint: Digest([5; 32]),
        box_name: &box_name,
    };
    assert_eq!(receipt().check(&expected, b"answer"), Ok(()));
    let cases: [(&str, Alter); 10] = [
        ("job", |r| r.job = JobId([9; 16])),
        ("item", |r| r.item = 1),
        ("input hash", |r| r.input_hash = Digest([9; 32])),
        ("answer hash", |r| r.answer_hash = Digest([9; 32])),
        ("model id", |r| r.model_id = "other".to_owned()),
        ("model hash", |r| r.model_hash = Digest([9; 32])),
        ("security counter", |r| r.security_counter = 6),
        ("parameter hash", |r| r.parameter_hash = Digest([9; 32])),
        ("key fingerprint", |r| r.key_fingerprint = Digest([9; 32])),
        ("box", |r| r.box_name = name("box-2")),
    ];
    for (field, alter) in cases {
        let mut altered = receipt();
        alter(&mut altered);
        assert_eq!(
            altered.check(&expected, b"answer"),
            Err(PeerReceiptMismatch { field })
        );
    }
    let other_answer = receipt().check(&expected, b"another answer");
    assert_eq!(other_answer, Err(PeerReceiptMismatch { field: "answer hash" }));
}
