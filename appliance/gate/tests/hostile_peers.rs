//! The gate's process at a real broker with devices that mean harm: refused, counted, others unaffected.

#![expect(clippy::unwrap_used, reason = "a broken test environment must fail loudly")]

#[path = "../../../protocol/carrier/tests/support/authority.rs"]
mod authority;
#[path = "../../../protocol/carrier/tests/support/broker.rs"]
#[expect(dead_code, reason = "this broker is neither killed nor started again")]
mod broker;
#[expect(dead_code, reason = "no cable is laid and no key is offered here")]
mod support;

use authority::Authority;
use broker::Mosquitto;
use obscura_carrier::{
    CarrierEvent, Options,
    mqtt::{self, MqttOptions},
};
use obscura_protocol::{
    identity::ClientId,
    message::{BoxMessage, DeviceMessage, KeyState},
};
use support::{Device, GateProcess, PATIENCE, TLS_FILES};

/// Messages of a flood.
const FLOOD: usize = 5000;

struct Bench {
    authority: Authority,
    broker: Mosquitto,
    gate: GateProcess,
}

impl Bench {
    fn new() -> Self {
        let authority = Authority::new();
        let broker = Mosquitto::start(&authority);
        let section = format!(
            "[broker]\nhost = \"127.0.0.1\"\nport = {}\n{TLS_FILES}",
            broker.port
        );
        let gate = GateProcess::start(&authority, &section, &["device-1", "device-2"], &[]);
        Self {
            authority,
            broker,
            gate,
        }
    }

    fn options(&self, name: &str) -> MqttOptions {
        let down = format!("obscura/v1/{name}/down");
        self.authority.options(self.broker.port, name, &[&down])
    }

    /// A device that behaves, with a session.
    fn device(&self, name: &'static str) -> Device {
        let mut device = Device::connect(name, &Options::Mqtt(self.options(name)));
        device.wait_up();
        device.hello();
        device
    }
}

/// The box answers a question of this device.
fn is_served(device: &mut Device) {
    let client = ClientId([1; 16]);
    device.say(&DeviceMessage::KeyStatus { client });
    let state = KeyState::Missing;
    assert_eq!(device.hear(), BoxMessage::KeyState { client, state });
}

#[test]
fn a_flood_is_counted_in_the_log_and_another_device_is_served_meanwhile() {
    let bench = Bench::new();
    let mut good = bench.device("device-1");
    let (flood, heard) = mqtt::connect(&bench.options("device-2")).unwrap();
    while heard.recv_timeout(PATIENCE).unwrap() != CarrierEvent::Up {}
    let listening = std::thread::spawn(move || while heard.recv().is_ok() {});
    for n in 0..FLOOD {
        flood
            .publish("obscura/v1/device-2/up", b"garbage".to_vec(), PATIENCE)
            .unwrap();
        if n % 500 == 0 {
            is_served(&mut good);
        }
    }
    // Its last messages are at the broker when it is gone, and at the box before what is asked then.
    flood.close();
    listening.join().unwrap();
    is_served(&mut good);
    is_served(&mut good);
    let log = bench.gate.end();
    let summary = log
        .lines()
        .rfind(|line| line.contains("refused and dropped since the start"));
    let summary = summary.unwrap_or_else(|| panic!("no summary in\n{log}"));
    assert!(summary.contains("device-2: Malformed "), "{summary}");
    assert!(
        summary.contains("ignored ") && !summary.contains("device-1:"),
        "{summary}"
    );
}

#[test]
fn a_packet_above_the_maximum_ends_the_connection_of_its_sender_only() {
    let bench = Bench::new();
    let mut good = bench.device("device-1");
    let mut greedy = bench.options("device-2");
    greedy.max_packet_bytes = 16 * 1024 * 1024;
    let (sender, events) = mqtt::connect(&greedy).unwrap();
    while events.recv_timeout(PATIENCE).unwrap() != CarrierEvent::Up {}
    // The client may know the broker's limit and refuse by itself.
    let taken = sender.publish("obscura/v1/device-2/up", vec![0; 1024 * 1024], PATIENCE);
    let ended = taken.is_err()
        || std::iter::from_fn(|| events.recv_timeout(PATIENCE).ok())
            .any(|event| matches!(event, CarrierEvent::Down { .. }));
    assert!(ended, "a packet of a megabyte went through");
    is_served(&mut good);
}
