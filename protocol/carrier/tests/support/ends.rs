//! A box and a device at one broker, and their events.

#![expect(clippy::unwrap_used, reason = "a broken test environment must fail loudly")]

use std::time::{Duration, Instant};

use obscura_carrier::{
    CarrierEvent,
    mqtt::{self, Publisher, Receiver},
};

use crate::authority::Authority;

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The next event.
pub(crate) fn next(receiver: &Receiver) -> CarrierEvent {
    receiver.recv_timeout(PATIENCE).unwrap()
}

pub(crate) fn wait_up(receiver: &Receiver) {
    let deadline = Instant::now() + PATIENCE;
    while next(receiver) != CarrierEvent::Up {
        assert!(Instant::now() < deadline);
    }
}

/// A box and a device, both connected.
pub(crate) fn pair(authority: &Authority, port: u16) -> [(Publisher, Receiver); 2] {
    let box_end = mqtt::connect(&authority.options(port, "box-1", &["obscura/v1/+/up"])).unwrap();
    let device = authority.options(port, "device-1", &["obscura/v1/device-1/down"]);
    let device_end = mqtt::connect(&device).unwrap();
    wait_up(&box_end.1);
    wait_up(&device_end.1);
    [box_end, device_end]
}
