//! The topics of protocol version 1: one prefix per device.

use obscura_protocol::identity::PeerName;

/// Everything devices say to the box.
pub(super) const ALL_UP: &str = "obscura/v1/+/up";

/// What the device at the other end of a cable says to the box, with its name for `%u`.
pub(super) const PEER_UP: &str = "obscura/v1/%u/up";
/// What the box says to that device.
pub(super) const PEER_DOWN: &str = "obscura/v1/%u/down";

/// What the box says to one device.
pub(super) fn down(device: &PeerName) -> String {
    format!("obscura/v1/{device}/down")
}

/// The device whose topic this is; `None` for a topic that is nobody's.
pub(super) fn device_of(topic: &str) -> Option<PeerName> {
    let name = topic.strip_prefix("obscura/v1/")?.strip_suffix("/up")?;
    name.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cable_and_the_broker_have_the_same_topics() {
        let device: PeerName = "device-1".parse().unwrap();
        assert_eq!(PEER_DOWN.replace("%u", "device-1"), down(&device));
        assert_eq!(device_of(&PEER_UP.replace("%u", "device-1")), Some(device));
    }

    #[test]
    fn reads_only_well_formed_topics() {
        assert_eq!(device_of("obscura/v1/device-1/up").unwrap().as_str(), "device-1");
        for wrong in [
            "obscura/v1//up",
            "obscura/v1/a/b/up",
            "obscura/v1/A/up",
            "obscura/v2/a/up",
            "obscura/v1/a/down",
            "",
        ] {
            assert_eq!(device_of(wrong), None, "{wrong}");
        }
    }
}
