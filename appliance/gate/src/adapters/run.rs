//! The loop: waits for whatever happens, asks the state machine, does what it says.

use std::{
    fs, io,
    path::PathBuf,
    sync::mpsc::{self, RecvTimeoutError, SyncSender},
    thread,
    time::{Duration, Instant},
};

use obscura_carrier::{CarrierError, CarrierEvent, DownReason, Options, PublishError, Publisher, Receiver};
use obscura_local::appliance::{COMPUTE_SOCKET, ComputeModel, READY_FILE};
use obscura_protocol::identity::PeerName;

use super::{
    Setup,
    compute::{self, Command},
    entropy::SystemEntropy,
    hash, log,
    store::Store,
    topic,
};
use crate::{
    application::Gate,
    ports::{Effect, Event, StoreChange},
};

/// Inputs that wait for the loop.
const INPUTS: usize = 64;
/// How often the state machine hears that time passes.
const TICK: Duration = Duration::from_secs(1);
/// How long a message waits for the broker before it is dropped; the device asks again.
const PUBLISH_PATIENCE: Duration = Duration::from_secs(5);

/// Something for the loop.
pub(super) enum Input {
    /// For the state machine.
    Event(Event),
    /// Whether devices can come over a carrier changed.
    Carrier {
        /// Its place in the configuration.
        carrier: usize,
        /// Whether they can.
        serves: bool,
    },
    /// Compute is connected for the `connection`-th time.
    ComputeUp {
        /// Counts connections.
        connection: u64,
        /// The models it runs.
        models: Vec<ComputeModel>,
    },
    /// The launcher wants the gate to end.
    Stop,
}

/// Why the gate cannot run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The store cannot be used.
    #[error("the key store {} cannot be used", path.display())]
    DeviceStore {
        /// Its folder.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The carrier cannot be started.
    #[error(transparent)]
    ConfigCarrier(#[from] CarrierError),
    /// The operating system gives no thread.
    #[error("a thread could not be started")]
    DeviceThread(#[source] io::Error),
}

/// Runs until standard input ends.
///
/// # Errors
/// [`RunError`], at start only.
pub fn run(setup: Setup) -> Result<(), RunError> {
    let device_store = |source| RunError::DeviceStore {
        path: setup.store_dir.clone(),
        source,
    };
    let store = Store::open(setup.store_dir.clone(), setup.incoming_dir).map_err(device_store)?;
    let stored = store.scan().map_err(device_store)?;
    tracing::info!(objects = stored.len(), "store opened");
    let ready = ReadyFile(setup.runtime_dir.join(READY_FILE));
    ready.set(false);
    let (inputs, received) = mpsc::sync_channel(INPUTS);
    let stop = inputs.clone();
    obscura_process::on_end_of_input(move || {
        // A loop that is gone already needs no stop.
        let _ = stop.send(Input::Stop);
    })
    .map_err(RunError::DeviceThread)?;
    let socket = setup.runtime_dir.join(COMPUTE_SOCKET);
    let commands = compute::start(socket, setup.store_dir.clone(), inputs.clone());
    let commands = commands.map_err(RunError::DeviceThread)?;
    let mut carriers = Vec::new();
    for (carrier, options) in setup.carriers.iter().enumerate() {
        let (publisher, events) = obscura_carrier::connect(options)?;
        let kind = match options {
            Options::Mqtt(_) => Kind::Mqtt,
            Options::Serial(_) => Kind::Serial,
        };
        pump(carrier, kind, events, inputs.clone()).map_err(RunError::DeviceThread)?;
        carriers.push(Carrier {
            publisher,
            serves: false,
        });
    }
    let gate = Gate::new(setup.settings, setup.identity, Box::new(SystemEntropy), stored);
    let mut host = Host {
        gate,
        store,
        carriers,
        commands,
        hasher: hash::Hasher::new(setup.store_dir, inputs),
        connection: 0,
        ready,
    };
    host.serve(&received);
    Ok(())
}

/// One way to the devices.
struct Carrier {
    publisher: Publisher,
    /// Whether devices can come over it now.
    serves: bool,
}

/// What a carrier's events mean.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Serves while it is connected.
    Mqtt,
    /// Serves while its port is there, whether or not a device is at the other end.
    Serial,
}

/// Brings carrier events to the loop. It may wait there: the carrier then slows the other end down.
fn pump(carrier: usize, kind: Kind, events: Receiver, inputs: SyncSender<Input>) -> io::Result<()> {
    let pump = thread::Builder::new().name(format!("carrier-{carrier}"));
    pump.spawn(move || {
        while let Ok(event) = events.recv() {
            if let Some(input) = translate(carrier, kind, event)
                && inputs.send(input).is_err()
            {
                return;
            }
        }
    })
    .map(drop)
}

fn translate(carrier: usize, kind: Kind, event: CarrierEvent) -> Option<Input> {
    match event {
        CarrierEvent::Up => {
            tracing::info!(?kind, "connected");
            let serves = true;
            Some(Input::Carrier { carrier, serves })
        }
        CarrierEvent::Down { reason, retry_in } => {
            let serves = match kind {
                Kind::Mqtt => false,
                Kind::Serial => reason != DownReason::Port,
            };
            let retry_ms = retry_in.as_millis();
            if serves {
                tracing::info!(?kind, %reason, retry_ms, "no device is connected");
            } else {
                tracing::warn!(?kind, %reason, retry_ms, "not connected");
            }
            Some(Input::Carrier { carrier, serves })
        }
        CarrierEvent::Message { topic, payload } => {
            let device = topic::device_of(&topic);
            if device.is_none() {
                tracing::debug!(bytes = payload.len(), "dropped a message on a topic of nobody");
            }
            device.map(|device| {
                Input::Event(Event::Received {
                    device,
                    bytes: payload,
                })
            })
        }
        CarrierEvent::Denied { topic } => {
            tracing::error!(topic, "the broker's policy does not let the box write here");
            None
        }
        _ => None,
    }
}

/// The state machine with its hands.
struct Host {
    gate: Gate,
    store: Store,
    carriers: Vec<Carrier>,
    commands: mpsc::Sender<Command>,
    hasher: hash::Hasher,
    /// Compute's connection that tasks are meant for.
    connection: u64,
    ready: ReadyFile,
}

impl Host {
    fn serve(&mut self, inputs: &mpsc::Receiver<Input>) {
        let mut next_tick = Instant::now() + TICK;
        loop {
            let now = Instant::now();
            if now >= next_tick {
                next_tick = now + TICK;
                self.feed(Event::Tick);
            }
            match inputs.recv_timeout(next_tick.saturating_duration_since(now)) {
                Ok(Input::Event(event)) => self.feed(event),
                Ok(Input::Carrier { carrier, serves }) => self.carrier(carrier, serves),
                Ok(Input::ComputeUp { connection, models }) => {
                    self.connection = connection;
                    self.feed(Event::ComputeUp { models });
                }
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Input::Stop) | Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        tracing::info!("gate ends");
        self.ready.set(false);
        for carrier in &self.carriers {
            carrier.publisher.close();
        }
    }

    /// The box can be reached while any carrier serves.
    fn carrier(&mut self, carrier: usize, serves: bool) {
        if let Some(carrier) = self.carriers.get_mut(carrier) {
            carrier.serves = serves;
        }
        let any = self.carriers.iter().any(|carrier| carrier.serves);
        self.feed(if any { Event::CarrierUp } else { Event::CarrierDown });
    }

    fn feed(&mut self, event: Event) {
        let mut following = Vec::new();
        for effect in self.gate.handle(Instant::now(), event) {
            self.carry_out(effect, &mut following);
        }
        for event in following {
            self.feed(event);
        }
    }

    fn carry_out(&mut self, effect: Effect, following: &mut Vec<Event>) {
        match effect {
            Effect::Publish { device, bytes } => self.publish(&device, bytes),
            Effect::Store(change) => {
                let delivered = match &change {
                    StoreChange::Deliver { client, .. } => Some(Event::Delivered { client: *client }),
                    _ => None,
                };
                match self.store.apply(change) {
                    Ok(()) => following.extend(delivered),
                    Err((client, error)) => {
                        tracing::error!(%error, "the key store failed");
                        following.push(Event::StoreFailed { client });
                    }
                }
            }
            Effect::Hash { client } => following.extend(self.hasher.start(client)),
            Effect::Compute(task) => {
                let connection = self.connection;
                // The thread lives as long as its inputs do, that is, as this loop.
                let _ = self.commands.send(Command::Do { connection, task });
            }
            Effect::Ready(ready) => self.ready.set(ready),
            Effect::Note(note) => log::write(&note),
        }
    }

    /// Over the cable when the device is at its other end, otherwise through the broker.
    fn publish(&self, device: &PeerName, bytes: Vec<u8>) {
        let topic = topic::down(device);
        let mut publishers = self.carriers.iter().map(|carrier| &carrier.publisher);
        let published = match publishers.rfind(|publisher| publisher.reaches(&topic)) {
            Some(publisher) => publisher.publish(&topic, bytes, PUBLISH_PATIENCE),
            None => Err(PublishError::Down),
        };
        match published {
            Ok(()) => {}
            Err(error @ PublishError::Down) => tracing::debug!(%device, %error, "message dropped"),
            Err(error) => tracing::warn!(%device, %error, "message dropped"),
        }
    }
}

/// A file that exists while the box serves, for whoever waits for it.
struct ReadyFile(PathBuf);

impl ReadyFile {
    fn set(&self, ready: bool) {
        let done = if ready {
            tracing::info!("ready");
            fs::write(&self.0, b"ready\n")
        } else {
            match fs::remove_file(&self.0) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                removed => {
                    tracing::info!("not ready");
                    removed
                }
            }
        };
        if let Err(error) = done {
            tracing::warn!(%error, "the ready file could not be changed");
        }
    }
}
