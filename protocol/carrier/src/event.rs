//! What a carrier reports, in words that fit every carrier.

use std::time::Duration;

/// Something the carrier's owner must know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CarrierEvent {
    /// Connected: every subscription was granted, or the other end of the cable was accepted. Nothing of an earlier connection survives: open a
    /// new session, or expect the other end to.
    Up,
    /// Not connected; the carrier tries again by itself.
    Down {
        /// Why.
        reason: DownReason,
        /// Time until the next attempt.
        retry_in: Duration,
    },
    /// A message arrived on a subscribed topic, or on that of the other end of the cable.
    Message {
        /// Its topic.
        topic: String,
        /// Its bytes, unchecked.
        payload: Vec<u8>,
    },
    /// The broker accepted no message on this topic: its policy and ours disagree.
    Denied {
        /// The topic.
        topic: String,
    },
}

/// Why there is no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DownReason {
    /// The broker refused the connection, or ended it before its greeting: under TLS 1.3 that is also how
    /// a refused client certificate looks when the alert is lost.
    #[error("the broker refused the connection: check the client certificate and the broker's log")]
    Refused,
    /// The broker granted the connection but not the subscriptions.
    #[error("the broker refused a subscription")]
    SubscriptionDenied,
    /// One side did not accept the other's certificate, or speaks no TLS 1.3.
    #[error("the TLS handshake failed: wrong certificate, authority, host name or TLS version")]
    Tls,
    /// Nobody answers at the address, or at the other end of the cable.
    #[error("nobody answers")]
    Unreachable,
    /// An established connection ended.
    #[error("the connection was closed")]
    Closed,
    /// The serial port is not there, another program has it, or it was unplugged.
    #[error("the serial port is not there or cannot be used: check cable, name and permissions")]
    Port,
    /// The other end of the cable did not keep to the protocol.
    #[error("the other end broke the protocol")]
    Protocol,
}

/// Why a carrier could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CarrierError {
    /// The authority's certificate is not usable.
    #[error("the authority certificate is not a PEM certificate")]
    ConfigAuthority,
    /// The own certificate is not usable.
    #[error("the client certificate is not a PEM certificate")]
    ConfigCertificate,
    /// The own private key is not usable.
    #[error("the client key is not a PEM private key")]
    ConfigKey,
    /// Key and certificate do not belong together, or the algorithm is unsupported.
    #[error("certificate and key cannot be used for TLS")]
    ConfigTls(#[source] rustls::Error),
    /// A topic filter is empty or malformed.
    #[error("topic filter {index} is not valid")]
    ConfigTopic {
        /// Position in the list given.
        index: usize,
    },
    /// The speed of the serial line cannot be used.
    #[error("a serial line of {baud} baud is too slow, at least {min_baud} are needed")]
    ConfigBaud {
        /// Speed given.
        baud: u32,
        /// Speed needed.
        min_baud: u32,
    },
    /// The operating system gave no thread or event queue.
    #[error("the carrier's thread could not be started")]
    DeviceThread(#[source] std::io::Error),
}

/// Why a message was not taken for sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// There is no connection now.
    #[error("there is no connection to the recipient")]
    Down,
    /// The queue stayed full for the whole patience.
    #[error("the other end takes no more messages for {waited_ms} ms")]
    Full {
        /// How long the call waited.
        waited_ms: u64,
    },
    /// The message is larger than a packet may be.
    #[error("message is {got_bytes} bytes, at most {max_bytes} are allowed")]
    TooLarge {
        /// Length given.
        got_bytes: usize,
        /// Length allowed.
        max_bytes: usize,
    },
    /// The carrier was closed.
    #[error("the carrier is closed")]
    Closed,
}

/// Queues a message, waiting up to `patience` while the queue is full.
pub(crate) fn queue<T>(
    queue: &flume::Sender<T>,
    message: T,
    patience: std::time::Duration,
) -> Result<(), PublishError> {
    let started = std::time::Instant::now();
    queue
        .send_timeout(message, patience)
        .map_err(|error| match error {
            flume::SendTimeoutError::Timeout(_) => PublishError::Full {
                waited_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            },
            flume::SendTimeoutError::Disconnected(_) => PublishError::Closed,
        })
}

impl From<flume::RecvTimeoutError> for ReceiveError {
    fn from(error: flume::RecvTimeoutError) -> Self {
        match error {
            flume::RecvTimeoutError::Timeout => Self::Timeout,
            flume::RecvTimeoutError::Disconnected => Self::Closed,
        }
    }
}

/// Why no event came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiveError {
    /// Nothing happened in the time given.
    #[error("nothing happened in time")]
    Timeout,
    /// The carrier was closed; no event will come any more.
    #[error("the carrier is closed")]
    Closed,
}
