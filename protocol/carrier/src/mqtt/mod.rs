//! MQTT 5 over TLS 1.3: clean sessions, quality of service 1, no retained messages.
//!
//! One thread owns the connection. Each connection is a new client, so no half-finished exchange of an
//! earlier one can be resumed wrongly. Messages are acknowledged to the broker when the owner takes them,
//! so a slow owner slows the broker down and memory stays bounded.

mod connection;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rumqttc::ManualAck;
use zeroize::Zeroizing;

use crate::{CarrierError, CarrierEvent, PublishError, ReceiveError, event::queue};

/// Messages taken for sending and not yet handed to the connection.
const SEND_QUEUE: usize = 16;
/// Messages of the broker that are delivered and not yet taken by the owner.
const RECEIVE_WINDOW: u16 = 32;
/// Bytes an MQTT 5 publish adds to topic and payload, generously.
const PACKET_OVERHEAD_BYTES: usize = 64;
/// How long [`Publisher::close`] waits for queued messages to leave.
const CLOSE_PATIENCE: Duration = Duration::from_secs(3);

/// How to reach a broker, and as whom.
pub struct MqttOptions {
    /// Name or address of the broker; its certificate must name it.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// MQTT client id; two connections with one id displace each other.
    pub client_id: String,
    /// The only authority trusted, PEM.
    pub ca_pem: Vec<u8>,
    /// Own certificate chain, PEM.
    pub certificate_pem: Vec<u8>,
    /// Own private key, PEM (PKCS#8 or SEC1).
    pub key_pem: Zeroizing<Vec<u8>>,
    /// Topic filters to receive.
    pub subscribe: Vec<String>,
    /// Largest MQTT packet in either direction, bytes.
    pub max_packet_bytes: u32,
    /// Silence after which the broker is asked whether it is there; whole seconds, 1 s at least.
    pub keep_alive: Duration,
}

impl fmt::Debug for MqttOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "MqttOptions({} at {}:{})",
            self.client_id, self.host, self.port
        )
    }
}

/// A message on its way out, or the wish to end.
enum Outbound {
    Publish { topic: String, payload: Vec<u8> },
    Close,
}

/// An event on its way to the owner; taking a message acknowledges it.
struct Inbound {
    event: CarrierEvent,
    ack: Option<(flume::Sender<ManualAck>, ManualAck)>,
}

/// Sends messages; clones share one queue.
#[derive(Clone)]
pub struct Publisher {
    queue: flume::Sender<Outbound>,
    up: Arc<AtomicBool>,
    /// Never carries a value: it disconnects when the thread ends.
    ended: flume::Receiver<()>,
    max_packet_bytes: usize,
}

/// Receives events, in order.
pub struct Receiver {
    events: flume::Receiver<Inbound>,
}

/// Starts connecting. The thread lives until [`Publisher::close`], or until every [`Publisher`] or the
/// [`Receiver`] is dropped.
///
/// # Errors
/// [`CarrierError`] when the options can never lead to a connection. A broker that is not there is not an
/// error: [`CarrierEvent::Down`] says so.
pub fn connect(options: &MqttOptions) -> Result<(Publisher, Receiver), CarrierError> {
    let template = connection::Template::new(options)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(CarrierError::DeviceThread)?;
    let (queue, outbound) = flume::bounded(SEND_QUEUE);
    // Unbounded in type only: the receive window bounds the messages in it.
    let (inbound, events) = flume::unbounded();
    let (alive, ended) = flume::bounded(0);
    let up = Arc::new(AtomicBool::new(false));
    let link = connection::Link {
        template,
        outbound,
        inbound,
        up: Arc::clone(&up),
    };
    thread::Builder::new()
        .name("mqtt".to_owned())
        .spawn(move || {
            let _alive = alive;
            runtime.block_on(link.run());
        })
        .map_err(CarrierError::DeviceThread)?;
    let publisher = Publisher {
        queue,
        up,
        ended,
        max_packet_bytes: options.max_packet_bytes as usize,
    };
    Ok((publisher, Receiver { events }))
}

impl Publisher {
    /// Takes one message for sending, waiting up to `patience` while the queue is full.
    ///
    /// Taken means queued, not delivered: a message under way when the connection breaks is lost.
    ///
    /// # Errors
    /// [`PublishError`]; the message was not taken then.
    pub fn publish(&self, topic: &str, payload: Vec<u8>, patience: Duration) -> Result<(), PublishError> {
        let got_bytes = topic.len() + payload.len() + PACKET_OVERHEAD_BYTES;
        let max_bytes = self.max_packet_bytes;
        if got_bytes > max_bytes {
            return Err(PublishError::TooLarge { got_bytes, max_bytes });
        }
        if self.ended.is_disconnected() {
            return Err(PublishError::Closed);
        }
        if !self.is_up() {
            return Err(PublishError::Down);
        }
        let message = Outbound::Publish {
            topic: topic.to_owned(),
            payload,
        };
        queue(&self.queue, message, patience)
    }

    /// Whether there is a connection now.
    pub fn is_up(&self) -> bool {
        self.up.load(Ordering::Acquire)
    }

    /// Sends what is queued, says goodbye to the broker and ends the thread; waits a few seconds at most.
    pub fn close(&self) {
        let deadline = Instant::now() + CLOSE_PATIENCE;
        if self.queue.send_deadline(Outbound::Close, deadline).is_ok() {
            // The channel only ever disconnects; a timeout leaves the thread to end by itself.
            let _ = self.ended.recv_deadline(deadline);
        }
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Publisher(up: {})", self.is_up())
    }
}

impl Receiver {
    /// Waits for the next event.
    ///
    /// # Errors
    /// [`ReceiveError::Closed`].
    pub fn recv(&self) -> Result<CarrierEvent, ReceiveError> {
        let inbound = self.events.recv();
        inbound.map(Inbound::take).map_err(|_closed| ReceiveError::Closed)
    }

    /// Waits for the next event, for `patience` at most.
    ///
    /// # Errors
    /// [`ReceiveError`].
    pub fn recv_timeout(&self, patience: Duration) -> Result<CarrierEvent, ReceiveError> {
        let inbound = self.events.recv_timeout(patience);
        Ok(inbound?.take())
    }
}

impl Receiver {
    /// Events that arrived and are not yet taken; messages among them are at most one window.
    pub fn waiting(&self) -> usize {
        self.events.len()
    }
}

impl Inbound {
    fn take(self) -> CarrierEvent {
        if let Some((acks, ack)) = self.ack {
            // The connection it came over may be gone; then nobody waits for the acknowledgement.
            let _ = acks.send(ack);
        }
        self.event
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Receiver({} waiting)", self.waiting())
    }
}
