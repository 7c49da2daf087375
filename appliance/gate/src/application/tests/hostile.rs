//! Devices that mean harm: what they send is refused and counted, what it costs is bounded, others notice nothing.

use std::{collections::BTreeMap, time::Duration};

use obscura_local::appliance::ItemFault;
use obscura_protocol::{
    identity::{ClientId, JobId, PeerName},
    message::{BoxMessage, DeviceMessage, KeyState, Refusal},
    transfer::MAX_CHUNKS,
};

use super::fixture::{CHUNK, Device, World, chunk_message, item, key_object, name, settings};
use crate::ports::{Counts, Effect, Event, Note};

fn question() -> DeviceMessage {
    DeviceMessage::KeyStatus {
        client: ClientId([99; 16]),
    }
}

/// The gate still answers this device, at once.
fn still_serves(world: &mut World, device: &mut Device) {
    let out = world.say(device, &question());
    let [BoxMessage::KeyState { state, .. }] = out.to(device)[..] else {
        panic!("{out:?}");
    };
    assert_eq!(*state, KeyState::Missing);
}

/// What the gate's last words count, by device, and of devices it does not know.
fn counted(world: &mut World) -> (BTreeMap<PeerName, Counts>, u64) {
    for effect in world.gate.handle(world.now, Event::Ending) {
        if let Effect::Note(Note::Summary { devices, unknown }) = effect {
            return (devices, unknown);
        }
    }
    (BTreeMap::new(), 0)
}

#[test]
fn a_flood_of_bad_messages_is_answered_for_a_while_then_ignored_and_all_of_it_is_counted() {
    const FLOOD: u64 = 10_000;
    let mut world = World::new();
    let (mut flood, mut other) = (world.device("device-1"), world.device("device-2"));
    let replayed = flood.seal(&question());
    world.bytes(&name("device-1"), replayed.clone());
    let mut answered = 0;
    for n in 0..FLOOD {
        let topic = flood.name.clone();
        answered += u64::try_from(world.bytes(&topic, replayed.clone()).messages.len()).unwrap();
        if n % 100 == 0 {
            still_serves(&mut world, &mut other);
        }
    }
    // A few hundred at once, and fifty in each of the ten seconds that the fixture let pass.
    assert!((256..1000).contains(&answered), "{answered}");
    let (devices, _) = counted(&mut world);
    let counts = &devices[&name("device-1")];
    assert_eq!(counts.refused_as(Refusal::Replayed), answered);
    assert_eq!(counts.ignored, FLOOD - answered);
    assert!(!devices.contains_key(&name("device-2")));
    // A device that comes to its senses is served again.
    world.pass(Duration::from_secs(1));
    world.greet(&mut flood);
    still_serves(&mut world, &mut flood);
}

#[test]
fn refusals_that_are_the_boxs_own_doing_do_not_count_against_a_device() {
    let mut world = World::new();
    let mut device = world.device("device-1");
    world.store(&mut device, 1);
    let submit = device.submit(device.ticket(1, 1, 1));
    world.say(&mut device, &submit);
    for _ in 0..1000 {
        world.say(&mut device, &item(1, 0, 7));
        let out = world.event(Event::ItemDone {
            job: JobId([1; 16]),
            item: 0,
            outcome: Err(ItemFault::OutOfMemory),
        });
        assert_eq!(out.code(), Refusal::Internal);
    }
    still_serves(&mut world, &mut device);
}

#[test]
fn what_was_dropped_around_the_state_machine_is_in_the_summary() {
    let mut world = World::new();
    for (device, from, to) in [("device-1", 3, 0), ("device-1", 1, 5), ("stranger", 7, 0)] {
        let device = name(device);
        world.event(Event::Dropped { device, from, to });
    }
    let (devices, unknown) = counted(&mut world);
    let counts = &devices[&name("device-1")];
    assert_eq!(
        (counts.dropped_from, counts.dropped_to, counts.total()),
        (4, 5, 9)
    );
    assert_eq!((devices.len(), unknown), (1, 7));
    // Nothing changed since.
    assert_eq!(counted(&mut world), (BTreeMap::new(), 0));
}

#[test]
fn the_summary_comes_once_a_minute_at_most_and_only_when_something_changed() {
    let mut world = World::new();
    let topic = name("device-1");
    let mut summaries = 0;
    for _ in 0..120 {
        world.bytes(&topic, b"garbage".to_vec());
        world.now += Duration::from_secs(1);
        let effects = world.gate.handle(world.now, Event::Tick);
        let is_summary = |effect: &&Effect| matches!(effect, Effect::Note(Note::Summary { .. }));
        summaries += effects.iter().filter(is_summary).count();
    }
    assert_eq!(summaries, 2);
    // The last minute's end, and then silence.
    for expected in [1, 0] {
        world.now += Duration::from_mins(2);
        let effects = world.gate.handle(world.now, Event::Tick);
        let is_summary = |effect: &&Effect| matches!(effect, Effect::Note(Note::Summary { .. }));
        assert_eq!(effects.iter().filter(is_summary).count(), expected);
    }
}

#[test]
fn ten_thousand_and_one_chunks_store_no_more_than_the_object_that_was_offered() {
    let mut world = World::new();
    let mut device = world.device("device-1");
    let (object, bytes) = key_object(1);
    // An object of more chunks than any may have is not taken.
    let mut endless = object;
    endless.len_bytes = (u64::from(MAX_CHUNKS) + 1) * CHUNK as u64;
    let offer = DeviceMessage::Offer { object: endless };
    assert_eq!(world.say(&mut device, &offer).code(), Refusal::NonConforming);
    world.say(&mut device, &DeviceMessage::Offer { object });
    let (mut written, mut messages) = (0, 0);
    for index in 0..10_001_u32 {
        let chunk = match index {
            0 => chunk_message(&object, &bytes, 0),
            1.. => DeviceMessage::Chunk {
                object: object.digest,
                index: index.saturating_add(4),
                bytes: vec![0; CHUNK.min(64)],
            },
        };
        let out = world.say(&mut device, &chunk);
        written += out.changes.len();
        messages += out.messages.len();
    }
    assert_eq!(written, 1, "only the first chunk is one of the object's");
    assert!(messages < 1000, "most are not even answered");
    let (devices, _) = counted(&mut world);
    let counts = &devices[&device.name];
    assert_eq!(counts.total(), 10_001);
    assert!(counts.refused_as(Refusal::UnexpectedChunk) >= 256);
    let mut other = world.device("device-2");
    still_serves(&mut world, &mut other);
    world.store(&mut other, 2);
}

#[test]
fn chunks_and_items_of_anothers_job_are_refused_and_leave_it_as_it_was() {
    let mut world = World::new();
    let (mut owner, mut thief) = (world.device("device-1"), world.device("device-2"));
    world.store(&mut owner, 1);
    world.store(&mut thief, 2);
    let submit = owner.submit(owner.ticket(1, 1, 2));
    world.say(&mut owner, &submit);
    let (second, bytes) = key_object(3);
    world.say(&mut owner, &DeviceMessage::Offer { object: second });
    let job = JobId([1; 16]);
    for (message, code) in [
        (chunk_message(&second, &bytes, 0), Refusal::UnexpectedChunk),
        (item(1, 0, 7), Refusal::UnknownJob),
        (DeviceMessage::Cancel { job }, Refusal::UnknownJob),
        (owner.submit(owner.ticket(1, 1, 2)), Refusal::BadSignature),
        (thief.submit(owner.ticket(1, 1, 2)), Refusal::BadTicket),
    ] {
        let out = world.say(&mut thief, &message);
        assert_eq!(out.code(), code);
        assert!(out.tasks.is_empty() && out.changes.is_empty() && out.to(&owner).is_empty());
    }
    // An item of the thief's own job, under the same name, is not the owner's.
    let submit = thief.submit(thief.ticket(1, 2, 1));
    world.say(&mut thief, &submit);
    world.say(&mut thief, &item(1, 0, 7));
    let out = world.done(1, 0, 7);
    assert!(out.to(&owner).is_empty() && matches!(out.to(&thief)[..], [BoxMessage::Answer { .. }]));
    assert_eq!(world.say(&mut owner, &item(1, 0, 8)).tasks.len(), 1);
}

#[test]
fn a_ticket_of_yesterday_is_worth_nothing_to_another_and_buys_its_owner_no_second_evaluation() {
    let mut world = World::new();
    let (mut owner, mut thief) = (world.device("device-1"), world.device("device-2"));
    world.store(&mut owner, 1);
    let ticket = owner.submit(owner.ticket(1, 1, 1));
    let yesterday = owner.seal(&ticket);
    let topic = owner.name.clone();
    world.bytes(&topic, yesterday.clone());
    world.say(&mut owner, &item(1, 0, 7));
    world.done(1, 0, 7);
    world.pass(Duration::from_hours(24));
    world.greet(&mut owner);
    still_serves(&mut world, &mut owner);
    // The very bytes: the session they were said in is over.
    assert_eq!(world.bytes(&topic, yesterday).code(), Refusal::UnknownSession);
    // The ticket, said by another in an own session.
    assert_eq!(world.say(&mut thief, &ticket).code(), Refusal::BadSignature);
    // Its owner says it again: the job is open again, and the same item has the same answer, not a new one.
    assert!(matches!(
        world.say(&mut owner, &ticket).to(&owner)[..],
        [BoxMessage::Accepted { .. }]
    ));
    let out = world.say(&mut owner, &item(1, 0, 7));
    assert!(out.tasks.is_empty() && matches!(out.to(&owner)[..], [BoxMessage::Answer { .. }]));
    assert_eq!(world.say(&mut owner, &item(1, 0, 8)).code(), Refusal::BadTicket);
}

#[test]
fn a_ticket_whose_keys_are_gone_is_refused() {
    let mut settings = settings();
    settings.max_unused = Duration::from_hours(12);
    let mut world = World::with(settings, Vec::new());
    let mut device = world.device("device-1");
    world.store(&mut device, 1);
    let ticket = device.submit(device.ticket(1, 1, 1));
    world.pass(Duration::from_hours(24));
    assert_eq!(world.say(&mut device, &ticket).code(), Refusal::UnknownKey);
}
