//! A device with a valid certificate that sends as fast as its carrier takes it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use obscura_carrier::{CarrierEvent, Publisher, Receiver};
use obscura_link::adapters::config::LinkConfig;
use obscura_protocol::{
    envelope,
    identity::ClientId,
    message::{BoxMessage, DeviceMessage},
    session::{Session, opening_header},
};

use crate::error::BenchError;

/// How long a flooding device waits before it looks whether it may flood.
const PAUSE: Duration = Duration::from_millis(5);
/// Longest wait for its session.
const LIMIT: Duration = Duration::from_secs(20);

/// A flooding device.
pub(crate) struct Flood {
    on: Arc<AtomicBool>,
    ended: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
    publisher: Publisher,
}

impl Flood {
    /// Opens a session as `config` says and prepares a signed question, which is then sent again and again:
    /// the box has to check the signature of every copy before it can refuse it.
    pub(crate) fn prepare(config: LinkConfig) -> Result<Self, BenchError> {
        let (publisher, events) = obscura_carrier::connect(&config.carrier)?;
        let mut session = open_session(&config, &publisher, &events)?;
        let client = ClientId([1; 16]);
        let question = DeviceMessage::KeyStatus { client }.encode();
        let bytes = envelope::seal(&session.next_header(), &question, &config.own.identity);
        let (on, ended) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let sent = Arc::new(AtomicU64::new(0));
        let listening = thread::spawn(move || while events.recv().is_ok() {});
        let topic = config.up_topic;
        let (way, may, over, count) = (publisher.clone(), on.clone(), ended.clone(), sent.clone());
        let sending = thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                if !may.load(Ordering::Relaxed) {
                    thread::sleep(PAUSE);
                } else if way.publish(&topic, bytes.clone(), PAUSE).is_ok() {
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        Ok(Self {
            on,
            ended,
            sent,
            threads: vec![listening, sending],
            publisher,
        })
    }

    /// Begins or stops flooding.
    pub(crate) fn set(&self, on: bool) {
        self.on.store(on, Ordering::Relaxed);
    }

    /// Messages sent so far.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        self.publisher.close();
        for thread in self.threads.drain(..) {
            // A thread that failed has nothing to give back.
            let _ = thread.join();
        }
    }
}

fn open_session(
    config: &LinkConfig,
    publisher: &Publisher,
    events: &Receiver,
) -> Result<Session, BenchError> {
    let own = &config.own;
    let header = opening_header(&own.device, &own.box_name);
    let hello = DeviceMessage::Hello {
        min_version: 1,
        max_version: 1,
        nonce: [7; 16],
    };
    let deadline = Instant::now() + LIMIT;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match events.recv_timeout(left)? {
            CarrierEvent::Up => {
                let bytes = envelope::seal(&header, &hello.encode(), &own.identity);
                publisher.publish(&config.up_topic, bytes, left)?;
            }
            CarrierEvent::Message { payload, .. } => {
                let said = envelope::open(&payload)
                    .ok()
                    .and_then(|said| said.verify(&own.box_key).ok());
                let said = said.and_then(|said| BoxMessage::decode(&said.payload).ok());
                if let Some(BoxMessage::Welcome { version, session, .. }) = said {
                    let (device, peer) = (own.device.clone(), own.box_name.clone());
                    return Ok(Session::new(device, peer, session, version));
                }
            }
            _ => {}
        }
    }
}
