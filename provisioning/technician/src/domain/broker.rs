//! The broker's configuration: TLS with client certificates, deny by default, one topic prefix per device.
//!
//! The broker is not trusted with anything but delivery; what it enforces only keeps noise away.

use obscura_protocol::envelope::MAX_ENVELOPE_BYTES;

use super::site::Site;

/// Room for topic and properties beside the largest envelope.
const PACKET_SLACK_BYTES: usize = 64 * 1024 - 256 - 1024;

/// Largest MQTT packet the broker takes, bytes: a whole envelope and its header.
pub(crate) const MAX_PACKET_BYTES: usize = MAX_ENVELOPE_BYTES + PACKET_SLACK_BYTES;

/// `mosquitto.conf` for Mosquitto 2.0. `as_root`: whether the folder belongs to root.
pub(crate) fn mosquitto_conf(site: &Site, as_root: bool) -> String {
    let bind = site
        .address
        .parse::<core::net::IpAddr>()
        .map_or_else(|_| String::new(), |ip| format!(" {ip}"));
    let user = if as_root {
        "user root"
    } else {
        "# user mosquitto      (not needed: this folder was made by an ordinary user, who starts the broker)"
    };
    format!(
        "\
# Mosquitto 2.0 for one Obscura site. Paths are relative to this folder, so start it here:
#   cd BROKER-FOLDER && mosquitto -c mosquitto.conf

# Where the broker listens: TCP port, then the address it binds to (default: every address).
listener {port}{bind}

# The site's authority, and the broker's own certificate and key (PEM files).
cafile ca.pem
certfile server.pem
keyfile server.key.pem

# Lowest TLS version (default tlsv1.2).
tls_version tlsv1.3

# Only holders of a certificate of this site connect, and the certificate says who they are
# (defaults: false, false, true).
require_certificate true
use_identity_as_username true
allow_anonymous false

# Who may use which topic; what is not listed is denied.
acl_file acl

# The user the broker becomes when root starts it (default mosquitto). The keys in this folder can be
# read by their owner only.
{user}

# Nothing is written to disk: both ends resume by themselves (default false).
persistence false
# No message is kept for later subscribers (default true).
retain_available false

# Largest packet, bytes (default: no limit). One whole message and its header.
max_packet_size {MAX_PACKET_BYTES}
# Messages of one client that are not acknowledged yet (default 20): few, so that a device that floods is not
# far ahead of the others. Messages waiting for one client: number (default 1000) and bytes (default: no
# limit). What does not fit is dropped, and both ends ask again; all devices share what waits for the box, so
# bytes are what counts there.
max_inflight_messages 4
max_queued_messages 20000
max_queued_bytes 67108864
# Longest keep-alive a client may ask for, seconds (default 65535).
max_keepalive 120

# A message leaves at once instead of waiting for the next one or for an acknowledgement (default false):
# otherwise each of the four messages of a job waits up to 40 ms.
set_tcp_nodelay true

# What is logged, and where (defaults: stderr; error, warning, notice, information). No payload is logged.
log_dest stderr
log_type error
log_type warning
log_type notice
log_type information
connection_messages true
",
        port = site.port,
    )
}

/// The access list that belongs to [`mosquitto_conf`].
pub(crate) fn acl(site: &Site) -> String {
    format!(
        "\
# Topics of an Obscura site. The user name is the name in the client's certificate.

# The box hears every device and answers each on its own topic.
user {box_name}
topic read obscura/v1/+/up
topic write obscura/v1/+/down

# A device speaks and listens under its own name only.
pattern write obscura/v1/%u/up
pattern read obscura/v1/%u/down
",
        box_name = site.box_name
    )
}

#[cfg(test)]
mod tests {
    use super::super::config::tests::example_site;
    use super::*;

    #[test]
    fn the_largest_envelope_fits_one_packet() {
        assert_eq!(MAX_PACKET_BYTES, 320 * 1024);
        let text = mosquitto_conf(&example_site(), false);
        assert!(text.contains("max_packet_size 327680\n"));
    }

    #[test]
    fn no_message_waits_for_another() {
        assert!(mosquitto_conf(&example_site(), false).contains("\nset_tcp_nodelay true\n"));
    }

    #[test]
    fn binds_to_an_ip_address_and_to_everything_for_a_host_name() {
        let mut site = example_site();
        assert!(mosquitto_conf(&site, false).contains("\nlistener 8883 127.0.0.1\n"));
        site.address = "box.clinic.example".to_owned();
        assert!(mosquitto_conf(&site, false).contains("\nlistener 8883\n"));
    }

    #[test]
    fn stays_root_only_when_root_owns_the_keys() {
        assert!(mosquitto_conf(&example_site(), true).contains("\nuser root\n"));
        assert!(!mosquitto_conf(&example_site(), false).contains("\nuser "));
    }

    #[test]
    fn grants_the_wildcard_to_the_box_alone() {
        let text = acl(&example_site());
        let (head, tail) = text.split_once("user box-1").unwrap();
        assert!(!head.contains("\ntopic "));
        assert_eq!(tail.matches('+').count(), 2);
    }
}
