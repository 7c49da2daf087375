//! Sessions against replays and strangers.

use super::*;
use proptest::prelude::*;

fn name(text: &str) -> PeerName {
    text.parse().expect("a valid name")
}

fn pair() -> (Session, Session) {
    let id = SessionId([5; 16]);
    let device = Session::new(name("device-1"), name("box-1"), id, 1);
    let box_end = Session::new(name("box-1"), name("device-1"), id, 1);
    (device, box_end)
}

#[test]
fn admits_messages_in_order_and_lets_gaps_pass() {
    let (mut device, mut box_end) = pair();
    let first = device.next_header();
    let _lost = device.next_header();
    let third = device.next_header();
    assert_eq!((first.sequence, third.sequence), (1, 3));
    assert_eq!(box_end.admit(&first), Ok(()));
    assert_eq!(box_end.admit(&third), Ok(()));
}

#[test]
fn refuses_replays_and_what_comes_late() {
    let (mut device, mut box_end) = pair();
    let (first, second) = (device.next_header(), device.next_header());
    assert_eq!(box_end.admit(&second), Ok(()));
    assert_eq!(box_end.admit(&second), Err(Refusal::Replayed));
    assert_eq!(box_end.admit(&first), Err(Refusal::Replayed));
    let zero = Header { sequence: 0, ..first };
    assert_eq!(pair().1.admit(&zero), Err(Refusal::Replayed));
}

#[test]
fn refuses_other_sessions_versions_senders_and_recipients() {
    let (mut device, mut box_end) = pair();
    let good = device.next_header();
    let other = |alter: fn(&mut Header)| {
        let mut header = good.clone();
        alter(&mut header);
        header
    };
    let cases = [
        (other(|h| h.session = SessionId([6; 16])), Refusal::UnknownSession),
        (other(|h| h.session = SessionId::NONE), Refusal::UnknownSession),
        (other(|h| h.version = 2), Refusal::WrongVersion),
        (other(|h| h.sender = name("device-2")), Refusal::UnknownDevice),
        (other(|h| h.recipient = name("box-2")), Refusal::UnknownDevice),
        // A message reflected to its sender.
        (
            other(|h| core::mem::swap(&mut h.sender, &mut h.recipient)),
            Refusal::UnknownDevice,
        ),
    ];
    for (header, refusal) in cases {
        assert_eq!(box_end.admit(&header), Err(refusal));
    }
    assert_eq!(box_end.admit(&good), Ok(()), "a refusal changes nothing");
}

#[test]
fn negotiates_the_highest_common_version() {
    assert_eq!(negotiate(1, 1), Ok(1));
    assert_eq!(negotiate(0, 9), Ok(CURRENT_VERSION));
    assert_eq!(
        negotiate(CURRENT_VERSION + 1, u16::MAX),
        Err(Refusal::WrongVersion)
    );
    assert_eq!(negotiate(0, 0), Err(Refusal::WrongVersion));
    assert_eq!(negotiate(1, 0), Err(Refusal::WrongVersion));
}

proptest! {
    #[test]
    fn what_is_admitted_strictly_ascends(sequences in proptest::collection::vec(0_u64..20, 0..60)) {
        let (mut device, mut box_end) = pair();
        let template = device.next_header();
        let mut last = 0;
        for sequence in sequences {
            let admitted = box_end.admit(&Header { sequence, ..template.clone() }).is_ok();
            prop_assert_eq!(admitted, sequence > last);
            last = last.max(sequence);
        }
    }
}
