//! TLS 1.3 over a serial cable between one device and one box.
//!
//! One thread owns the port. Over it run the frames and the link of [`obscura_protocol::serial`], over their
//! byte stream TLS with the certificates the members of a site have for the broker, and inside TLS messages
//! with their length before them. No topic crosses the cable: whose topic a message is on follows from the
//! certificate at the other end, so no device can speak as another.
//!
//! A slow owner slows the other end down: what it does not take is not acknowledged, and memory stays
//! bounded. No network socket is opened.

mod cable;
mod connection;
mod message;
mod port;
mod tls;

use std::{
    fmt,
    os::fd::OwnedFd,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use obscura_protocol::identity::PeerName;
use rustix::event::EventfdFlags;
use zeroize::Zeroizing;

pub use port::PortName;

use crate::{CarrierError, CarrierEvent, PublishError, ReceiveError, event::queue, tls::Credentials};

/// Messages taken for sending and not yet handed to the connection.
const SEND_QUEUE: usize = 16;
/// Messages that are delivered and not yet taken by the owner, before the other end must wait.
const RECEIVE_WINDOW: usize = 16;
/// How long [`Publisher::close`] waits for queued messages to leave.
const CLOSE_PATIENCE: Duration = Duration::from_secs(3);
/// Slowest line on which nothing times out.
pub const MIN_BAUD: u32 = 115_200;

/// Which end of the cable this is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The box: takes any device of the site.
    Box,
    /// A device: takes no other end than its box.
    Device {
        /// The name in the box's certificate.
        box_name: PeerName,
    },
}

/// Which port, and who speaks there.
pub struct SerialOptions {
    /// The port.
    pub port: PortName,
    /// Speed of the line, [`MIN_BAUD`] at least. Ports that are USB all the way ignore it.
    pub baud: u32,
    /// Which end this is.
    pub end: End,
    /// The only authority trusted, PEM.
    pub ca_pem: Vec<u8>,
    /// Own certificate chain, PEM.
    pub certificate_pem: Vec<u8>,
    /// Own private key, PEM (PKCS#8 or SEC1).
    pub key_pem: Zeroizing<Vec<u8>>,
    /// The topic of messages to the other end, with its name for `%u`.
    pub publish_topic: String,
    /// The topic that messages from the other end are delivered on, with its name for `%u`.
    pub receive_topic: String,
    /// Largest message in either direction, bytes.
    pub max_message_bytes: usize,
}

impl fmt::Debug for SerialOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SerialOptions({:?} at {:?})", self.end, self.port)
    }
}

/// A message on its way out, or the wish to end.
enum Outbound {
    Publish { topic: String, payload: Vec<u8> },
    Close,
}

/// What the thread and its owner share beside the queues.
struct Shared {
    /// Wakes the thread where it waits for the port.
    wake: OwnedFd,
    /// The topic of the other end, while there is one.
    topic: Mutex<Option<String>>,
    /// Messages delivered and not taken.
    untaken: AtomicUsize,
}

impl Shared {
    fn wake(&self) {
        // It fails only when it is full, and then the thread is awake.
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }

    /// The topic of the other end now.
    fn topic(&self) -> Option<String> {
        self.topic.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_topic(&self, topic: Option<String>) {
        *self.topic.lock().unwrap_or_else(PoisonError::into_inner) = topic;
    }
}

/// Sends messages; clones share one queue.
#[derive(Clone)]
pub struct Publisher {
    queue: flume::Sender<Outbound>,
    shared: Arc<Shared>,
    /// Never carries a value: it disconnects when the thread ends.
    ended: flume::Receiver<()>,
    max_message_bytes: usize,
}

/// Receives events, in order.
pub struct Receiver {
    events: flume::Receiver<CarrierEvent>,
    shared: Arc<Shared>,
}

/// Starts waiting for the other end. The thread lives until [`Publisher::close`], or until every
/// [`Publisher`] or the [`Receiver`] is dropped.
///
/// # Errors
/// [`CarrierError`] when the options can never lead to a connection. A port that is not there is not an
/// error: [`CarrierEvent::Down`] says so.
pub fn connect(options: &SerialOptions) -> Result<(Publisher, Receiver), CarrierError> {
    if options.baud < MIN_BAUD {
        return Err(CarrierError::ConfigBaud {
            baud: options.baud,
            min_baud: MIN_BAUD,
        });
    }
    let own = Credentials {
        ca: &options.ca_pem,
        certificate: &options.certificate_pem,
        key: &options.key_pem,
    };
    let tls = tls::Config::new(&own, &options.end)?;
    let wake = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
        .map_err(|error| CarrierError::DeviceThread(error.into()))?;
    let shared = Arc::new(Shared {
        wake,
        topic: Mutex::new(None),
        untaken: AtomicUsize::new(0),
    });
    let (queue, outbound) = flume::bounded(SEND_QUEUE);
    // Unbounded in type only: the receive window bounds the messages in it.
    let (inbound, events) = flume::unbounded();
    let (alive, ended) = flume::bounded(0);
    let cable = cable::Cable {
        port: options.port.clone(),
        baud: options.baud,
        tls,
        publish_topic: options.publish_topic.clone(),
        receive_topic: options.receive_topic.clone(),
        max_message_bytes: options.max_message_bytes,
        outbound,
        inbound,
        shared: Arc::clone(&shared),
        began: Instant::now(),
    };
    thread::Builder::new()
        .name("serial".to_owned())
        .spawn(move || {
            let _alive = alive;
            cable.run();
        })
        .map_err(CarrierError::DeviceThread)?;
    let publisher = Publisher {
        queue,
        shared: Arc::clone(&shared),
        ended,
        max_message_bytes: options.max_message_bytes,
    };
    Ok((publisher, Receiver { events, shared }))
}

impl Publisher {
    /// Takes one message for sending, waiting up to `patience` while the queue is full.
    ///
    /// Taken means queued, not delivered: a message under way when the connection breaks is lost. The other
    /// end has one topic; for any other there is no connection.
    ///
    /// # Errors
    /// [`PublishError`]; the message was not taken then.
    pub fn publish(&self, topic: &str, payload: Vec<u8>, patience: Duration) -> Result<(), PublishError> {
        let (got_bytes, max_bytes) = (payload.len(), self.max_message_bytes);
        if got_bytes > max_bytes {
            return Err(PublishError::TooLarge { got_bytes, max_bytes });
        }
        if self.ended.is_disconnected() {
            return Err(PublishError::Closed);
        }
        if !self.reaches(topic) {
            return Err(PublishError::Down);
        }
        let message = Outbound::Publish {
            topic: topic.to_owned(),
            payload,
        };
        let queued = queue(&self.queue, message, patience);
        self.shared.wake();
        queued
    }

    /// Whether `topic` is that of the other end now.
    pub fn reaches(&self, topic: &str) -> bool {
        self.shared.topic().as_deref() == Some(topic)
    }

    /// Whether there is a connection now.
    pub fn is_up(&self) -> bool {
        self.shared.topic().is_some()
    }

    /// Sends what is queued, says goodbye and ends the thread; waits a few seconds at most.
    pub fn close(&self) {
        let deadline = Instant::now() + CLOSE_PATIENCE;
        if self.queue.send_deadline(Outbound::Close, deadline).is_ok() {
            self.shared.wake();
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
        let event = self.events.recv();
        event
            .map(|event| self.take(event))
            .map_err(|_closed| ReceiveError::Closed)
    }

    /// Waits for the next event, for `patience` at most.
    ///
    /// # Errors
    /// [`ReceiveError`].
    pub fn recv_timeout(&self, patience: Duration) -> Result<CarrierEvent, ReceiveError> {
        let event = self.events.recv_timeout(patience);
        Ok(self.take(event?))
    }

    /// Events that arrived and are not yet taken.
    pub fn waiting(&self) -> usize {
        self.events.len()
    }

    fn take(&self, event: CarrierEvent) -> CarrierEvent {
        if matches!(event, CarrierEvent::Message { .. })
            && self.shared.untaken.fetch_sub(1, Ordering::AcqRel) == RECEIVE_WINDOW
        {
            // The thread may be waiting for exactly this.
            self.shared.wake();
        }
        event
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Receiver({} waiting)", self.waiting())
    }
}
