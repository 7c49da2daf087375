//! Lanes, deadlines, outlooks, dead letters and revocation, with boxes that know them and boxes that do not.

use std::time::Duration;

use obscura_local::agent::{LinkCommand, LinkEvent, Wanted};
use obscura_protocol::message::{BoxMessage, DeviceMessage, Lane, Refusal};

use super::super::{DropReason, Event};
use super::pair::{JOB, Pair, answer, item, only_messages, ticket};

const SOON: Wanted = Wanted {
    lane: Lane::Urgent,
    within_s: Some(600),
};

fn submit(pair: &mut Pair, items: u32) -> Vec<DeviceMessage> {
    let mut ticket = ticket(JOB);
    ticket.items = items;
    pair.command(LinkCommand::Submit {
        ticket,
        items: vec![vec![7; 100]; items as usize],
        wanted: SOON,
    })
}

#[test]
fn how_soon_a_job_is_wanted_is_said_to_a_box_that_understands_it() {
    let mut pair = Pair::ready_with(2);
    let sent = submit(&mut pair, 1);
    let request = DeviceMessage::Request {
        ticket: pair.kept[0].ticket.as_bytes().to_vec(),
        lane: Lane::Urgent,
        within_s: Some(600),
    };
    assert_eq!(sent, [request]);
    let mut old = Pair::ready_with(1);
    let sent = submit(&mut old, 1);
    let ticket = old.kept[0].ticket.as_bytes().to_vec();
    assert_eq!(sent, [DeviceMessage::Submit { ticket }]);
}

#[test]
fn a_resumed_job_is_wanted_as_soon_as_before() {
    let mut first = Pair::ready_with(2);
    let sent = submit(&mut first, 1);
    let mut pair = Pair::ready_with(2);
    let again = only_messages(pair.event(Event::Journal(first.kept.clone())));
    assert_eq!(again, sent);
}

#[test]
fn an_outlook_is_told_and_keeps_a_long_job_waiting() {
    let mut pair = Pair::ready_with(2);
    submit(&mut pair, 1);
    assert_eq!(pair.say(&BoxMessage::Accepted { job: JOB }), [item(JOB)]);
    let (ahead, left_s) = (3, Some(1200));
    for _ in 0..4 {
        pair.now += Duration::from_secs(25);
        let sent = pair.say(&BoxMessage::Outlook {
            job: JOB,
            ahead,
            left_s,
        });
        assert_eq!(sent, [], "the session goes on");
        let told = LinkEvent::Outlook {
            job: JOB,
            ahead,
            left_s,
        };
        assert_eq!(pair.told.last(), Some(&told));
    }
    let other = BoxMessage::Outlook {
        job: obscura_protocol::identity::JobId([9; 16]),
        ahead,
        left_s,
    };
    pair.say(&other);
    assert_eq!(pair.dropped, [DropReason::Unasked]);
}

#[test]
fn a_dead_item_is_told_once_and_never_sent_again() {
    let mut pair = Pair::ready_with(2);
    submit(&mut pair, 2);
    pair.say(&BoxMessage::Accepted { job: JOB });
    let (index, code) = (1, Refusal::BadCiphertext);
    let dead = BoxMessage::Dead {
        job: JOB,
        index,
        code,
    };
    pair.say(&dead);
    let told = LinkEvent::ItemDead {
        job: JOB,
        index,
        code,
    };
    assert_eq!(pair.told.last(), Some(&told));
    pair.say(&dead);
    assert_eq!(pair.dropped, [DropReason::Unasked]);
    // After the box has lost the job only the other item is sent.
    pair.refuse(Refusal::UnknownJob, Some(JOB));
    let sent = pair.pass(60);
    assert!(matches!(sent[..], [DeviceMessage::Request { .. }]), "{sent:?}");
    assert_eq!(pair.say(&BoxMessage::Accepted { job: JOB }), [item(JOB)]);
    pair.say(&answer(JOB));
    assert!(matches!(pair.told.last(), Some(LinkEvent::Answer { .. })));
    assert_eq!(pair.pass(3600), [], "nothing is left to wait for");
}

#[test]
fn a_late_job_is_given_up() {
    let mut pair = Pair::ready_with(2);
    submit(&mut pair, 1);
    pair.say(&BoxMessage::Accepted { job: JOB });
    let code = Refusal::Overdue;
    pair.refuse(code, Some(JOB));
    assert_eq!(pair.told.last(), Some(&LinkEvent::JobRefused { job: JOB, code }));
    assert!(pair.forgotten.is_empty(), "the command line settles it");
}

#[test]
fn keys_are_revoked_without_any_being_offered_and_asked_again_after_a_silence() {
    let mut pair = Pair::new();
    pair.version = 2;
    assert_eq!(pair.command(LinkCommand::RevokeKeys), []);
    let hello = only_messages(pair.event(Event::Up));
    assert_eq!(pair.welcome(&hello), [DeviceMessage::RevokeKeys]);
    assert_eq!(pair.pass(9), []);
    let hello = pair.pass(1);
    assert_eq!(pair.welcome(&hello), [DeviceMessage::RevokeKeys]);
    pair.say(&BoxMessage::Revoked { objects: 2 });
    assert_eq!(pair.told.last(), Some(&LinkEvent::KeysRevoked { objects: 2 }));
    assert_eq!(pair.pass(3600), []);
    pair.say(&BoxMessage::Revoked { objects: 2 });
    assert_eq!(pair.dropped, [DropReason::Unasked]);
}

#[test]
fn a_box_that_cannot_revoke_is_said_to_be_too_old() {
    let mut pair = Pair::ready_with(1);
    assert_eq!(pair.command(LinkCommand::RevokeKeys), []);
    let code = Refusal::WrongVersion;
    assert_eq!(pair.told.last(), Some(&LinkEvent::Refused { code }));
}
