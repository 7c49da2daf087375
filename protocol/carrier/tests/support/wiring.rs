//! Options of a carrier at one end of a cable.

use obscura_carrier::serial::{End, PortName, SerialOptions};
use zeroize::Zeroizing;

use crate::{authority::Authority, cable::Cable};

/// Largest message of the tests.
pub(crate) const MAX_MESSAGE_BYTES: usize = 300 * 1024;

/// Options of one end of `cable`.
pub(crate) fn options(authority: &Authority, cable: &Cable, name: &str, end: End) -> SerialOptions {
    let (certificate, key) = authority.issue(name);
    let (path, publish, receive) = match end {
        End::Box => ("box", "down", "up"),
        End::Device { .. } => ("device", "up", "down"),
    };
    let own = match end {
        End::Box => "%u",
        End::Device { .. } => name,
    };
    SerialOptions {
        port: PortName::Path(cable.end(path)),
        baud: 115_200,
        end,
        ca_pem: authority.pem().into_bytes(),
        certificate_pem: certificate.into_bytes(),
        key_pem: Zeroizing::new(key.into_bytes()),
        publish_topic: format!("obscura/v1/{own}/{publish}"),
        receive_topic: format!("obscura/v1/{own}/{receive}"),
        max_message_bytes: MAX_MESSAGE_BYTES,
    }
}
