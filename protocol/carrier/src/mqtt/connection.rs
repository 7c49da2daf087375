//! The carrier's thread: connects, subscribes, moves messages, and starts over when a connection ends.

use std::{
    cell::RefCell,
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rumqttc::{
    AckMode, AsyncClient, AsyncClientBuilder, Broker, ConnectionError, Event, EventLoop, ManualAck,
    NetworkOptions, Outgoing, Packet, PubAckReason, Publish, PublishOptions, QoS, RetainForwardRule,
    StateError, SubscribeFilterInput, SubscribeReasonCode, TlsConfiguration, Transport, ValidatedTopicFilter,
};

use super::{Inbound, MqttOptions, Outbound, RECEIVE_WINDOW, SEND_QUEUE};
use crate::{
    CarrierError, CarrierEvent, DownReason,
    backoff::Backoff,
    tls::{self, Credentials},
};

/// Longest wait for TCP, TLS and the broker's greeting together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Longest wait for the broker to take what is queued when the carrier closes.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// Everything needed to make one connection after another.
pub(super) struct Template {
    options: rumqttc::MqttOptions,
    filters: Vec<ValidatedTopicFilter>,
}

impl Template {
    pub(super) fn new(from: &MqttOptions) -> Result<Self, CarrierError> {
        let filters = from.subscribe.iter().enumerate();
        let filters = filters
            .map(|(index, filter)| {
                ValidatedTopicFilter::new(filter.clone()).or(Err(CarrierError::ConfigTopic { index }))
            })
            .collect::<Result<_, _>>()?;
        let broker = Broker::tcp(from.host.clone(), from.port);
        let mut options = rumqttc::MqttOptions::new(from.client_id.clone(), broker);
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        options.set_network_options(network);
        options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(
            tls::client_config(&Credentials {
                ca: &from.ca_pem,
                certificate: &from.certificate_pem,
                key: &from.key_pem,
            })?,
        )));
        options.set_clean_start(true);
        options.set_ack_mode(AckMode::Manual);
        options.set_keep_alive(u16::try_from(from.keep_alive.as_secs().max(1)).unwrap_or(u16::MAX));
        options.set_connect_timeout(CONNECT_TIMEOUT);
        options.set_max_packet_size(Some(from.max_packet_bytes));
        options.set_receive_maximum(Some(RECEIVE_WINDOW));
        options.set_request_channel_capacity(SEND_QUEUE);
        Ok(Self { options, filters })
    }

    fn client(&self) -> (AsyncClient, EventLoop) {
        AsyncClientBuilder::new(self.options.clone()).build()
    }

    fn filters(&self) -> Vec<SubscribeFilterInput> {
        let filters = self.filters.iter().cloned();
        filters
            .map(|filter| {
                SubscribeFilterInput::validated(filter, QoS::AtLeastOnce)
                    .retain_forward_rule(RetainForwardRule::Never)
            })
            .collect()
    }
}

/// The thread's state.
pub(super) struct Link {
    pub(super) template: Template,
    pub(super) outbound: flume::Receiver<Outbound>,
    pub(super) inbound: flume::Sender<Inbound>,
    pub(super) up: Arc<AtomicBool>,
}

/// How one connection ended.
enum End {
    /// The owner closed the carrier or dropped an end of it.
    Done,
    /// The connection broke.
    Broken(DownReason),
}

/// Topics of messages the broker has not acknowledged, for naming a denied one.
#[derive(Default)]
struct Pending {
    /// Given to the client, in order, without a packet id yet.
    queued: VecDeque<String>,
    by_id: HashMap<u16, String>,
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.queued.is_empty() && self.by_id.is_empty()
    }
}

impl Link {
    /// Runs until the owner is gone.
    pub(super) async fn run(self) {
        let mut backoff = Backoff::up_to(LONGEST_PAUSE);
        loop {
            let mut up_at = None;
            let end = self.connection(&mut up_at).await;
            self.up.store(false, Ordering::Release);
            let End::Broken(reason) = end else { return };
            let up_for = up_at.map_or(Duration::ZERO, |at: Instant| at.elapsed());
            let retry_in = backoff.next(up_for);
            if self.report(CarrierEvent::Down { reason, retry_in }).is_err() {
                return;
            }
            if self.pause(retry_in).await.is_err() {
                return;
            }
        }
    }

    fn report(&self, event: CarrierEvent) -> Result<(), End> {
        let inbound = Inbound { event, ack: None };
        self.inbound.send(inbound).map_err(|_closed| End::Done)
    }

    /// Waits before the next attempt, dropping messages of the broken connection.
    async fn pause(&self, pause: Duration) -> Result<(), End> {
        tokio::select! {
            end = self.discard() => Err(end),
            () = tokio::time::sleep(pause) => Ok(()),
        }
    }

    /// Drops messages until the owner closes.
    async fn discard(&self) -> End {
        while let Ok(Outbound::Publish { .. }) = self.outbound.recv_async().await {}
        End::Done
    }

    /// One connection from its first packet to its end.
    ///
    /// Polling, publishing and acknowledging are three futures: the one that polls never waits for the
    /// client's queue, which only polling empties.
    async fn connection(&self, up_at: &mut Option<Instant>) -> End {
        let (client, mut events) = self.template.client();
        let (acks, ack_queue) = flume::unbounded();
        let (granted, wait_granted) = flume::bounded(1);
        let pending = RefCell::new(Pending::default());
        let poll = async {
            loop {
                if let Err(end) = self
                    .poll_once(&mut events, &acks, &pending, up_at, &granted)
                    .await
                {
                    break end;
                }
            }
        };
        tokio::select! {
            end = poll => end,
            end = self.send(&client, &pending, &wait_granted) => end,
            end = acknowledge(&client, &ack_queue) => end,
        }
    }

    async fn poll_once(
        &self,
        events: &mut EventLoop,
        acks: &flume::Sender<ManualAck>,
        pending: &RefCell<Pending>,
        up_at: &mut Option<Instant>,
        granted: &flume::Sender<()>,
    ) -> Result<(), End> {
        let was_up = up_at.is_some();
        match events.poll().await {
            Ok(Event::Incoming(Packet::SubAck(ack))) => {
                let all = ack.return_codes.iter();
                if !all
                    .clone()
                    .all(|code| matches!(code, SubscribeReasonCode::Success(_)))
                {
                    return Err(End::Broken(DownReason::SubscriptionDenied));
                }
                *up_at = Some(Instant::now());
                self.up.store(true, Ordering::Release);
                // The sender side reads at most one grant per connection; a second has no reader.
                let _ = granted.try_send(());
                self.report(CarrierEvent::Up)
            }
            Ok(Event::Incoming(Packet::Publish(message))) => self.deliver(&message, acks),
            Ok(Event::Incoming(Packet::PubAck(ack))) => {
                let topic = pending.borrow_mut().by_id.remove(&ack.pkid);
                match (ack.reason, topic) {
                    (PubAckReason::Success | PubAckReason::NoMatchingSubscribers, _) | (_, None) => Ok(()),
                    (_, Some(topic)) => self.report(CarrierEvent::Denied { topic }),
                }
            }
            Ok(Event::Outgoing(Outgoing::Publish(id))) => {
                let mut pending = pending.borrow_mut();
                if let Some(topic) = pending.queued.pop_front() {
                    pending.by_id.insert(id, topic);
                }
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(error) => Err(ended(&error, was_up)),
        }
    }

    /// Passes a message on; retained ones and those without acknowledgement are not ours.
    fn deliver(&self, message: &Publish, acks: &flume::Sender<ManualAck>) -> Result<(), End> {
        let id = message.pkid;
        let ack = ManualAck::PubAck(rumqttc::PubAck::new(id, None));
        let topic = String::from_utf8(message.topic.to_vec());
        let (QoS::AtLeastOnce, false, Ok(topic)) = (message.qos, message.retain, topic) else {
            tracing::debug!(
                bytes = message.payload.len(),
                "dropped a retained or unacknowledged message"
            );
            if message.qos == QoS::AtLeastOnce {
                // Fails only when this connection is over.
                let _ = acks.send(ack);
            }
            return Ok(());
        };
        let payload = message.payload.to_vec();
        let inbound = Inbound {
            event: CarrierEvent::Message { topic, payload },
            ack: Some((acks.clone(), ack)),
        };
        self.inbound.send(inbound).map_err(|_closed| End::Done)
    }

    /// Subscribes, then forwards the owner's messages once the subscription is granted.
    async fn send(
        &self,
        client: &AsyncClient,
        pending: &RefCell<Pending>,
        granted: &flume::Receiver<()>,
    ) -> End {
        if client.subscribe_many(self.template.filters()).await.is_err() {
            return End::Broken(DownReason::Closed);
        }
        tokio::select! {
            // The grant first: a message sent after it must not be taken for one of an earlier connection.
            biased;
            _ = granted.recv_async() => {}
            end = self.discard() => return end,
        }
        loop {
            let Ok(Outbound::Publish { topic, payload }) = self.outbound.recv_async().await else {
                return drain(client, pending).await;
            };
            pending.borrow_mut().queued.push_back(topic.clone());
            let sent = client.publish(topic, payload, PublishOptions::at_least_once());
            if sent.await.is_err() {
                return End::Broken(DownReason::Closed);
            }
        }
    }
}

/// Waits until the broker has everything, then says goodbye.
///
/// The client's own graceful disconnect drops what flow control still holds back.
async fn drain(client: &AsyncClient, pending: &RefCell<Pending>) -> End {
    let deadline = Instant::now() + DRAIN_TIMEOUT;
    while !pending.borrow().is_empty() && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let _ = client.disconnect_with_timeout(DRAIN_TIMEOUT).await;
    // The polling future ends the connection once the goodbye is sent.
    std::future::pending().await
}

/// Tells the broker which messages the owner took.
async fn acknowledge(client: &AsyncClient, queue: &flume::Receiver<ManualAck>) -> End {
    while let Ok(ack) = queue.recv_async().await {
        if client.manual_ack(ack).await.is_err() {
            break;
        }
    }
    End::Broken(DownReason::Closed)
}

/// What a library error means for the owner.
fn ended(error: &ConnectionError, was_up: bool) -> End {
    let reason = match error {
        ConnectionError::RequestsDone | ConnectionError::DisconnectTimeout => return End::Done,
        ConnectionError::ConnectionRefused(_)
        | ConnectionError::NotConnAck(_)
        | ConnectionError::MqttState(StateError::ConnFail { .. }) => DownReason::Refused,
        ConnectionError::Tls(rumqttc::TlsError::Io(io)) if !tls::is_tls(io) => DownReason::Unreachable,
        ConnectionError::Tls(_) => DownReason::Tls,
        error if tls::is_tls(error) => DownReason::Tls,
        _ if was_up => DownReason::Closed,
        ConnectionError::MqttState(_) => DownReason::Refused,
        _ => DownReason::Unreachable,
    };
    tracing::debug!(%error, "connection ended");
    End::Broken(reason)
}
