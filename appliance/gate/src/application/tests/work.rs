//! The way through: upload, resume, jobs, fairness, re-sends.

use std::time::Duration;

use obscura_protocol::{
    identity::JobId,
    message::{BoxMessage, DeviceMessage, KeyState, Phase, Refusal},
};

use super::fixture::{
    Device, ITEM_BYTES, MODEL, World, answer_to, chunk_message, item, key_object, settings,
};
use crate::ports::{Event, StoreChange, StoredObject, Task};

fn accepted(world: &mut World, device: &mut Device, job: u8, items: u32) {
    let submit = device.submit(device.ticket(job, 1, items));
    let out = world.say(device, &submit);
    let job = JobId([job; 16]);
    assert_eq!(out.to(device), [&BoxMessage::Accepted { job }]);
}

/// A device with stored keys, known to the box as client 1.
fn ready_device(world: &mut World) -> Device {
    let mut device = world.device("device-1");
    world.store(&mut device, 1);
    device
}

/// Which item compute is asked to evaluate.
fn evaluated(tasks: &[Task]) -> Option<(u8, u32)> {
    match tasks {
        [Task::Evaluate { job, item, .. }] => Some((job.0[0], *item)),
        [] => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn stores_keys_in_an_order_that_survives_a_power_cut_and_says_so_only_after_the_check() {
    let mut world = World::new();
    let mut device = world.device("device-1");
    let (object, bytes) = key_object(1);
    let out = world.say(&mut device, &DeviceMessage::Offer { object });
    assert_eq!(out.wanted(), [0, 1, 2, 3, 4]);
    assert!(matches!(out.changes[..], [StoreChange::Create { .. }]));
    for index in 0..4 {
        let out = world.say(&mut device, &chunk_message(&object, &bytes, index));
        assert!(matches!(out.changes[..], [StoreChange::Write { .. }]));
    }
    let out = world.say(&mut device, &chunk_message(&object, &bytes, 4));
    assert!(matches!(
        &out.changes[..],
        [StoreChange::Write { .. }, StoreChange::Persist { bitmap, .. }] if *bitmap == [0b1_1111]
    ));
    assert_eq!(out.tasks, [Task::Load { object }]);
    assert!(out.messages.is_empty(), "stored only after the check");
    let client = object.client;
    let out = world.say(&mut device, &DeviceMessage::KeyStatus { client });
    let state = KeyState::Partial {
        object: object.digest,
        have: 5,
        of: 5,
    };
    assert_eq!(out.to(&device), [&BoxMessage::KeyState { client, state }]);
    let out = world.conforms(1);
    assert_eq!(out.changes, [StoreChange::MarkConforming { client }]);
    let object = object.digest;
    assert_eq!(out.to(&device), [&BoxMessage::Stored { object }]);
    let out = world.say(&mut device, &DeviceMessage::KeyStatus { client });
    let state = KeyState::Stored { object };
    assert_eq!(out.to(&device), [&BoxMessage::KeyState { client, state }]);
}

#[test]
fn after_a_restart_only_the_missing_chunks_are_asked_for() {
    let (object, bytes) = key_object(1);
    let found = StoredObject {
        device: Device::new("device-1").name,
        object,
        bitmap: vec![0b0_1101],
        conforming: false,
        unused: Duration::ZERO,
    };
    let mut world = World::with(settings(), vec![found]);
    let mut device = world.device("device-1");
    let client = object.client;
    let out = world.say(&mut device, &DeviceMessage::KeyStatus { client });
    let state = KeyState::Partial {
        object: object.digest,
        have: 3,
        of: 5,
    };
    assert_eq!(out.to(&device), [&BoxMessage::KeyState { client, state }]);
    let out = world.say(&mut device, &DeviceMessage::Offer { object });
    assert_eq!(out.wanted(), [1, 4]);
    assert!(out.changes.is_empty());
    world.say(&mut device, &chunk_message(&object, &bytes, 1));
    let out = world.say(&mut device, &chunk_message(&object, &bytes, 4));
    assert_eq!(out.tasks, [Task::Load { object }]);
}

#[test]
fn the_bitmap_of_a_slow_upload_is_made_durable_after_some_seconds() {
    let mut world = World::new();
    let mut device = world.device("device-1");
    let (object, bytes) = key_object(1);
    world.say(&mut device, &DeviceMessage::Offer { object });
    world.say(&mut device, &chunk_message(&object, &bytes, 3));
    let changes: Vec<_> = (0..20).flat_map(|_| world.event(Event::Tick).changes).collect();
    let (client, bitmap) = (object.client, vec![0b0_1000]);
    assert_eq!(changes, [StoreChange::Persist { client, bitmap }]);
}

#[test]
fn after_a_new_session_everything_missing_is_asked_for_again() {
    let mut world = World::new();
    let mut device = world.device("device-1");
    let (object, bytes) = key_object(1);
    world.say(&mut device, &DeviceMessage::Offer { object });
    world.say(&mut device, &chunk_message(&object, &bytes, 2));
    world.greet(&mut device);
    let out = world.say(&mut device, &DeviceMessage::Offer { object });
    assert_eq!(out.wanted(), [0, 1, 3, 4]);
}

#[test]
fn keys_stored_before_a_restart_serve_a_job_and_are_loaded_on_demand() {
    let (object, _) = key_object(1);
    let found = StoredObject {
        device: Device::new("device-1").name,
        object,
        bitmap: vec![0b1_1111],
        conforming: true,
        unused: Duration::ZERO,
    };
    let mut world = World::with(settings(), vec![found]);
    let mut device = world.device("device-1");
    accepted(&mut world, &mut device, 1, 1);
    assert_eq!(
        evaluated(&world.say(&mut device, &item(1, 0, 8)).tasks),
        Some((1, 0))
    );
    let out = world.event(Event::ItemDone {
        job: JobId([1; 16]),
        item: 0,
        outcome: Err(obscura_local::appliance::ItemFault::KeysNotLoaded),
    });
    assert_eq!(out.tasks, [Task::Load { object }]);
    let out = world.conforms(1);
    assert_eq!(evaluated(&out.tasks), Some((1, 0)));
    assert!(matches!(
        world.done(1, 0, 8).to(&device)[..],
        [BoxMessage::Answer { .. }]
    ));
}

#[test]
fn answers_an_item_with_progress_and_receipt() {
    let mut world = World::new();
    let mut device = ready_device(&mut world);
    accepted(&mut world, &mut device, 1, 1);
    let out = world.say(&mut device, &item(1, 0, 8));
    let (job, index) = (JobId([1; 16]), 0);
    let queued = Phase::Queued { ahead: 0 };
    let phase = |phase| BoxMessage::Progress { job, index, phase };
    assert_eq!(out.to(&device), [&phase(queued)]);
    let [
        Task::Evaluate {
            model_hash,
            key_fingerprint,
            bytes,
            ..
        },
    ] = &out.tasks[..]
    else {
        panic!("{out:?}");
    };
    assert_eq!((*model_hash, *key_fingerprint), (MODEL, key_object(1).0.digest));
    assert_eq!(*bytes, [8; ITEM_BYTES]);
    let moved = Event::ItemMoved {
        job,
        item: 0,
        done: 1,
        of: 2,
    };
    let out = world.event(moved);
    assert_eq!(out.to(&device), [&phase(Phase::Computing { done: 1, of: 2 })]);
    let answer = answer_to(&[8; ITEM_BYTES]);
    let want = BoxMessage::Answer {
        job,
        index,
        bytes: answer.bytes,
        receipt: answer.receipt,
    };
    assert_eq!(world.done(1, 0, 8).to(&device), [&want]);
    // The same bytes again, after the job is over and in a new session, give the same answer.
    world.greet(&mut device);
    accepted(&mut world, &mut device, 1, 1);
    let out = world.say(&mut device, &item(1, 0, 8));
    assert_eq!(out.to(&device), [&want]);
    assert!(out.tasks.is_empty());
}

#[test]
fn submitting_the_same_ticket_again_is_accepted_and_another_one_is_not() {
    let mut world = World::new();
    let mut device = ready_device(&mut world);
    accepted(&mut world, &mut device, 1, 2);
    accepted(&mut world, &mut device, 1, 2);
    let other = device.submit(device.ticket(1, 1, 3));
    assert_eq!(world.say(&mut device, &other).code(), Refusal::BadTicket);
    world.say(&mut device, &item(1, 0, 8));
    // The same item again is not computed twice; another input under its number is refused.
    assert!(world.say(&mut device, &item(1, 0, 8)).tasks.is_empty());
    assert_eq!(world.say(&mut device, &item(1, 0, 9)).code(), Refusal::BadTicket);
}

#[test]
fn devices_are_served_in_turn() {
    let mut world = World::new();
    let mut first = ready_device(&mut world);
    let mut second = world.device("device-2");
    world.store(&mut second, 2);
    accepted(&mut world, &mut first, 1, 3);
    let submit = second.submit(second.ticket(2, 2, 2));
    world.say(&mut second, &submit);
    for index in 0..3 {
        world.say(&mut first, &item(1, index, 8));
    }
    let out = world.say(&mut second, &item(2, 0, 8));
    // One is computed, and one of the first device comes before.
    let phase = Phase::Queued { ahead: 2 };
    let (job, index) = (JobId([2; 16]), 0);
    assert_eq!(out.to(&second), [&BoxMessage::Progress { job, index, phase }]);
    let order: Vec<_> = [(1, 0), (1, 1), (2, 0), (1, 2)]
        .into_iter()
        .map(|(job, index)| evaluated(&world.done(job, index, 8).tasks))
        .collect();
    assert_eq!(order, [Some((1, 1)), Some((2, 0)), Some((1, 2)), None]);
}

#[test]
fn tells_waiting_devices_when_their_turn_comes_nearer() {
    let mut world = World::new();
    let mut device = ready_device(&mut world);
    accepted(&mut world, &mut device, 1, 3);
    for index in 0..3 {
        world.say(&mut device, &item(1, index, 8));
    }
    assert_eq!(world.event(Event::Tick).messages.len(), 1);
    assert_eq!(world.event(Event::Tick).messages.len(), 0);
    world.done(1, 0, 8);
    let out = world.event(Event::Tick);
    let (job, index, phase) = (JobId([1; 16]), 2, Phase::Queued { ahead: 1 });
    assert_eq!(out.to(&device), [&BoxMessage::Progress { job, index, phase }]);
}

#[test]
fn an_idle_job_gives_way_and_a_waiting_one_does_not() {
    let mut world = World::new();
    let mut device = ready_device(&mut world);
    accepted(&mut world, &mut device, 1, 1);
    accepted(&mut world, &mut device, 2, 1);
    world.say(&mut device, &item(2, 0, 8));
    accepted(&mut world, &mut device, 3, 1);
    assert_eq!(world.say(&mut device, &item(1, 0, 8)).code(), Refusal::UnknownJob);
    world.say(&mut device, &item(3, 0, 8));
    let submit = device.submit(device.ticket(4, 1, 1));
    assert_eq!(world.say(&mut device, &submit).code(), Refusal::Busy);
}

#[test]
fn a_cancelled_job_is_not_computed_and_its_late_answer_is_dropped() {
    let mut world = World::new();
    let mut device = ready_device(&mut world);
    accepted(&mut world, &mut device, 1, 2);
    world.say(&mut device, &item(1, 0, 8));
    world.say(&mut device, &item(1, 1, 8));
    let job = JobId([1; 16]);
    let out = world.say(&mut device, &DeviceMessage::Cancel { job });
    assert_eq!(out.tasks, [Task::Cancel { job }]);
    let out = world.done(1, 0, 8);
    assert!(out.messages.is_empty() && out.tasks.is_empty());
    let again = DeviceMessage::Cancel { job };
    assert_eq!(world.say(&mut device, &again).code(), Refusal::UnknownJob);
}

#[test]
fn an_answer_for_a_device_without_a_session_waits_until_it_asks_again() {
    let mut world = World::new();
    let mut device = ready_device(&mut world);
    accepted(&mut world, &mut device, 1, 1);
    world.say(&mut device, &item(1, 0, 8));
    world.say(&mut device, &DeviceMessage::Goodbye);
    assert!(world.done(1, 0, 8).messages.is_empty());
    world.greet(&mut device);
    accepted(&mut world, &mut device, 1, 1);
    let out = world.say(&mut device, &item(1, 0, 8));
    assert!(matches!(out.to(&device)[..], [BoxMessage::Answer { .. }]));
}
