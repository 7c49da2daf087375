//! Model bundles: who may send one, how one arrives, and what becomes of the others.

use std::time::Duration;

use obscura_protocol::{
    identity::Digest,
    message::{BoxMessage, DeviceMessage, KeyState, Refusal},
    transfer::{MAX_BUNDLE_BYTES, ObjectHeader, ObjectKind},
};

use super::fixture::{CHUNK, Device, Out, World, chunk_message, key_object, settings};
use crate::ports::{Event, StoreChange, StoredObject};

const DAY: Duration = Duration::from_hours(24);
/// Three chunks, the last one short.
const BUNDLE_BYTES: usize = 2 * CHUNK + 5;

fn bundle(device: &Device, fill: u8) -> (ObjectHeader, Vec<u8>) {
    let bytes = vec![fill; BUNDLE_BYTES];
    let header = ObjectHeader::of_bundle(&device.name, Digest::of(&bytes), bytes.len() as u64);
    (header, bytes)
}

fn sender(world: &mut World) -> Device {
    world.device_of_version(3, "device-1")
}

fn offer(world: &mut World, device: &mut Device, object: ObjectHeader) -> Out {
    world.say(device, &DeviceMessage::Offer { object })
}

/// Offers a bundle and sends all of it: what the last chunk brings about.
fn upload(world: &mut World, device: &mut Device, (header, bytes): &(ObjectHeader, Vec<u8>)) -> Out {
    let mut out = offer(world, device, *header);
    for index in out.wanted() {
        out = world.say(device, &chunk_message(header, bytes, index));
    }
    out
}

fn hashed(world: &mut World, header: &ObjectHeader, digest: Option<Digest>) -> Out {
    let client = header.client;
    world.event(Event::Hashed { client, digest })
}

/// Sends a bundle and has it handed over.
fn store(world: &mut World, device: &mut Device, fill: u8) -> Out {
    let (header, bytes) = bundle(device, fill);
    upload(world, device, &(header, bytes));
    hashed(world, &header, Some(header.digest));
    world.event(Event::Delivered {
        client: header.client,
    })
}

#[test]
fn a_whole_bundle_is_hashed_then_handed_over_then_answered() {
    let mut world = World::new();
    let mut device = sender(&mut world);
    let (header, bytes) = bundle(&device, 1);
    let (client, digest) = (header.client, header.digest);
    let out = offer(&mut world, &mut device, header);
    assert_eq!(out.wanted(), [0, 1, 2]);
    assert!(matches!(&out.changes[..], [StoreChange::Create { object, .. }] if *object == header));
    world.say(&mut device, &chunk_message(&header, &bytes, 0));
    world.say(&mut device, &chunk_message(&header, &bytes, 1));
    let out = world.say(&mut device, &chunk_message(&header, &bytes, 2));
    assert_eq!(out.hashes, [client]);
    assert!(
        matches!(&out.changes[..], [StoreChange::Write { .. }, StoreChange::Persist { bitmap, .. }] if *bitmap == [0b111]),
        "{out:?}"
    );
    assert!(out.messages.is_empty() && out.tasks.is_empty(), "{out:?}");
    let out = hashed(&mut world, &header, Some(digest));
    assert_eq!(out.changes, [StoreChange::Deliver { client, digest }]);
    assert!(out.messages.is_empty(), "not before it is durable: {out:?}");
    let out = world.event(Event::Delivered { client });
    assert_eq!(out.to(&device), [&BoxMessage::Stored { object: digest }]);
    // The answer may be lost: who offers it again hears it again and sends nothing.
    let out = offer(&mut world, &mut device, header);
    assert_eq!(out.to(&device), [&BoxMessage::Stored { object: digest }]);
    assert!(out.changes.is_empty(), "{out:?}");
}

#[test]
fn a_device_whose_roster_entry_does_not_say_so_may_send_no_model() {
    let mut world = World::new();
    let mut device = world.device_of_version(3, "device-3");
    let (header, _) = bundle(&device, 1);
    let out = offer(&mut world, &mut device, header);
    assert_eq!(out.code(), Refusal::NotAllowed);
    assert!(out.changes.is_empty(), "{out:?}");
}

#[test]
fn before_version_3_there_are_no_bundles() {
    let mut world = World::new();
    let mut device = world.device_of_version_2("device-1");
    let (header, _) = bundle(&device, 1);
    let out = offer(&mut world, &mut device, header);
    assert_eq!(out.code(), Refusal::Malformed);
    assert!(out.changes.is_empty(), "{out:?}");
}

#[test]
fn a_bundle_of_another_size_or_under_another_name_is_refused() {
    let mut world = World::new();
    let mut device = sender(&mut world);
    let of = |len_bytes: u64| ObjectHeader::of_bundle(&device.name, Digest([9; 32]), len_bytes);
    let largest = u64::from(MAX_BUNDLE_BYTES);
    let other_device = ObjectHeader::of_bundle(&"device-2".parse().unwrap(), Digest([9; 32]), 5);
    let as_parameters = ObjectHeader {
        parameter_hash: Digest([1; 32]),
        ..of(5)
    };
    for (object, code) in [
        (of(0), Refusal::TooLarge),
        (of(largest + 1), Refusal::TooLarge),
        (other_device, Refusal::NonConforming),
        (as_parameters, Refusal::NonConforming),
    ] {
        assert_eq!(offer(&mut world, &mut device, object).code(), code);
    }
    let object = ObjectHeader::of_bundle(&device.name, Digest([9; 32]), largest);
    assert!(!offer(&mut world, &mut device, object).wanted().is_empty());
}

#[test]
fn a_bundle_with_another_hash_is_dropped_and_its_device_hears_it() {
    for (digest, code) in [
        (Some(Digest([0; 32])), Refusal::HashMismatch),
        (None, Refusal::Internal),
    ] {
        let mut world = World::new();
        let mut device = sender(&mut world);
        let (header, bytes) = bundle(&device, 1);
        upload(&mut world, &mut device, &(header, bytes));
        let out = hashed(&mut world, &header, digest);
        assert_eq!(out.code(), code);
        let client = header.client;
        assert_eq!(out.changes, [StoreChange::Remove { client }]);
        let out = world.say(&mut device, &DeviceMessage::KeyStatus { client });
        let state = KeyState::Missing;
        assert_eq!(out.to(&device), [&BoxMessage::KeyState { client, state }]);
    }
}

#[test]
fn a_bundle_goes_on_from_its_bitmap_after_a_restart_and_a_whole_one_is_only_hashed() {
    let device = Device::new("device-1");
    let (header, bytes) = bundle(&device, 1);
    let found = |bitmap: u8| StoredObject {
        device: device.name.clone(),
        object: header,
        bitmap: vec![bitmap],
        conforming: false,
        unused: Duration::ZERO,
    };
    let mut world = World::with(settings(), vec![found(0b101)]);
    let mut sender = sender(&mut world);
    let client = header.client;
    let out = world.say(&mut sender, &DeviceMessage::KeyStatus { client });
    let (object, have, of) = (header.digest, 2, 3);
    let state = KeyState::Partial { object, have, of };
    assert_eq!(out.to(&sender), [&BoxMessage::KeyState { client, state }]);
    let out = offer(&mut world, &mut sender, header);
    assert_eq!(out.wanted(), [1]);
    assert!(out.changes.is_empty(), "{out:?}");
    let out = world.say(&mut sender, &chunk_message(&header, &bytes, 1));
    assert_eq!(out.hashes, [client]);

    let mut world = World::with(settings(), vec![found(0b111)]);
    let mut sender = world.device_of_version(3, "device-1");
    let out = offer(&mut world, &mut sender, header);
    assert_eq!((out.hashes.len(), out.wanted().len()), (1, 0));
}

#[test]
fn a_bundle_that_rests_is_forgotten_and_so_is_one_whose_device_may_send_none_any_more() {
    let mut world = World::new();
    let mut device = sender(&mut world);
    let (header, bytes) = bundle(&device, 1);
    let client = header.client;
    offer(&mut world, &mut device, header);
    world.pass(DAY / 2);
    world.say(&mut device, &chunk_message(&header, &bytes, 0));
    let removed = |out: Out| out.changes.contains(&StoreChange::Remove { client });
    assert!(!removed(world.pass(DAY * 3 / 4)));
    assert!(removed(world.pass(DAY / 4)));

    let found = StoredObject {
        device: device.name.clone(),
        object: header,
        bitmap: vec![0],
        conforming: false,
        unused: Duration::ZERO,
    };
    let mut settings = settings();
    settings.model_senders.clear();
    assert!(removed(World::with(settings, vec![found]).event(Event::Tick)));
}

#[test]
fn a_device_sends_one_bundle_at_a_time_and_few_wait_for_the_next_start() {
    let mut world = World::new();
    let mut device = sender(&mut world);
    let mut other = world.device_of_version(3, "device-2");
    let ((first, _), (second, bytes)) = (bundle(&device, 1), bundle(&device, 2));
    offer(&mut world, &mut device, first);
    let out = offer(&mut world, &mut device, second);
    let client = first.client;
    assert!(
        matches!(&out.changes[..], [StoreChange::Remove { client: gone }, StoreChange::Create { .. }] if *gone == client),
        "{out:?}"
    );
    // A length that was wrong is no reason to be stuck with it.
    let longer = ObjectHeader::of_bundle(&device.name, second.digest, second.len_bytes + 1);
    assert_eq!(offer(&mut world, &mut device, longer).changes.len(), 2);
    assert_eq!(offer(&mut world, &mut device, second).changes.len(), 2);
    upload(&mut world, &mut device, &(second, bytes));
    // The second one is being hashed: it cannot be given up now.
    assert_eq!(offer(&mut world, &mut device, first).code(), Refusal::Busy);
    hashed(&mut world, &second, Some(second.digest));
    let client = second.client;
    world.event(Event::Delivered { client });
    for fill in [3, 4, 5] {
        let out = store(&mut world, &mut device, fill);
        assert!(matches!(out.to(&device)[..], [BoxMessage::Stored { .. }]));
    }
    assert_eq!(offer(&mut world, &mut device, first).code(), Refusal::Busy);
    let (of_other, _) = bundle(&other, 1);
    assert!(!offer(&mut world, &mut other, of_other).wanted().is_empty());
}

#[test]
fn a_bundle_is_no_set_of_keys() {
    let mut world = World::new();
    let mut device = sender(&mut world);
    for client in [1, 2, 3] {
        world.store(&mut device, client);
    }
    let (header, bytes) = bundle(&device, 1);
    // As many sets of keys as a device may keep are there, and none of them goes.
    let out = upload(&mut world, &mut device, &(header, bytes));
    assert!(
        !out.changes
            .iter()
            .any(|change| matches!(change, StoreChange::Remove { .. }))
    );
    let out = world.say(&mut device, &DeviceMessage::RevokeKeys);
    assert_eq!(out.to(&device), [&BoxMessage::Revoked { objects: 3 }]);
    // Compute that comes back checks keys, never a bundle.
    world.event(Event::ComputeDown);
    let models = vec![super::fixture::model()];
    assert!(world.event(Event::ComputeUp { models }).tasks.is_empty());
    let out = hashed(&mut world, &header, Some(header.digest));
    assert!(
        matches!(out.changes[..], [StoreChange::Deliver { .. }]),
        "{out:?}"
    );
    // Keys that call themselves a bundle conform to nothing.
    let mut object = key_object(4).0;
    object.kind = ObjectKind::Bundle;
    assert_eq!(
        offer(&mut world, &mut device, object).code(),
        Refusal::NonConforming
    );
}

#[test]
fn a_bundle_the_store_cannot_hand_over_is_dropped_and_never_called_stored() {
    let mut world = World::new();
    let mut device = sender(&mut world);
    let (header, bytes) = bundle(&device, 1);
    upload(&mut world, &mut device, &(header, bytes));
    hashed(&mut world, &header, Some(header.digest));
    let client = header.client;
    let out = world.event(Event::StoreFailed { client });
    assert_eq!(out.code(), Refusal::Internal);
    assert_eq!(out.changes, [StoreChange::Remove { client }]);
    assert_eq!(world.event(Event::Delivered { client }).effects, 0);
    assert_eq!(hashed(&mut world, &header, Some(header.digest)).effects, 0);
    assert!(!offer(&mut world, &mut device, header).wanted().is_empty());
}
