//! Either carrier behind one set of words, for owners that do not care which.

use std::time::Duration;

use crate::{CarrierError, CarrierEvent, PublishError, ReceiveError, mqtt, serial};

/// Which carrier, and how.
#[derive(Debug)]
pub enum Options {
    /// A broker on the network.
    Mqtt(mqtt::MqttOptions),
    /// A serial cable.
    Serial(serial::SerialOptions),
}

/// Sends messages over either carrier; clones share one queue.
#[derive(Clone, Debug)]
pub enum Publisher {
    /// Over MQTT.
    Mqtt(mqtt::Publisher),
    /// Over a serial cable.
    Serial(serial::Publisher),
}

/// Receives the events of either carrier, in order.
#[derive(Debug)]
pub enum Receiver {
    /// Of MQTT.
    Mqtt(mqtt::Receiver),
    /// Of a serial cable.
    Serial(serial::Receiver),
}

/// Starts connecting; see [`mqtt::connect`] and [`serial::connect`].
///
/// # Errors
/// [`CarrierError`] when the options can never lead to a connection.
pub fn connect(options: &Options) -> Result<(Publisher, Receiver), CarrierError> {
    match options {
        Options::Mqtt(options) => {
            let (publisher, receiver) = mqtt::connect(options)?;
            Ok((Publisher::Mqtt(publisher), Receiver::Mqtt(receiver)))
        }
        Options::Serial(options) => {
            let (publisher, receiver) = serial::connect(options)?;
            Ok((Publisher::Serial(publisher), Receiver::Serial(receiver)))
        }
    }
}

impl Publisher {
    /// Takes one message for sending, waiting up to `patience` while the queue is full.
    ///
    /// # Errors
    /// [`PublishError`]; the message was not taken then.
    pub fn publish(&self, topic: &str, payload: Vec<u8>, patience: Duration) -> Result<(), PublishError> {
        match self {
            Self::Mqtt(publisher) => publisher.publish(topic, payload, patience),
            Self::Serial(publisher) => publisher.publish(topic, payload, patience),
        }
    }

    /// Whether there is a connection now.
    pub fn is_up(&self) -> bool {
        match self {
            Self::Mqtt(publisher) => publisher.is_up(),
            Self::Serial(publisher) => publisher.is_up(),
        }
    }

    /// Whether a message on `topic` has a way now: over MQTT while there is a connection, over a cable while
    /// it is the topic of the other end.
    pub fn reaches(&self, topic: &str) -> bool {
        match self {
            Self::Mqtt(publisher) => publisher.is_up(),
            Self::Serial(publisher) => publisher.reaches(topic),
        }
    }

    /// Sends what is queued, says goodbye and ends the carrier; waits a few seconds at most.
    pub fn close(&self) {
        match self {
            Self::Mqtt(publisher) => publisher.close(),
            Self::Serial(publisher) => publisher.close(),
        }
    }
}

impl Receiver {
    /// Waits for the next event.
    ///
    /// # Errors
    /// [`ReceiveError::Closed`].
    pub fn recv(&self) -> Result<CarrierEvent, ReceiveError> {
        match self {
            Self::Mqtt(receiver) => receiver.recv(),
            Self::Serial(receiver) => receiver.recv(),
        }
    }

    /// Waits for the next event, for `patience` at most.
    ///
    /// # Errors
    /// [`ReceiveError`].
    pub fn recv_timeout(&self, patience: Duration) -> Result<CarrierEvent, ReceiveError> {
        match self {
            Self::Mqtt(receiver) => receiver.recv_timeout(patience),
            Self::Serial(receiver) => receiver.recv_timeout(patience),
        }
    }
}
