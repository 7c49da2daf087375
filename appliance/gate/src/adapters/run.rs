//! The loop: waits for whatever happens, asks the state machine, does what it says.

use std::{
    fs, io,
    path::PathBuf,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use obscura_carrier::{CarrierError, CarrierEvent, DownReason, Options, PublishError, Publisher, Receiver};
use obscura_local::appliance::{COMPUTE_SOCKET, READY_FILE};
use obscura_protocol::identity::PeerName;

use super::{
    Setup,
    compute::{self, Command},
    entropy::SystemEntropy,
    hash,
    intake::{Closed, Input, Intake, NoRoom},
    log::Log,
    outbox::{Handed, Outbox},
    store::Store,
    topic,
};
use crate::{
    application::Gate,
    ports::{Effect, Event, StoreChange},
};

/// How often the state machine hears that time passes.
const TICK: Duration = Duration::from_secs(1);
/// How long a carrier may take nothing before a message is dropped; the device asks again.
const PUBLISH_PATIENCE: Duration = Duration::from_secs(5);

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
    let intake = Arc::new(Intake::new());
    let stop = Arc::clone(&intake);
    obscura_process::on_end_of_input(move || {
        // A loop that is gone already needs no stop.
        let _ = stop.word(Input::Stop);
    })
    .map_err(RunError::DeviceThread)?;
    let socket = setup.runtime_dir.join(COMPUTE_SOCKET);
    let commands = compute::start(socket, setup.store_dir.clone(), Arc::clone(&intake));
    let commands = commands.map_err(RunError::DeviceThread)?;
    let mut carriers = Vec::new();
    for (carrier, options) in setup.carriers.iter().enumerate() {
        carriers.push(connect(carrier, options, &intake)?);
    }
    let gate = Gate::new(setup.settings, setup.identity, Box::new(SystemEntropy), stored);
    let host = Host {
        gate,
        store,
        carriers,
        commands,
        hasher: hash::Hasher::new(setup.store_dir, Arc::clone(&intake)),
        connection: 0,
        ready,
        log: Log::default(),
    };
    host.serve(&intake);
    Ok(())
}

/// One way to the devices.
struct Carrier {
    publisher: Publisher,
    outbox: Outbox,
    /// Whether devices can come over it now.
    serves: bool,
}

/// Starts a carrier with its two threads: one that brings what it hears, one that hands over what it is told.
fn connect(carrier: usize, options: &Options, intake: &Arc<Intake>) -> Result<Carrier, RunError> {
    let (publisher, events) = obscura_carrier::connect(options)?;
    let kind = match options {
        Options::Mqtt(_) => Kind::Mqtt,
        Options::Serial(_) => Kind::Serial,
    };
    pump(carrier, kind, events, Arc::clone(intake)).map_err(RunError::DeviceThread)?;
    let (way, last) = (publisher.clone(), publisher.clone());
    let hand = move |device: &PeerName, bytes| publish(&way, device, bytes);
    let outbox = Outbox::start(carrier, hand, move || last.close()).map_err(RunError::DeviceThread)?;
    Ok(Carrier {
        publisher,
        outbox,
        serves: false,
    })
}

fn publish(publisher: &Publisher, device: &PeerName, bytes: Vec<u8>) -> Handed {
    match publisher.publish(&topic::down(device), bytes, PUBLISH_PATIENCE) {
        Ok(()) => Handed::Over,
        Err(error @ (PublishError::Down | PublishError::Closed)) => {
            tracing::debug!(%device, %error, "message dropped");
            Handed::Over
        }
        Err(error) => {
            tracing::debug!(%device, %error, "message lost");
            Handed::Lost
        }
    }
}

/// What a carrier's events mean.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Serves while it is connected.
    Mqtt,
    /// Serves while its port is there, whether or not a device is at the other end.
    Serial,
}

impl Kind {
    /// A cable has one device, which may wait; at a broker every device would wait with it.
    fn no_room(self) -> NoRoom {
        match self {
            Self::Mqtt => NoRoom::Drop,
            Self::Serial => NoRoom::Wait,
        }
    }
}

/// Brings carrier events to the loop.
fn pump(carrier: usize, kind: Kind, events: Receiver, intake: Arc<Intake>) -> io::Result<()> {
    let pump = thread::Builder::new().name(format!("carrier-{carrier}"));
    pump.spawn(move || {
        while let Ok(event) = events.recv() {
            if bring(carrier, kind, event, &intake) == Err(Closed) {
                return;
            }
        }
    })
    .map(drop)
}

fn bring(carrier: usize, kind: Kind, event: CarrierEvent, intake: &Intake) -> Result<(), Closed> {
    match event {
        CarrierEvent::Up => {
            tracing::info!(?kind, "connected");
            intake.word(Input::Carrier {
                carrier,
                serves: true,
                fresh: true,
            })
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
            intake.word(Input::Carrier {
                carrier,
                serves,
                fresh: false,
            })
        }
        CarrierEvent::Message { topic, payload } => {
            let Some(device) = topic::device_of(&topic) else {
                tracing::debug!(bytes = payload.len(), "dropped a message on a topic of nobody");
                return Ok(());
            };
            intake.message(&device, payload, kind.no_room())
        }
        CarrierEvent::Denied { topic } => {
            tracing::error!(topic, "the broker's policy does not let the box write here");
            Ok(())
        }
        _ => Ok(()),
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
    log: Log,
}

impl Host {
    fn serve(mut self, intake: &Intake) {
        let mut next_tick = Instant::now() + TICK;
        loop {
            let now = Instant::now();
            if now >= next_tick {
                next_tick = now + TICK;
                self.tell_dropped(intake);
                self.feed(Event::Tick);
            }
            match intake.next(next_tick) {
                Some(Input::Event(event)) => self.feed(event),
                Some(Input::Carrier {
                    carrier,
                    serves,
                    fresh,
                }) => self.carrier(carrier, serves, fresh),
                Some(Input::ComputeUp { connection, models }) => {
                    self.connection = connection;
                    self.feed(Event::ComputeUp { models });
                }
                Some(Input::Stop) => break,
                None => {}
            }
        }
        self.tell_dropped(intake);
        self.feed(Event::Ending);
        self.end(intake);
    }

    fn end(self, intake: &Intake) {
        tracing::info!("gate ends");
        self.ready.set(false);
        intake.close();
        for carrier in &self.carriers {
            carrier.outbox.close();
        }
        for carrier in self.carriers {
            carrier.outbox.join();
        }
    }

    /// Tells the state machine what the queues before and behind it had no room for.
    fn tell_dropped(&mut self, intake: &Intake) {
        for (device, from) in intake.take_dropped() {
            self.feed(Event::Dropped { device, from, to: 0 });
        }
        let dropped: Vec<_> = self
            .carriers
            .iter()
            .flat_map(|carrier| carrier.outbox.take_dropped())
            .collect();
        for (device, to) in dropped {
            self.feed(Event::Dropped { device, from: 0, to });
        }
    }

    /// The box can be reached while any carrier serves.
    fn carrier(&mut self, carrier: usize, serves: bool, fresh: bool) {
        if let Some(carrier) = self.carriers.get_mut(carrier) {
            carrier.serves = serves;
            if fresh {
                // Messages of an earlier connection would only keep those of this one waiting.
                carrier.outbox.clear();
            }
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
            Effect::Publish { device, bytes } => self.send(&device, bytes),
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
            Effect::Note(note) => self.log.write(&note),
        }
    }

    /// Over the cable when the device is at its other end, otherwise through the broker. Never waits.
    fn send(&self, device: &PeerName, bytes: Vec<u8>) {
        let topic = topic::down(device);
        let mut carriers = self.carriers.iter();
        if let Some(carrier) = carriers.rfind(|carrier| carrier.publisher.reaches(&topic)) {
            carrier.outbox.send(device, bytes);
        } else {
            tracing::debug!(%device, "message dropped, there is no way to the device");
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
