//! Failures known of MQTT clients and brokers, each provoked against a real Mosquitto. `README.md` lists them all.

#[path = "support/authority.rs"]
mod authority;
#[path = "support/broker.rs"]
mod broker;
#[path = "support/ends.rs"]
mod ends;

use std::time::Instant;

use authority::Authority;
use broker::Mosquitto;
use ends::{PATIENCE, next, pair, wait_up};
use obscura_carrier::{CarrierEvent, mqtt::Receiver};

const UP: &str = "obscura/v1/device-1/up";
const DOWN: &str = "obscura/v1/device-1/down";

/// The next message's first byte.
fn number(receiver: &Receiver) -> u8 {
    match next(receiver) {
        CarrierEvent::Message { payload, .. } => payload[0],
        other => panic!("expected a message, got {other:?}"),
    }
}

/// Publishing from the thread that also receives must not wait for itself, and what comes in must not starve what
/// goes out.
#[test]
fn one_thread_may_send_more_than_a_window_both_ways_before_it_takes_anything() {
    let authority = Authority::new();
    let broker = Mosquitto::start(&authority);
    let [(box_publisher, box_events), (device_publisher, device_events)] = pair(&authority, broker.port);
    for n in 0..100 {
        box_publisher.publish(DOWN, vec![n; 20_000], PATIENCE).unwrap();
        device_publisher.publish(UP, vec![n; 20_000], PATIENCE).unwrap();
    }
    for n in 0..100 {
        assert_eq!((number(&box_events), number(&device_events)), (n, n));
    }
}

/// Packet ids begin anew with every connection: an acknowledgement that belongs to an earlier one must neither
/// confirm a message of the new one nor end it.
#[test]
fn taking_messages_of_a_connection_that_is_gone_does_not_disturb_the_next_one() {
    let authority = Authority::new();
    let mut broker = Mosquitto::start(&authority);
    let [(_box_publisher, box_events), (device, device_events)] = pair(&authority, broker.port);
    for n in 0..10 {
        device.publish(UP, vec![n], PATIENCE).unwrap();
    }
    // The first one is here, so the others are on their way or here as well; none is taken.
    assert_eq!(number(&box_events), 0);
    broker.kill();
    assert!(matches!(next(&device_events), CarrierEvent::Down { .. }));
    broker.restart();
    wait_up(&device_events);
    let mut old = 0;
    loop {
        match next(&box_events) {
            CarrierEvent::Up => break,
            CarrierEvent::Message { .. } => old += 1,
            _ => {}
        }
    }
    assert!(old <= 9);
    for n in 100..150 {
        device.publish(UP, vec![n], PATIENCE).unwrap();
    }
    for n in 100..150 {
        assert_eq!(number(&box_events), n, "each once and in order");
    }
}

/// A client that reconnects for ever without a pause, or not at all, has been seen after lost sessions.
#[test]
fn five_lost_connections_in_a_row_are_each_recovered() {
    let authority = Authority::new();
    let mut broker = Mosquitto::start(&authority);
    let [(_box_publisher, box_events), (device, device_events)] = pair(&authority, broker.port);
    for round in 0..5 {
        // Messages are under way in both directions of the acknowledgement when the broker dies.
        for _ in 0..30 {
            device.publish(UP, vec![255], PATIENCE).unwrap();
        }
        broker.kill();
        broker.restart();
        wait_up(&device_events);
        wait_up(&box_events);
        device.publish(UP, vec![round], PATIENCE).unwrap();
        let deadline = Instant::now() + PATIENCE;
        while number(&box_events) != round {
            assert!(Instant::now() < deadline);
        }
    }
}
