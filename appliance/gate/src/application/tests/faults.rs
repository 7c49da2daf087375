//! Compute dies, refuses or returns; the store fails; the carrier comes and goes.

use obscura_local::appliance::{ItemFault, KeyFault};
use obscura_protocol::{
    identity::JobId,
    message::{BoxMessage, DeviceMessage, Refusal},
};

use super::fixture::{Device, World, item, key_object, model};
use crate::ports::{Event, StoreChange, Task};

fn up() -> Event {
    Event::ComputeUp {
        models: vec![model()],
    }
}

fn busy_world() -> (World, Device) {
    let mut world = World::new();
    let mut device = world.device("device-1");
    world.store(&mut device, 1);
    let submit = device.submit(device.ticket(1, 1, 1));
    world.say(&mut device, &submit);
    assert_eq!(world.say(&mut device, &item(1, 0, 8)).tasks.len(), 1);
    (world, device)
}

fn fails(world: &mut World, fault: ItemFault) -> super::fixture::Out {
    world.event(Event::ItemDone {
        job: JobId([1; 16]),
        item: 0,
        outcome: Err(fault),
    })
}

#[test]
fn work_of_a_dead_compute_is_given_again_three_times_at_most() {
    let (mut world, _device) = busy_world();
    for _death in 0..2 {
        assert!(world.event(Event::ComputeDown).messages.is_empty());
        assert!(matches!(world.event(up()).tasks[..], [Task::Evaluate { .. }]));
    }
    assert_eq!(world.event(Event::ComputeDown).code(), Refusal::Internal);
    assert!(world.event(up()).tasks.is_empty());
}

#[test]
fn keys_that_never_stay_loaded_do_not_keep_compute_busy_for_ever() {
    let (mut world, _device) = busy_world();
    for _load in 0..6 {
        assert!(matches!(
            fails(&mut world, ItemFault::KeysNotLoaded).tasks[..],
            [Task::Load { .. }]
        ));
        assert!(matches!(world.conforms(1).tasks[..], [Task::Evaluate { .. }]));
    }
    assert_eq!(
        fails(&mut world, ItemFault::KeysNotLoaded).code(),
        Refusal::Internal
    );
}

#[test]
fn an_item_refused_after_failures_can_be_sent_again() {
    let (mut world, mut device) = busy_world();
    for _failure in 0..2 {
        assert_eq!(fails(&mut world, ItemFault::Internal).tasks.len(), 1);
    }
    assert_eq!(fails(&mut world, ItemFault::Internal).code(), Refusal::Internal);
    assert_eq!(world.say(&mut device, &item(1, 0, 8)).tasks.len(), 1);
    assert!(matches!(
        world.done(1, 0, 8).to(&device)[..],
        [BoxMessage::Answer { .. }]
    ));
}

#[test]
fn a_nonconforming_ciphertext_is_refused_and_the_queue_goes_on() {
    let (mut world, mut device) = busy_world();
    assert_eq!(
        fails(&mut world, ItemFault::BadCiphertext).code(),
        Refusal::BadCiphertext
    );
    assert_eq!(world.say(&mut device, &item(1, 0, 9)).tasks.len(), 1);
}

#[test]
fn items_wait_while_compute_is_down() {
    let (mut world, mut device) = busy_world();
    world.done(1, 0, 8);
    let out = world.event(Event::ComputeDown);
    assert_eq!(out.ready, [false]);
    let submit = device.submit(device.ticket(2, 1, 1));
    world.say(&mut device, &submit);
    assert!(world.say(&mut device, &item(2, 0, 8)).tasks.is_empty());
    let out = world.event(up());
    assert_eq!(out.ready, [true]);
    assert!(matches!(out.tasks[..], [Task::Evaluate { .. }]));
}

#[test]
fn keys_compute_refuses_are_deleted_and_refused() {
    for (fault, code) in [
        (KeyFault::HashMismatch, Refusal::HashMismatch),
        (KeyFault::NonConforming, Refusal::NonConforming),
        (KeyFault::TooLarge, Refusal::TooLarge),
    ] {
        let mut world = World::new();
        let mut device = world.device("device-1");
        world.upload(&mut device, 1);
        let (object, _) = key_object(1);
        let out = world.event(Event::KeysLoaded {
            fingerprint: object.digest,
            outcome: Err(fault),
        });
        let client = object.client;
        assert_eq!(out.changes, [StoreChange::Remove { client }]);
        assert_eq!(out.code(), code);
        let submit = device.submit(device.ticket(1, 1, 1));
        assert_eq!(world.say(&mut device, &submit).code(), Refusal::UnknownKey);
    }
}

#[test]
fn keys_that_kill_compute_three_times_are_nonconforming() {
    let mut world = World::new();
    let mut device = world.device("device-1");
    world.upload(&mut device, 1);
    for _death in 0..2 {
        assert!(world.event(Event::ComputeDown).messages.is_empty());
        assert!(matches!(world.event(up()).tasks[..], [Task::Load { .. }]));
    }
    assert_eq!(world.event(Event::ComputeDown).code(), Refusal::NonConforming);
}

#[test]
fn stored_keys_that_rotted_on_disk_are_unknown_to_the_jobs_that_need_them() {
    let (mut world, mut device) = busy_world();
    let (object, _) = key_object(1);
    let out = fails(&mut world, ItemFault::KeysNotLoaded);
    assert_eq!(out.tasks, [Task::Load { object }]);
    let out = world.event(Event::KeysLoaded {
        fingerprint: object.digest,
        outcome: Err(KeyFault::HashMismatch),
    });
    assert_eq!(out.code(), Refusal::UnknownKey);
    let fingerprint = object.digest;
    assert_eq!(out.tasks, [Task::Forget { fingerprint }]);
    assert!(
        !world
            .say(&mut device, &DeviceMessage::Offer { object })
            .wanted()
            .is_empty()
    );
}

#[test]
fn a_late_verdict_on_replaced_keys_is_not_taken_for_the_new_ones() {
    let (mut world, mut device) = busy_world();
    let (old, _) = key_object(1);
    fails(&mut world, ItemFault::KeysNotLoaded);
    let job = JobId([1; 16]);
    world.say(&mut device, &DeviceMessage::Cancel { job });
    let (mut new, _) = key_object(2);
    new.client = old.client;
    world.say(&mut device, &DeviceMessage::Offer { object: new });
    let out = world.event(Event::KeysLoaded {
        fingerprint: old.digest,
        outcome: Ok(()),
    });
    assert!(out.messages.is_empty() && out.changes.is_empty());
}

#[test]
fn a_failed_store_drops_the_object_and_says_so() {
    let mut world = World::new();
    let mut device = world.device("device-1");
    let (object, _) = key_object(1);
    world.say(&mut device, &DeviceMessage::Offer { object });
    let client = object.client;
    let out = world.event(Event::StoreFailed { client });
    assert_eq!(out.changes, [StoreChange::Remove { client }]);
    assert_eq!(out.code(), Refusal::Internal);
    assert_eq!(
        world
            .say(&mut device, &DeviceMessage::Offer { object })
            .wanted()
            .len(),
        5
    );
}

#[test]
fn is_ready_only_with_carrier_and_a_model() {
    let mut world = World::new();
    assert_eq!(world.event(Event::CarrierDown).ready, [false]);
    assert_eq!(world.event(Event::CarrierUp).ready, [true]);
    world.event(Event::ComputeDown);
    let out = world.event(Event::ComputeUp { models: Vec::new() });
    assert!(out.ready.is_empty());
}
