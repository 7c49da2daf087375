//! Failures known of MQTT clients and brokers, each provoked against a real Mosquitto. `README.md` lists them all.

#![expect(clippy::unwrap_used, reason = "a broken test environment must fail loudly")]

#[path = "support/authority.rs"]
mod authority;
#[path = "support/broker.rs"]
mod broker;

use std::time::{Duration, Instant};

use authority::Authority;
use broker::Mosquitto;
use obscura_carrier::{
    CarrierEvent,
    mqtt::{self, Publisher, Receiver},
};

const PATIENCE: Duration = Duration::from_secs(20);
const UP: &str = "obscura/v1/device-1/up";
const DOWN: &str = "obscura/v1/device-1/down";

fn next(receiver: &Receiver) -> CarrierEvent {
    receiver.recv_timeout(PATIENCE).unwrap()
}

fn wait_up(receiver: &Receiver) {
    let deadline = Instant::now() + PATIENCE;
    while next(receiver) != CarrierEvent::Up {
        assert!(Instant::now() < deadline);
    }
}

/// The next message's first byte.
fn number(receiver: &Receiver) -> u8 {
    match next(receiver) {
        CarrierEvent::Message { payload, .. } => payload[0],
        other => panic!("expected a message, got {other:?}"),
    }
}

fn pair(authority: &Authority, port: u16) -> [(Publisher, Receiver); 2] {
    let box_end = mqtt::connect(&authority.options(port, "box-1", &["obscura/v1/+/up"])).unwrap();
    let device_end = mqtt::connect(&authority.options(port, "device-1", &[DOWN])).unwrap();
    wait_up(&box_end.1);
    wait_up(&device_end.1);
    [box_end, device_end]
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
