//! Messages from a device.
#![no_main]

use libfuzzer_sys::fuzz_target;
use obscura_protocol::message::DeviceMessage;

fuzz_target!(|data: &[u8]| {
    if let Ok(message) = DeviceMessage::decode(data) {
        assert_eq!(DeviceMessage::decode(&message.encode()), Ok(message));
    }
});
