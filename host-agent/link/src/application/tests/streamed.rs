//! Jobs whose items come one by one.

use std::collections::BTreeMap;

use obscura_local::agent::{LinkCommand, LinkEvent, ResumedJob, Wanted};
use obscura_protocol::message::{BoxMessage, DeviceMessage};

use super::super::Event;
use super::pair::{JOB, Pair, only_messages, ticket};

fn open(pair: &mut Pair) -> Vec<DeviceMessage> {
    let mut ticket = ticket(JOB);
    ticket.items = 3;
    pair.command(LinkCommand::Submit {
        ticket,
        items: Vec::new(),
        wanted: Wanted::default(),
    })
}

fn bytes(index: u32) -> Vec<u8> {
    vec![u8::try_from(index).unwrap(); 100]
}

fn hand(pair: &mut Pair, index: u32) -> Vec<DeviceMessage> {
    let bytes = bytes(index);
    pair.command(LinkCommand::Item {
        job: JOB,
        index,
        bytes,
    })
}

fn item(index: u32) -> DeviceMessage {
    let bytes = bytes(index);
    DeviceMessage::Item {
        job: JOB,
        index,
        bytes,
    }
}

fn answer(pair: &mut Pair, index: u32) -> Vec<DeviceMessage> {
    pair.say(&BoxMessage::Answer {
        job: JOB,
        index,
        bytes: vec![8; 10],
        receipt: vec![9; 10],
    })
}

fn answers(pair: &Pair) -> Vec<u32> {
    let told = pair.told.iter();
    told.filter_map(|event| match event {
        LinkEvent::Answer { index, .. } => Some(*index),
        _ => None,
    })
    .collect()
}

#[test]
fn items_are_journaled_and_sent_as_they_come() {
    let mut pair = Pair::ready();
    let sent = open(&mut pair);
    assert!(matches!(&sent[..], [DeviceMessage::Submit { .. }]), "{sent:?}");
    assert_eq!(hand(&mut pair, 0), [], "not before the box took the ticket");
    assert_eq!(pair.say(&BoxMessage::Accepted { job: JOB }), [item(0)]);
    assert_eq!(hand(&mut pair, 1), [item(1)]);
    assert_eq!(hand(&mut pair, 1), [], "the same number again changes nothing");
    assert_eq!(hand(&mut pair, 3), [], "no such item");
    assert_eq!(pair.kept_items, [(JOB, 0), (JOB, 1)].into());
    answer(&mut pair, 1);
    answer(&mut pair, 1);
    answer(&mut pair, 2);
    assert_eq!(answers(&pair), [1], "once, and only what was asked");
    pair.command(LinkCommand::SettleItem { job: JOB, index: 1 });
    assert_eq!(pair.kept_items, [(JOB, 0)].into());
    assert_eq!(hand(&mut pair, 1), [], "it has its answer");
    assert_eq!(pair.link.held().item_bytes, 100);
}

#[test]
fn a_new_session_sends_what_has_no_answer_and_nothing_else() {
    let mut pair = Pair::ready();
    open(&mut pair);
    pair.say(&BoxMessage::Accepted { job: JOB });
    hand(&mut pair, 0);
    hand(&mut pair, 1);
    answer(&mut pair, 0);
    let hello = only_messages(pair.event(Event::Up));
    pair.welcome(&hello);
    let submitted = pair.state(obscura_protocol::message::KeyState::Stored {
        object: super::pair::KEYS,
    });
    assert!(
        matches!(&submitted[..], [DeviceMessage::Submit { .. }]),
        "{submitted:?}"
    );
    assert_eq!(
        hand(&mut pair, 2),
        [],
        "kept for when the box took the ticket again"
    );
    assert_eq!(pair.say(&BoxMessage::Accepted { job: JOB }), [item(1), item(2)]);
}

#[test]
fn nothing_is_awaited_of_a_box_that_has_nothing() {
    let mut pair = Pair::ready();
    open(&mut pair);
    pair.say(&BoxMessage::Accepted { job: JOB });
    assert_eq!(pair.link.deadline(), None);
    assert_eq!(pair.pass(3600), []);
    assert_eq!(hand(&mut pair, 0), [item(0)]);
    assert!(pair.link.deadline().is_some());
    assert_eq!(pair.pass(29), []);
    assert!(matches!(&pair.pass(1)[..], [DeviceMessage::Hello { .. }]));
}

#[test]
fn a_resumed_job_tells_which_items_are_there_and_takes_the_others() {
    let mut first = Pair::ready();
    open(&mut first);
    let mut entry = first.kept[0].clone();
    entry.items = BTreeMap::from([(1, bytes(1))]);
    let mut pair = Pair::ready();
    pair.event(Event::Journal(vec![entry]));
    let resumed = ResumedJob {
        job: JOB,
        items: vec![1],
    };
    assert_eq!(
        pair.told.last(),
        Some(&LinkEvent::Resumed { jobs: vec![resumed] })
    );
    assert_eq!(pair.say(&BoxMessage::Accepted { job: JOB }), [item(1)]);
    // The answer to item 0 was accepted before this process began.
    pair.command(LinkCommand::SettleItem { job: JOB, index: 0 });
    assert_eq!(hand(&mut pair, 0), []);
    assert_eq!(hand(&mut pair, 2), [item(2)]);
    answer(&mut pair, 1);
    answer(&mut pair, 2);
    assert_eq!(answers(&pair), [1, 2]);
    assert_eq!(pair.link.deadline(), None, "every item has its answer");
}
