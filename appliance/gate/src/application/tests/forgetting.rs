//! Keys that are revoked, unused, half-sent, or of devices that left.

use std::time::Duration;

use obscura_protocol::{
    identity::{ClientId, JobId},
    message::{BoxMessage, DeviceMessage, KeyState, Refusal},
};

use super::fixture::{Device, World, chunk_message, item, key_object, settings};
use crate::ports::{Event, StoreChange, StoredObject, Task};

const DAY: Duration = Duration::from_hours(24);

fn removed(changes: &[StoreChange]) -> Vec<u8> {
    let removed = changes.iter().filter_map(|change| match change {
        StoreChange::Remove { client } => Some(client.0[0]),
        _ => None,
    });
    removed.collect()
}

fn key_state(world: &mut World, device: &mut Device, client: u8) -> KeyState {
    let client = ClientId([client; 16]);
    let out = world.say(device, &DeviceMessage::KeyStatus { client });
    match out.to(device)[..] {
        [BoxMessage::KeyState { state, .. }] => *state,
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn revoked_keys_are_gone_at_once_from_disk_and_memory_with_the_jobs_that_need_them() {
    let mut world = World::new();
    let mut device = world.device_of_version_2("device-1");
    let mut other = world.device_of_version_2("device-2");
    world.store(&mut device, 1);
    world.store(&mut device, 2);
    world.store(&mut other, 3);
    let submit = device.submit(device.ticket(1, 1, 2));
    world.say(&mut device, &submit);
    world.say(&mut device, &item(1, 0, 0));
    world.say(&mut device, &item(1, 1, 1));
    let out = world.say(&mut device, &DeviceMessage::RevokeKeys);
    assert_eq!(removed(&out.changes), [1, 2]);
    let job = JobId([1; 16]);
    let forget = |client| Task::Forget {
        fingerprint: key_object(client).0.digest,
    };
    assert_eq!(out.tasks, [Task::Cancel { job }, forget(1), forget(2)]);
    assert_eq!(out.to(&device), [&BoxMessage::Revoked { objects: 2 }]);
    let out = world.done(1, 0, 0);
    assert!(out.messages.is_empty() && out.tasks.is_empty(), "{out:?}");
    assert_eq!(key_state(&mut world, &mut device, 1), KeyState::Missing);
    let submit = device.submit(device.ticket(1, 1, 2));
    assert_eq!(world.say(&mut device, &submit).code(), Refusal::UnknownKey);
    assert!(matches!(
        key_state(&mut world, &mut other, 3),
        KeyState::Stored { .. }
    ));
}

#[test]
fn keys_nobody_has_used_for_long_are_forgotten_and_a_use_keeps_them() {
    let mut world = World::new();
    let mut device = world.device("device-1");
    world.store(&mut device, 1);
    world.store(&mut device, 2);
    assert_eq!(removed(&world.pass(60 * DAY).changes), []);
    let submit = device.submit(device.ticket(1, 2, 1));
    world.say(&mut device, &submit);
    world.say(&mut device, &item(1, 0, 0));
    world.done(1, 0, 0);
    assert_eq!(removed(&world.pass(30 * DAY).changes), [1]);
    assert!(matches!(
        key_state(&mut world, &mut device, 2),
        KeyState::Stored { .. }
    ));
    assert_eq!(removed(&world.pass(60 * DAY).changes), [2]);
}

#[test]
fn an_upload_that_rests_is_forgotten_and_one_that_goes_on_is_not() {
    let mut world = World::new();
    let mut device = world.device("device-1");
    let (object, bytes) = key_object(1);
    world.say(&mut device, &DeviceMessage::Offer { object });
    world.pass(DAY / 2);
    world.say(&mut device, &chunk_message(&object, &bytes, 0));
    assert_eq!(removed(&world.pass(DAY * 3 / 4).changes), []);
    assert_eq!(removed(&world.pass(DAY / 4).changes), [1]);
    assert_eq!(key_state(&mut world, &mut device, 1), KeyState::Missing);
}

#[test]
fn at_start_the_keys_of_devices_that_left_and_what_was_unused_before_are_forgotten() {
    let stored = |device: &str, client: u8, unused: Duration| StoredObject {
        device: Device::new(device).name,
        object: key_object(client).0,
        bitmap: vec![0b1_1111],
        conforming: true,
        unused,
    };
    let found = vec![
        stored("device-1", 1, 89 * DAY),
        stored("device-1", 2, 90 * DAY),
        stored("device-9", 3, Duration::ZERO),
    ];
    let mut world = World::with(settings(), found);
    assert_eq!(removed(&world.event(Event::Tick).changes), [2, 3]);
}
