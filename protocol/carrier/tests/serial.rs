//! The serial carrier over pseudo-terminals, with real TLS, faults on the line and a cable that is pulled.

#![expect(clippy::unwrap_used, reason = "a broken test environment must fail loudly")]

#[path = "support/authority.rs"]
mod authority;
#[path = "support/cable.rs"]
mod cable;
#[path = "support/wiring.rs"]
mod wiring;

use std::time::{Duration, Instant};

use authority::Authority;
use cable::Cable;
use obscura_carrier::{
    CarrierEvent, DownReason, PublishError,
    serial::{self, End, Publisher, Receiver},
};
use wiring::{MAX_MESSAGE_BYTES, options};

const PATIENCE: Duration = Duration::from_secs(20);
const UP: &str = "obscura/v1/device-1/up";
const DOWN: &str = "obscura/v1/device-1/down";

fn next(receiver: &Receiver) -> CarrierEvent {
    receiver.recv_timeout(PATIENCE).unwrap()
}

fn wait_up(receiver: &Receiver) {
    while next(receiver) != CarrierEvent::Up {}
}

fn next_down(receiver: &Receiver) -> DownReason {
    loop {
        match next(receiver) {
            // On a busy machine the other end may have been slow to come.
            CarrierEvent::Down {
                reason: DownReason::Unreachable,
                ..
            } => {}
            CarrierEvent::Down { reason, retry_in } => {
                assert!(retry_in <= Duration::from_secs(2));
                return reason;
            }
            other => panic!("{other:?}"),
        }
    }
}

fn message(topic: &str, payload: &[u8]) -> CarrierEvent {
    CarrierEvent::Message {
        topic: topic.to_owned(),
        payload: payload.to_vec(),
    }
}

fn device_end() -> End {
    End::Device {
        box_name: "box-1".parse().unwrap(),
    }
}

fn box_on(authority: &Authority, cable: &Cable) -> (Publisher, Receiver) {
    serial::connect(&options(authority, cable, "box-1", End::Box)).unwrap()
}

fn device_on(authority: &Authority, cable: &Cable) -> (Publisher, Receiver) {
    serial::connect(&options(authority, cable, "device-1", device_end())).unwrap()
}

/// A box and a device, both connected.
fn pair(authority: &Authority, cable: &Cable) -> [(Publisher, Receiver); 2] {
    let ends = [box_on(authority, cable), device_on(authority, cable)];
    for (_, events) in &ends {
        wait_up(events);
    }
    ends
}

/// Messages of many sizes, none like another.
fn messages() -> Vec<Vec<u8>> {
    let lens = [
        1,
        2,
        1000,
        1023,
        1024,
        1025,
        16_384,
        65_536,
        262_144,
        MAX_MESSAGE_BYTES,
    ];
    let fill = |len: usize, n: usize| {
        (0..len)
            .map(|at| u8::try_from((at * at + n) % 251).unwrap())
            .collect()
    };
    (0..40).map(|n| fill(lens[n % lens.len()], n)).collect()
}

#[test]
fn carries_messages_of_every_size_both_ways_at_once() {
    let (authority, cable) = (Authority::new(), Cable::new());
    let [(box_publisher, box_events), (device, device_events)] = pair(&authority, &cable);
    let messages = &messages();
    std::thread::scope(|scope| {
        for (publisher, topic) in [(&box_publisher, DOWN), (&device, UP)] {
            scope.spawn(move || {
                for message in messages {
                    publisher.publish(topic, message.clone(), PATIENCE).unwrap();
                }
            });
        }
        scope.spawn(|| {
            for m in messages {
                assert_eq!(next(&device_events), message(DOWN, m));
            }
        });
        for m in messages {
            assert_eq!(next(&box_events), message(UP, m));
        }
    });
}

#[test]
fn a_line_that_damages_one_byte_in_five_thousand_loses_no_message() {
    let (authority, cable) = (Authority::new(), Cable::new());
    let [(_box_publisher, box_events), (device, _device_events)] = pair(&authority, &cable);
    cable.damage(5_000);
    let messages = messages();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for m in &messages {
                device.publish(UP, m.clone(), PATIENCE).unwrap();
            }
        });
        for m in &messages {
            assert_eq!(next(&box_events), message(UP, m));
        }
    });
}

#[test]
fn both_ends_meet_over_a_damaged_line() {
    let (authority, cable) = (Authority::new(), Cable::new());
    cable.damage(2_000);
    let [(_box_publisher, box_events), (device, _device_events)] = pair(&authority, &cable);
    device.publish(UP, vec![1], PATIENCE).unwrap();
    assert_eq!(next(&box_events), message(UP, &[1]));
}

#[test]
fn a_pulled_cable_is_reported_and_messages_flow_again_once_it_is_back() {
    let (authority, mut cable) = (Authority::new(), Cable::new());
    let [(box_publisher, box_events), (device, device_events)] = pair(&authority, &cable);
    cable.unplug();
    assert_eq!(next_down(&box_events), DownReason::Port);
    assert_eq!(next_down(&device_events), DownReason::Port);
    assert_eq!(device.publish(UP, vec![0], PATIENCE), Err(PublishError::Down));
    // It is looked for again and again.
    assert_eq!(next_down(&device_events), DownReason::Port);
    cable.plug();
    for events in [&box_events, &device_events] {
        while next(events) != CarrierEvent::Up {}
    }
    device.publish(UP, vec![2], PATIENCE).unwrap();
    assert_eq!(next(&box_events), message(UP, &[2]));
    box_publisher.publish(DOWN, vec![3], PATIENCE).unwrap();
    assert_eq!(next(&device_events), message(DOWN, &[3]));
}

#[test]
fn an_end_that_starts_again_is_a_new_connection() {
    let (authority, cable) = (Authority::new(), Cable::new());
    let [(box_publisher, box_events), (device, device_events)] = pair(&authority, &cable);
    // It ends without a goodbye.
    drop(device_events);
    drop(device);
    let (device, device_events) = {
        let mut again = device_on(&authority, &cable);
        while again.1.recv_timeout(PATIENCE).unwrap() != CarrierEvent::Up {
            if again.0.publish(UP, vec![], Duration::ZERO) == Err(PublishError::Closed) {
                again = device_on(&authority, &cable);
            }
        }
        again
    };
    assert_eq!(next_down(&box_events), DownReason::Closed);
    wait_up(&box_events);
    device.publish(UP, vec![4], PATIENCE).unwrap();
    assert_eq!(next(&box_events), message(UP, &[4]));
    box_publisher.publish(DOWN, vec![5], PATIENCE).unwrap();
    assert_eq!(next(&device_events), message(DOWN, &[5]));
}

#[test]
fn refuses_a_device_of_another_authority_and_both_learn_why() {
    let (authority, cable) = (Authority::new(), Cable::new());
    let (_publisher, box_events) = box_on(&authority, &cable);
    let mut stranger = options(&Authority::new(), &cable, "device-1", device_end());
    // It trusts the box; the box does not trust it.
    stranger.ca_pem = authority.pem().into_bytes();
    let (_stranger, stranger_events) = serial::connect(&stranger).unwrap();
    assert_eq!(next_down(&box_events), DownReason::Tls);
    assert_eq!(next_down(&stranger_events), DownReason::Tls);
}

#[test]
fn a_device_refuses_a_box_of_another_authority() {
    let (authority, cable) = (Authority::new(), Cable::new());
    let (_publisher, box_events) = box_on(&Authority::new(), &cable);
    let (_device, device_events) = device_on(&authority, &cable);
    assert_eq!(next_down(&device_events), DownReason::Tls);
    assert_eq!(next_down(&box_events), DownReason::Tls);
}

#[test]
fn a_device_refuses_another_member_of_its_site_as_its_box() {
    let (authority, cable) = (Authority::new(), Cable::new());
    let impostor = options(&authority, &cable, "device-2", End::Box);
    let (_publisher, _box_events) = serial::connect(&impostor).unwrap();
    let (_device, device_events) = device_on(&authority, &cable);
    assert_eq!(next_down(&device_events), DownReason::Tls);
}

#[test]
fn refuses_a_certificate_that_names_no_member() {
    let (authority, cable) = (Authority::new(), Cable::new());
    let (_publisher, box_events) = box_on(&authority, &cable);
    let nobody = options(&authority, &cable, "a/b/#", device_end());
    let (_device, _device_events) = serial::connect(&nobody).unwrap();
    assert_eq!(next_down(&box_events), DownReason::Refused);
}

#[test]
fn only_the_topic_of_the_other_end_can_be_reached() {
    let (authority, cable) = (Authority::new(), Cable::new());
    let [(box_publisher, box_events), (device, device_events)] = pair(&authority, &cable);
    let other = box_publisher.publish("obscura/v1/device-2/down", vec![1], PATIENCE);
    assert_eq!(other, Err(PublishError::Down));
    let other = device.publish("obscura/v1/device-2/up", vec![1], PATIENCE);
    assert_eq!(other, Err(PublishError::Down));
    box_publisher.publish(DOWN, vec![2], PATIENCE).unwrap();
    device.publish(UP, vec![3], PATIENCE).unwrap();
    assert_eq!(next(&device_events), message(DOWN, &[2]));
    assert_eq!(next(&box_events), message(UP, &[3]));
}

#[test]
fn refuses_a_message_over_the_limit_without_losing_the_connection() {
    let (authority, cable) = (Authority::new(), Cable::new());
    let [(_box_publisher, box_events), (device, _device_events)] = pair(&authority, &cable);
    let too_large = device.publish(UP, vec![0; MAX_MESSAGE_BYTES + 1], PATIENCE);
    assert!(matches!(too_large, Err(PublishError::TooLarge { .. })));
    device.publish(UP, vec![1], PATIENCE).unwrap();
    assert_eq!(next(&box_events), message(UP, &[1]));
}

#[test]
fn a_device_that_sends_more_than_agreed_is_cut_off() {
    let (authority, cable) = (Authority::new(), Cable::new());
    let (_publisher, box_events) = box_on(&authority, &cable);
    let mut greedy = options(&authority, &cable, "device-1", device_end());
    greedy.max_message_bytes = usize::MAX;
    let (device, device_events) = serial::connect(&greedy).unwrap();
    wait_up(&box_events);
    wait_up(&device_events);
    device
        .publish(UP, vec![0; MAX_MESSAGE_BYTES + 1], PATIENCE)
        .unwrap();
    assert_eq!(next_down(&box_events), DownReason::Protocol);
}

#[test]
fn a_stream_without_an_end_costs_nothing_and_the_next_device_is_heard() {
    use std::io::Write as _;

    let (authority, cable) = (Authority::new(), Cable::new());
    let (_publisher, box_events) = box_on(&authority, &cable);
    // A frame that never ends, and borders with nothing between them.
    for byte in [0x55, 0x00] {
        let mut port = std::fs::File::options()
            .write(true)
            .open(cable.end("device"))
            .unwrap();
        for _ in 0..64 {
            port.write_all(&[byte; 16 * 1024]).unwrap();
        }
    }
    let (device, device_events) = device_on(&authority, &cable);
    wait_up(&device_events);
    wait_up(&box_events);
    device.publish(UP, vec![1], PATIENCE).unwrap();
    assert_eq!(next(&box_events), message(UP, &[1]));
}

#[test]
fn closing_delivers_what_is_queued_and_ends_the_events() {
    let (authority, cable) = (Authority::new(), Cable::new());
    let [(_box_publisher, box_events), (device, device_events)] = pair(&authority, &cable);
    for n in 0..10 {
        device.publish(UP, vec![n; 100_000], PATIENCE).unwrap();
    }
    device.close();
    for n in 0..10 {
        assert_eq!(next(&box_events), message(UP, &vec![n; 100_000]));
    }
    assert_eq!(next_down(&box_events), DownReason::Closed);
    assert!(device_events.recv().is_err());
    assert_eq!(device.publish(UP, vec![0], PATIENCE), Err(PublishError::Closed));
}

#[test]
fn a_stalled_owner_slows_the_sender_instead_of_growing_the_queue() {
    let (authority, cable) = (Authority::new(), Cable::new());
    let [(_box_publisher, box_events), (device, _device_events)] = pair(&authority, &cable);
    // Buffers on the way hold some; then the sender waits.
    let mut sent = 0_u8;
    while device
        .publish(UP, vec![sent; 100_000], Duration::from_millis(500))
        .is_ok()
    {
        sent += 1;
        assert!(sent < 100, "nothing stops the sender");
    }
    assert!(box_events.waiting() <= 16 + 2, "{box_events:?}");
    for n in 0..sent {
        assert_eq!(next(&box_events), message(UP, &vec![n; 100_000]));
    }
}

#[test]
fn an_end_that_falls_silent_is_given_up_even_while_the_line_takes_nothing() {
    let (authority, mut cable) = (Authority::new(), Cable::new());
    let [(_box_publisher, box_events), (device, device_events)] = pair(&authority, &cable);
    cable.hang();
    let began = Instant::now();
    while device
        .publish(UP, vec![1; 100_000], Duration::from_millis(100))
        .is_ok()
    {}
    assert_eq!(next_down(&box_events), DownReason::Closed);
    assert_eq!(next_down(&device_events), DownReason::Closed);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[test]
fn a_port_that_is_not_there_or_taken_is_reported() {
    let (authority, mut cable) = (Authority::new(), Cable::new());
    let (_first, first_events) = box_on(&authority, &cable);
    let (_second, second_events) = box_on(&authority, &cable);
    // Whichever came second.
    let either = first_events
        .recv_timeout(Duration::from_secs(1))
        .or_else(|_| second_events.recv_timeout(PATIENCE))
        .unwrap();
    assert!(matches!(
        either,
        CarrierEvent::Down {
            reason: DownReason::Port,
            ..
        }
    ));
    cable.unplug();
    let (_third, third_events) = device_on(&authority, &cable);
    assert_eq!(next_down(&third_events), DownReason::Port);
}

#[test]
fn carries_megabytes_in_a_second() {
    const CHUNK_BYTES: usize = 256 * 1024;
    const CHUNKS: usize = 160;
    let (authority, cable) = (Authority::new(), Cable::new());
    let [(_box_publisher, box_events), (device, _device_events)] = pair(&authority, &cable);
    let began = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| (0..CHUNKS).for_each(|_| device.publish(UP, vec![9; CHUNK_BYTES], PATIENCE).unwrap()));
        for _ in 0..CHUNKS {
            assert!(
                matches!(next(&box_events), CarrierEvent::Message { payload, .. } if payload.len() == CHUNK_BYTES)
            );
        }
    });
    #[expect(clippy::cast_precision_loss, reason = "a rate to three digits")]
    let megabytes_per_s = (CHUNK_BYTES * CHUNKS) as f64 / 1e6 / began.elapsed().as_secs_f64();
    println!("{megabytes_per_s:.1} MB/s");
    // Far below what an idle machine does, and above what waiting for a time limit anywhere would allow.
    assert!(megabytes_per_s > 2.0, "{megabytes_per_s:.1} MB/s");
}
