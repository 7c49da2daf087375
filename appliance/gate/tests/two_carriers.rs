//! The gate's process with a broker and a cable: what happens on one carrier is not felt on the other.

#![expect(clippy::unwrap_used, reason = "a broken test environment must fail loudly")]

#[path = "../../../protocol/carrier/tests/support/authority.rs"]
mod authority;
#[path = "../../../protocol/carrier/tests/support/broker.rs"]
#[expect(dead_code, reason = "this broker is neither killed nor started again")]
mod broker;
#[path = "../../../protocol/carrier/tests/support/cable.rs"]
#[expect(dead_code, reason = "this cable has no faults")]
mod cable;
#[expect(dead_code, reason = "no key is offered here")]
mod support;
#[path = "../../../protocol/carrier/tests/support/wiring.rs"]
mod wiring;

use authority::Authority;
use broker::Mosquitto;
use cable::Cable;
use obscura_carrier::{Options, serial::End};
use obscura_protocol::{
    identity::ClientId,
    message::{BoxMessage, DeviceMessage, KeyState},
};
use support::{Device, GateProcess, TLS_FILES, serial_section};
use wiring::options;

/// Questions whose answers no buffer between the gate and a device can hold.
const QUESTIONS: u16 = 6000;

fn question(n: u16) -> DeviceMessage {
    let mut client = [0; 16];
    client[..2].copy_from_slice(&n.to_le_bytes());
    DeviceMessage::KeyStatus {
        client: ClientId(client),
    }
}

fn answers(n: u16, answer: &BoxMessage) -> bool {
    let DeviceMessage::KeyStatus { client } = question(n) else {
        return false;
    };
    let state = KeyState::Missing;
    *answer == BoxMessage::KeyState { client, state }
}

#[test]
fn a_device_on_the_cable_that_does_not_read_delays_no_device_at_the_broker() {
    let authority = Authority::new();
    let (broker, cable) = (Mosquitto::start(&authority), Cable::new());
    let section = format!(
        "[broker]\nhost = \"127.0.0.1\"\nport = {}\n{TLS_FILES}",
        broker.port
    ) + &serial_section(&cable.end("box"));
    let _gate = GateProcess::start(&authority, &section, &["device-1", "device-2"], &[]);
    let box_name = "box-1".parse().unwrap();
    let wire = options(&authority, &cable, "device-1", End::Device { box_name });
    let mut deaf = Device::connect("device-1", &Options::Serial(wire));
    let down = ["obscura/v1/device-2/down"];
    let way = authority.options(broker.port, "device-2", &down);
    let mut other = Device::connect("device-2", &Options::Mqtt(way));
    deaf.wait_up();
    other.wait_up();
    deaf.hello();
    other.hello();

    // It is told more than the cable and both its ends hold, and hears none of it.
    for n in 0..QUESTIONS {
        deaf.say(&question(n));
    }
    for n in 0..10 {
        other.say(&question(n));
        assert!(answers(n, &other.hear()));
    }

    // What there was room for is still there, in order, from the first on.
    for n in 0..100 {
        assert!(answers(n, &deaf.hear()), "{n}");
    }
}
