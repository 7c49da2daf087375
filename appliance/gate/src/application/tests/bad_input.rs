//! Whatever a peer sends is refused with its own reason, and the gate goes on serving.

use obscura_protocol::{
    CURRENT_VERSION,
    envelope::{self, Header, MAX_ENVELOPE_BYTES},
    identity::{ClientId, Digest, SessionId, SiteId},
    job::{MAX_ITEMS, Ticket},
    message::{BoxMessage, DeviceMessage, KeyState, MAX_ITEM_BYTES, Refusal},
};
use proptest::prelude::*;

use super::fixture::{
    CHUNK, Device, ITEM_BYTES, KEY_BYTES, World, chunk_message, item, key_object, name, settings,
};

/// The gate still answers this device.
fn still_serves(world: &mut World, device: &mut Device) {
    let client = ClientId([99; 16]);
    let out = world.say(device, &DeviceMessage::KeyStatus { client });
    let missing = BoxMessage::KeyState {
        client,
        state: KeyState::Missing,
    };
    assert_eq!(out.to(device), [&missing]);
}

#[test]
fn garbage_and_truncated_messages_are_malformed() {
    let mut world = World::new();
    let mut device = world.device("device-1");
    let good = device.seal(&DeviceMessage::Goodbye);
    for bytes in [b"garbage".to_vec(), Vec::new(), good[..good.len() - 1].to_vec()] {
        let topic = device.name.clone();
        assert_eq!(
            world.bytes(&topic, bytes).refusal(),
            (Refusal::Malformed, 0, SessionId::NONE)
        );
    }
    still_serves(&mut world, &mut device);
}

#[test]
fn a_signed_envelope_around_garbage_is_malformed_in_its_session() {
    let mut world = World::new();
    let mut device = world.device("device-1");
    let header = device.next_header();
    let bytes = envelope::seal(&header, &[0xff; 40], &device.identity);
    let topic = device.name.clone();
    let session = device.session;
    assert_eq!(
        world.bytes(&topic, bytes).refusal(),
        (Refusal::Malformed, 1, session)
    );
    still_serves(&mut world, &mut device);
}

#[test]
fn an_oversized_message_is_too_large() {
    let mut world = World::new();
    let mut device = world.device("device-1");
    let topic = device.name.clone();
    let out = world.bytes(&topic, vec![0; MAX_ENVELOPE_BYTES + 1]);
    assert_eq!(out.code(), Refusal::TooLarge);
    still_serves(&mut world, &mut device);
}

#[test]
fn a_replayed_message_is_refused_in_session() {
    let mut world = World::new();
    let mut device = world.device("device-1");
    let client = ClientId([1; 16]);
    let bytes = device.seal(&DeviceMessage::KeyStatus { client });
    let topic = device.name.clone();
    world.bytes(&topic, bytes.clone());
    let session = device.session;
    assert_eq!(
        world.bytes(&topic, bytes).refusal(),
        (Refusal::Replayed, 1, session)
    );
    still_serves(&mut world, &mut device);
}

#[test]
fn a_replayed_hello_does_not_end_the_session() {
    let mut world = World::new();
    let mut device = Device::new("device-1");
    let hello = device.hello();
    world.greet(&mut device);
    still_serves(&mut world, &mut device);
    let topic = device.name.clone();
    for _ in 0..10 {
        world.bytes(&topic, hello.clone());
        still_serves(&mut world, &mut device);
    }
}

#[test]
fn a_message_of_a_former_session_is_refused_outside() {
    let mut world = World::new();
    let mut device = world.device("device-1");
    still_serves(&mut world, &mut device);
    let old = (device.session, device.sequence);
    world.greet(&mut device);
    let new = (device.session, device.sequence);
    // Until the new session is used, the former one is good.
    (device.session, device.sequence) = old;
    still_serves(&mut world, &mut device);
    let old = (device.session, device.sequence);
    (device.session, device.sequence) = new;
    still_serves(&mut world, &mut device);
    (device.session, device.sequence) = old;
    let out = world.say(&mut device, &DeviceMessage::Goodbye);
    assert_eq!(
        out.refusal(),
        (Refusal::UnknownSession, device.sequence, SessionId::NONE)
    );
}

#[test]
fn a_wrong_signature_or_another_devices_name_is_refused() {
    let mut world = World::new();
    let mut device = world.device("device-1");
    let mut impostor = Device::new("device-2");
    impostor.name = name("device-1");
    impostor.session = device.session;
    let forged = impostor.seal(&DeviceMessage::Goodbye);
    let topic = device.name.clone();
    assert_eq!(world.bytes(&topic, forged).code(), Refusal::BadSignature);
    let mut other = world.device("device-2");
    let moved = other.seal(&DeviceMessage::Goodbye);
    assert_eq!(world.bytes(&topic, moved).code(), Refusal::UnknownDevice);
    still_serves(&mut world, &mut device);
}

#[test]
fn a_message_for_another_box_is_refused() {
    let mut world = World::new();
    let mut device = world.device("device-1");
    let header = Header {
        recipient: name("box-2"),
        ..device.next_header()
    };
    let bytes = envelope::seal(&header, &DeviceMessage::Goodbye.encode(), &device.identity);
    let topic = device.name.clone();
    assert_eq!(world.bytes(&topic, bytes).code(), Refusal::UnknownDevice);
    still_serves(&mut world, &mut device);
}

#[test]
fn an_unknown_device_gets_no_answer() {
    let mut world = World::new();
    let mut device = world.device("device-1");
    let stranger = Device::new("stranger");
    let topic = stranger.name.clone();
    for _ in 0..3 {
        assert!(world.bytes(&topic, stranger.hello()).messages.is_empty());
        assert!(world.bytes(&topic, b"garbage".to_vec()).messages.is_empty());
    }
    still_serves(&mut world, &mut device);
}

#[test]
fn unknown_devices_are_mentioned_in_the_log_at_intervals_only() {
    let mut world = World::new();
    let topic = name("stranger");
    let notes: usize = (0..1000).map(|_| world.bytes(&topic, Vec::new()).effects).sum();
    assert_eq!(notes, 1);
}

#[test]
fn a_wrong_version_is_refused_in_header_and_hello() {
    let mut world = World::new();
    let mut device = world.device("device-1");
    let topic = device.name.clone();
    for version in [0, 2, 3, u16::MAX] {
        let header = Header {
            version,
            ..device.next_header()
        };
        let bytes = envelope::seal(&header, &DeviceMessage::Goodbye.encode(), &device.identity);
        assert_eq!(world.bytes(&topic, bytes).code(), Refusal::WrongVersion);
    }
    let session = std::mem::replace(&mut device.session, SessionId::NONE);
    for (min_version, max_version) in [(CURRENT_VERSION + 1, u16::MAX), (0, 0), (1, 0)] {
        let hello = DeviceMessage::Hello {
            min_version,
            max_version,
            nonce: [0; 16],
        };
        let out = world.say(&mut device, &hello);
        assert_eq!(out.refusal().0, Refusal::WrongVersion);
        assert_eq!(out.refusal().2, SessionId::NONE);
    }
    device.session = session;
    still_serves(&mut world, &mut device);
}

#[test]
fn keys_of_other_parameters_or_another_length_are_refused_before_a_byte_is_sent() {
    let mut world = World::new();
    let mut device = world.device("device-1");
    let (good, _) = key_object(1);
    let mut wrong = [good; 3];
    wrong[0].parameter_hash = Digest([77; 32]);
    wrong[1].len_bytes -= 1;
    wrong[2].len_bytes = u64::MAX;
    for object in wrong {
        let out = world.say(&mut device, &DeviceMessage::Offer { object });
        assert_eq!(out.code(), Refusal::NonConforming);
        assert!(out.changes.is_empty());
    }
    still_serves(&mut world, &mut device);
}

#[test]
fn another_devices_client_id_is_an_unknown_key() {
    let mut world = World::new();
    let mut owner = world.device("device-1");
    world.store(&mut owner, 1);
    let mut other = world.device("device-2");
    let (object, _) = key_object(1);
    let client = object.client;
    for message in [
        DeviceMessage::KeyStatus { client },
        DeviceMessage::Offer { object },
        other.submit(other.ticket(1, 1, 1)),
    ] {
        assert_eq!(world.say(&mut other, &message).code(), Refusal::UnknownKey);
    }
    let chunk = chunk_message(&object, &key_object(1).1, 0);
    assert_eq!(world.say(&mut other, &chunk).code(), Refusal::UnexpectedChunk);
    still_serves(&mut world, &mut other);
}

#[test]
fn chunks_that_nobody_asked_for_or_of_wrong_length_are_refused() {
    let mut world = World::new();
    let mut device = world.device("device-1");
    let (object, bytes) = key_object(1);
    let good = chunk_message(&object, &bytes, 0);
    assert_eq!(world.say(&mut device, &good).code(), Refusal::UnexpectedChunk);
    world.say(&mut device, &DeviceMessage::Offer { object });
    for (index, len) in [(0, CHUNK - 1), (4, CHUNK), (5, 10), (u32::MAX, CHUNK)] {
        let wrong = DeviceMessage::Chunk {
            object: object.digest,
            index,
            bytes: vec![0; len],
        };
        let out = world.say(&mut device, &wrong);
        assert_eq!(out.code(), Refusal::UnexpectedChunk);
        assert!(out.changes.is_empty());
    }
    still_serves(&mut world, &mut device);
}

#[test]
fn a_ticket_must_fit_site_device_model_keys_and_count() {
    let mut world = World::new();
    let mut device = world.device("device-1");
    world.store(&mut device, 1);
    let good = device.ticket(1, 1, 1);
    let cases = [
        (
            Ticket {
                site: SiteId([0; 16]),
                ..good.clone()
            },
            Refusal::BadTicket,
        ),
        (
            Ticket {
                device: name("device-2"),
                ..good.clone()
            },
            Refusal::BadTicket,
        ),
        (
            Ticket {
                items: 0,
                ..good.clone()
            },
            Refusal::Malformed,
        ),
        (
            Ticket {
                items: MAX_ITEMS + 1,
                ..good.clone()
            },
            Refusal::Malformed,
        ),
        (
            Ticket {
                model_hash: Digest([0; 32]),
                ..good.clone()
            },
            Refusal::UnknownModel,
        ),
        (
            Ticket {
                client: ClientId([0; 16]),
                ..good.clone()
            },
            Refusal::UnknownKey,
        ),
        (
            Ticket {
                key_fingerprint: Digest([0; 32]),
                ..good.clone()
            },
            Refusal::UnknownKey,
        ),
    ];
    for (ticket, code) in cases {
        let submit = device.submit(ticket.clone());
        assert_eq!(world.say(&mut device, &submit).code(), code, "{ticket:?}");
    }
    let foreign = Device::new("device-2").submit(good);
    assert_eq!(world.say(&mut device, &foreign).code(), Refusal::BadSignature);
    let garbage = DeviceMessage::Submit { ticket: vec![1; 9] };
    assert_eq!(world.say(&mut device, &garbage).code(), Refusal::Malformed);
    still_serves(&mut world, &mut device);
}

#[test]
fn items_without_a_job_or_of_wrong_size_are_refused() {
    let mut world = World::new();
    let mut device = world.device("device-1");
    world.store(&mut device, 1);
    assert_eq!(world.say(&mut device, &item(1, 0, 0)).code(), Refusal::UnknownJob);
    let submit = device.submit(device.ticket(1, 1, 2));
    world.say(&mut device, &submit);
    assert_eq!(world.say(&mut device, &item(1, 2, 0)).code(), Refusal::UnknownJob);
    for (len, code) in [
        (0, Refusal::BadCiphertext),
        (ITEM_BYTES + 1, Refusal::BadCiphertext),
        (MAX_ITEM_BYTES + 1, Refusal::TooLarge),
    ] {
        let wrong = DeviceMessage::Item {
            job: device.ticket(1, 1, 2).job,
            index: 0,
            bytes: vec![0; len],
        };
        let out = world.say(&mut device, &wrong);
        assert_eq!(out.code(), code);
        assert!(out.tasks.is_empty());
    }
    still_serves(&mut world, &mut device);
}

#[test]
fn a_full_store_evicts_only_the_devices_own_oldest_keys() {
    let mut world = World::new();
    let mut first = world.device("device-1");
    for client in [1, 2, 3] {
        world.store(&mut first, client);
    }
    // A fourth set of the same device takes the place of its oldest.
    world.store(&mut first, 4);
    let client = key_object(1).0.client;
    let out = world.say(&mut first, &DeviceMessage::KeyStatus { client });
    let state = KeyState::Missing;
    assert_eq!(out.to(&first), [&BoxMessage::KeyState { client, state }]);
    // Two more sets fill the store; another device has nothing of its own to give up.
    let mut second = world.device("device-2");
    world.store(&mut second, 5);
    world.store(&mut second, 6);
    let mut third = world.device("device-3");
    let (object, _) = key_object(7);
    let out = world.say(&mut third, &DeviceMessage::Offer { object });
    assert_eq!(out.code(), Refusal::Busy);
    assert!(out.changes.is_empty());
    still_serves(&mut world, &mut third);
}

#[test]
fn keys_of_an_open_job_are_not_evicted() {
    let mut settings = settings();
    settings.max_clients_per_device = 1;
    let mut world = World::with(settings, Vec::new());
    let mut device = world.device("device-1");
    world.store(&mut device, 1);
    let submit = device.submit(device.ticket(1, 1, 1));
    world.say(&mut device, &submit);
    let (object, _) = key_object(2);
    let offer = DeviceMessage::Offer { object };
    assert_eq!(world.say(&mut device, &offer).code(), Refusal::Busy);
    let job = device.ticket(1, 1, 1).job;
    world.say(&mut device, &DeviceMessage::Cancel { job });
    assert!(!world.say(&mut device, &offer).wanted().is_empty());
}

#[test]
fn an_object_larger_than_the_store_is_too_large() {
    let mut settings = settings();
    settings.store_quota_bytes = KEY_BYTES as u64 - 1;
    let mut world = World::with(settings, Vec::new());
    let mut device = world.device("device-1");
    let (object, _) = key_object(1);
    let out = world.say(&mut device, &DeviceMessage::Offer { object });
    assert_eq!(out.code(), Refusal::TooLarge);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_bytes_make_the_gate_fail(bytes in prop::collection::vec(any::<u8>(), 0..600), flip in 0_usize..200) {
        let mut world = World::new();
        let mut device = world.device("device-1");
        let topic = device.name.clone();
        world.bytes(&topic, bytes.clone());
        let header = device.next_header();
        world.bytes(&topic, envelope::seal(&header, &bytes, &device.identity));
        let mut flipped = device.seal(&DeviceMessage::Goodbye);
        let at = flip % flipped.len();
        flipped[at] ^= 1;
        world.bytes(&topic, flipped);
        still_serves(&mut world, &mut device);
    }
}
