//! The facts of one site: who is in it, where its broker listens, which root it trusts.
//!
//! Holds no secret; secrets pass through the use cases as zeroizing buffers and are never kept.

use obscura_protocol::identity::{Digest, PeerName, PublicKey, SiteId};

/// Days a certificate is valid, the most that common TLS stacks accept for a leaf.
pub(crate) const VALIDITY_DAYS: i64 = 825;

/// The host name every site's broker certificate carries beside its address.
pub(crate) const LOCAL_NAME: &str = "localhost";

/// Everything that is the same for all members of a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Site {
    /// Random name of the site.
    pub(crate) id: SiteId,
    /// The box.
    pub(crate) box_name: PeerName,
    /// Checks the box's envelopes.
    pub(crate) box_envelope: PublicKey,
    /// Checks the box's receipts.
    pub(crate) box_receipt: PublicKey,
    /// Where the broker listens: an IP address or a host name.
    pub(crate) address: String,
    /// TCP port of the broker.
    pub(crate) port: u16,
    /// SHA-256 of the root document whose keys sign models.
    pub(crate) root_fingerprint: Digest,
}

/// A device as the box's roster lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// The device.
    pub(crate) name: PeerName,
    /// Checks its envelopes.
    pub(crate) envelope: PublicKey,
    /// Whether the box answers it.
    pub(crate) enabled: bool,
    /// Whether it may send signed models to the box.
    pub(crate) may_send_models: bool,
}

/// Why what was asked for cannot be a site.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(clippy::enum_variant_names, reason = "the prefix says whose mistake it is")]
pub(crate) enum SiteError {
    /// The broker could not tell the two apart.
    #[error("box and device are both named {name}; every member of a site needs a name of its own")]
    MisuseSameName {
        /// The name given twice.
        name: PeerName,
    },
    /// The name is a folder of the site.
    #[error("{name} is the name of a folder of the site; choose another")]
    MisuseReservedName {
        /// The name given.
        name: PeerName,
    },
    /// Not an address that a certificate and a configuration file can carry.
    #[error("broker address is neither an IP address nor a host name of letters, digits, '-' and '.'")]
    MisuseAddress,
}

/// Checks that `device` can be the name of a device of a site whose box is `box_name`.
///
/// # Errors
/// [`SiteError`] when the name is the box's or a folder's.
pub(crate) fn check_device_name(device: &PeerName, box_name: &PeerName) -> Result<(), SiteError> {
    if device == box_name {
        return Err(SiteError::MisuseSameName { name: device.clone() });
    }
    if ["authority", "broker", "box"].contains(&device.as_str()) {
        return Err(SiteError::MisuseReservedName { name: device.clone() });
    }
    Ok(())
}

/// Checks that `address` can stand in a certificate and, unquoted, in a configuration file.
///
/// # Errors
/// [`SiteError::MisuseAddress`].
pub(crate) fn check_address(address: &str) -> Result<(), SiteError> {
    let is_ip = address.parse::<core::net::IpAddr>().is_ok();
    let label_ok = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if is_ip || (address.len() <= 253 && address.split('.').all(label_ok)) {
        Ok(())
    } else {
        Err(SiteError::MisuseAddress)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_may_not_take_the_name_of_the_box_or_of_a_folder() {
        let name = |text: &str| text.parse::<PeerName>().unwrap();
        assert!(check_device_name(&name("device-1"), &name("box-1")).is_ok());
        assert!(matches!(
            check_device_name(&name("box-1"), &name("box-1")),
            Err(SiteError::MisuseSameName { .. })
        ));
        assert!(matches!(
            check_device_name(&name("authority"), &name("box-1")),
            Err(SiteError::MisuseReservedName { .. })
        ));
    }

    #[test]
    fn an_address_is_an_ip_or_a_plain_host_name() {
        for good in ["127.0.0.1", "::1", "box.clinic.example", "localhost"] {
            assert!(check_address(good).is_ok(), "{good}");
        }
        for bad in ["", "a b", "a\nuser root", "-a", "a..b", "tcp://x", "\"x\""] {
            assert_eq!(check_address(bad), Err(SiteError::MisuseAddress), "{bad}");
        }
    }
}
