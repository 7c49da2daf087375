//! The observer's ear at the broker: a member of the site that may read every topic and write none.
//!
//! It opens the signed envelopes, which carry no secrets, and notes jobs and answers. A connection that ends
//! is made anew; what passes meanwhile is not heard.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use obscura_carrier::{
    CarrierEvent,
    mqtt::{self, MqttOptions},
};
use obscura_protocol::{
    envelope,
    identity::PublicKey,
    job::{Signed, Ticket},
    message::{BoxMessage, DeviceMessage},
};
use obscura_system_tests::HarnessError;
use zeroize::Zeroizing;

use crate::{
    error::FaultsError,
    observe::{Sight, lock, short},
};

/// Name of the observer in its certificate, and its folder in the site.
pub(crate) const OBSERVER: &str = "observer";
/// Pause before a new connection.
const PAUSE: Duration = Duration::from_millis(100);

/// Keys that sign what passes: of the devices by name, and of the box.
struct Keys {
    devices: BTreeMap<String, PublicKey>,
    boxed: PublicKey,
}

/// Listens on a thread of its own from now on.
///
/// # Errors
/// [`FaultsError`].
pub(crate) fn start(site: &Path, port: u16, sight: &Arc<Mutex<Sight>>) -> Result<(), FaultsError> {
    let keys = Keys::read(site)?;
    let own = |file: &str| read(&site.join(OBSERVER).join(file));
    let options = MqttOptions {
        host: "127.0.0.1".to_owned(),
        port,
        client_id: OBSERVER.to_owned(),
        ca_pem: own("ca.pem")?,
        certificate_pem: own("mqtt.pem")?,
        key_pem: Zeroizing::new(own("mqtt.key.pem")?),
        subscribe: ["up", "down"].map(|way| format!("obscura/v1/+/{way}")).to_vec(),
        max_packet_bytes: 320 * 1024,
        keep_alive: Duration::from_secs(5),
    };
    // The first connection is made here, so that options that never work end the observer.
    let mut connection = mqtt::connect(&options)?;
    let sight = Arc::clone(sight);
    thread::spawn(move || {
        loop {
            listen(&connection.1, &keys, &sight);
            thread::sleep(PAUSE);
            match mqtt::connect(&options) {
                Ok(again) => connection = again,
                Err(_) => return,
            }
        }
    });
    Ok(())
}

fn listen(receiver: &mqtt::Receiver, keys: &Keys, sight: &Mutex<Sight>) {
    while let Ok(event) = receiver.recv() {
        match event {
            CarrierEvent::Message { topic, payload } => {
                let mut sight = lock(sight);
                sight.heard();
                // What does not verify was never taken by its receiver either.
                let _ = note(&topic, &payload, keys, &mut sight);
            }
            // A new connection at once is sooner than the carrier's own growing pauses.
            CarrierEvent::Down { .. } => return,
            _ => {}
        }
    }
}

/// Notes what a message says of jobs; `None` when it says nothing or is not genuine.
fn note(topic: &str, payload: &[u8], keys: &Keys, sight: &mut Sight) -> Option<()> {
    let (device, way) = topic.strip_prefix("obscura/v1/")?.split_once('/')?;
    let device_key = keys.devices.get(device)?;
    let envelope = envelope::open(payload).ok()?;
    if way == "down" {
        let verified = envelope.verify(&keys.boxed).ok()?;
        if let BoxMessage::Answer { job, bytes, .. } = BoxMessage::decode(&verified.payload).ok()? {
            sight.answer(&job.to_string(), short(&bytes));
        }
        return Some(());
    }
    let verified = envelope.verify(device_key).ok()?;
    match DeviceMessage::decode(&verified.payload).ok()? {
        DeviceMessage::Submit { ticket } | DeviceMessage::Request { ticket, .. } => {
            let ticket = Signed::<Ticket>::verify(&ticket, device_key).ok()?;
            sight.job(ticket.statement().job.to_string(), None);
        }
        DeviceMessage::Item { job, bytes, .. } => sight.job(job.to_string(), Some(short(&bytes))),
        _ => {}
    }
    Some(())
}

impl Keys {
    fn read(site: &Path) -> Result<Self, FaultsError> {
        let text =
            |file: &str| read(&site.join(file)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let boxed = values(&text("device-1/agent.toml")?, "envelope_public_key").next();
        let boxed = boxed.and_then(|hex| hex.parse().ok());
        let roster = text("box/roster.toml")?;
        let keys = values(&roster, "envelope_public_key").map(|hex| hex.parse().ok());
        let devices = values(&roster, "name").zip(keys);
        Ok(Self {
            devices: devices.filter_map(|(name, key)| Some((name, key?))).collect(),
            boxed: boxed.ok_or(FaultsError::BadSite {
                file: "device-1/agent.toml",
                what: "envelope_public_key",
            })?,
        })
    }
}

/// The quoted values of a key in a TOML file, in order.
fn values<'a>(text: &'a str, key: &'a str) -> impl Iterator<Item = String> + 'a {
    text.lines().filter_map(move |line| {
        let value = line.strip_prefix(key)?.trim_start().strip_prefix('=')?;
        Some(value.trim().trim_matches('"').to_owned())
    })
}

fn read(path: &Path) -> Result<Vec<u8>, HarnessError> {
    fs::read(path).map_err(|source| HarnessError::DeviceIo {
        path: path.to_owned(),
        source,
    })
}
