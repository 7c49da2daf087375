//! The MQTT carrier against a real Mosquitto with TLS, client certificates and a topic policy.

#[path = "support/authority.rs"]
mod authority;
#[path = "support/broker.rs"]
mod broker;
#[path = "support/ends.rs"]
mod ends;

use std::time::Duration;

use authority::Authority;
use broker::Mosquitto;
use ends::{PATIENCE, next, pair, wait_up};
use obscura_carrier::{CarrierEvent, DownReason, PublishError, mqtt};

fn message(topic: &str, payload: &[u8]) -> CarrierEvent {
    CarrierEvent::Message {
        topic: topic.to_owned(),
        payload: payload.to_vec(),
    }
}

#[test]
fn carries_large_messages_both_ways_in_order() {
    let authority = Authority::new();
    let broker = Mosquitto::start(&authority);
    let [(box_publisher, box_events), (device_publisher, device_events)] = pair(&authority, broker.port);
    // More than one receive window, so that acknowledgements must flow.
    let chunk = |n: u8| vec![n; 256 * 1024 + 1280];
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..40 {
                device_publisher
                    .publish("obscura/v1/device-1/up", chunk(n), PATIENCE)
                    .unwrap();
            }
        });
        for n in 0..40 {
            assert_eq!(next(&box_events), message("obscura/v1/device-1/up", &chunk(n)));
        }
    });
    box_publisher
        .publish("obscura/v1/device-1/down", chunk(7), PATIENCE)
        .unwrap();
    assert_eq!(
        next(&device_events),
        message("obscura/v1/device-1/down", &chunk(7))
    );
}

#[test]
fn refuses_a_message_over_the_packet_limit_without_losing_the_connection() {
    let authority = Authority::new();
    let broker = Mosquitto::start(&authority);
    let [(_box_publisher, box_events), (device, _device_events)] = pair(&authority, broker.port);
    let topic = "obscura/v1/device-1/up";
    assert!(matches!(
        device.publish(topic, vec![0; 320 * 1024], PATIENCE),
        Err(PublishError::TooLarge { .. })
    ));
    device.publish(topic, vec![1], PATIENCE).unwrap();
    assert_eq!(next(&box_events), message(topic, &[1]));
}

#[test]
fn reports_a_killed_broker_and_flows_again_after_its_restart() {
    let authority = Authority::new();
    let mut broker = Mosquitto::start(&authority);
    let [(box_publisher, box_events), (device, device_events)] = pair(&authority, broker.port);
    broker.kill();
    for events in [&box_events, &device_events] {
        let CarrierEvent::Down { reason, retry_in } = next(events) else {
            panic!("a killed broker must be reported");
        };
        assert_eq!(reason, DownReason::Closed);
        assert!(retry_in <= Duration::from_secs(10));
    }
    assert_eq!(
        device.publish("obscura/v1/device-1/up", vec![0], PATIENCE),
        Err(PublishError::Down)
    );
    assert!(matches!(
        next(&device_events),
        CarrierEvent::Down {
            reason: DownReason::Unreachable,
            ..
        }
    ));
    broker.restart();
    wait_up(&box_events);
    wait_up(&device_events);
    device
        .publish("obscura/v1/device-1/up", vec![2], PATIENCE)
        .unwrap();
    assert_eq!(next(&box_events), message("obscura/v1/device-1/up", &[2]));
    box_publisher
        .publish("obscura/v1/device-1/down", vec![3], PATIENCE)
        .unwrap();
    assert_eq!(next(&device_events), message("obscura/v1/device-1/down", &[3]));
}

#[test]
fn refuses_a_broker_of_another_authority() {
    let broker = Mosquitto::start(&Authority::new());
    let options = Authority::new().options(broker.port, "device-1", &["obscura/v1/device-1/down"]);
    let (_publisher, events) = mqtt::connect(&options).unwrap();
    assert!(matches!(
        next(&events),
        CarrierEvent::Down {
            reason: DownReason::Tls,
            ..
        }
    ));
}

#[test]
fn reports_that_the_broker_refuses_our_certificate() {
    let authority = Authority::new();
    let broker = Mosquitto::start(&authority);
    let mut options = Authority::new().options(broker.port, "device-1", &["obscura/v1/device-1/down"]);
    options.ca_pem = authority.pem().into_bytes();
    let (_publisher, events) = mqtt::connect(&options).unwrap();
    assert!(matches!(
        next(&events),
        CarrierEvent::Down {
            reason: DownReason::Tls | DownReason::Refused,
            ..
        }
    ));
}

#[test]
fn a_device_cannot_speak_as_another_and_learns_that_it_was_denied() {
    let authority = Authority::new();
    let broker = Mosquitto::start(&authority);
    let [(_box_publisher, box_events), (device, device_events)] = pair(&authority, broker.port);
    device
        .publish("obscura/v1/device-2/up", vec![1], PATIENCE)
        .unwrap();
    device
        .publish("obscura/v1/device-1/up", vec![2], PATIENCE)
        .unwrap();
    // Only the second one arrives.
    assert_eq!(next(&box_events), message("obscura/v1/device-1/up", &[2]));
    assert_eq!(
        next(&device_events),
        CarrierEvent::Denied {
            topic: "obscura/v1/device-2/up".to_owned()
        }
    );
}

#[test]
fn closing_delivers_what_is_queued_and_ends_the_events() {
    let authority = Authority::new();
    let broker = Mosquitto::start(&authority);
    let [(_box_publisher, box_events), (device, device_events)] = pair(&authority, broker.port);
    for n in 0..10 {
        device
            .publish("obscura/v1/device-1/up", vec![n; 100_000], PATIENCE)
            .unwrap();
    }
    device.close();
    for n in 0..10 {
        let CarrierEvent::Message { payload, .. } = next(&box_events) else {
            panic!("expected a message");
        };
        assert_eq!(payload[0], n);
    }
    assert!(device_events.recv().is_err());
    assert_eq!(
        device.publish("obscura/v1/device-1/up", vec![0], PATIENCE),
        Err(PublishError::Closed)
    );
}

#[test]
fn a_stalled_owner_slows_the_sender_instead_of_growing_the_queue() {
    let authority = Authority::new();
    let broker = Mosquitto::start(&authority);
    let [(_box_publisher, box_events), (device, _device_events)] = pair(&authority, broker.port);
    for n in 0..200_u8 {
        device
            .publish("obscura/v1/device-1/up", vec![n; 1000], PATIENCE)
            .unwrap();
    }
    device.close();
    // Everything is sent; the owner has taken nothing, so at most a window waits on this side.
    assert!(box_events.waiting() <= 32, "{box_events:?}");
    for n in 0..200_u8 {
        assert_eq!(next(&box_events), message("obscura/v1/device-1/up", &[n; 1000]));
    }
}
