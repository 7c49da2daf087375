//! The state machine: what comes in, who may say it, and what goes out.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use obscura_local::appliance::ComputeModel;
use obscura_protocol::{
    CURRENT_VERSION, MIN_VERSION,
    codec::DecodeError,
    envelope::{self, Header, Verified},
    identity::{Digest, Identity, JobId, PeerName, SessionId},
    message::{BoxMessage, DeviceMessage, Lane, ModelOffer, Refusal},
    session,
};

use super::{
    Settings,
    jobs::Jobs,
    keys::Keys,
    peers::{Admitted, Peer},
    tally::Tally,
    work::Work,
};
use crate::{
    domain::Throttle,
    ports::{Effect, Entropy, Event, Note, StoredObject},
};

/// How often unknown or unproven senders are mentioned in the log.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// A message was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reject {
    pub(super) code: Refusal,
    pub(super) job: Option<JobId>,
}

impl From<Refusal> for Reject {
    fn from(code: Refusal) -> Self {
        Self { code, job: None }
    }
}

impl Reject {
    /// A refusal that concerns a job.
    pub(super) fn of(code: Refusal, job: JobId) -> Self {
        Self { code, job: Some(job) }
    }
}

/// What the gate keeps in memory for its devices. Each figure has a bound that no device can exceed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Items that wait or are computed.
    pub items: usize,
    /// Their ciphertexts, bytes.
    pub item_bytes: usize,
    /// Answers kept for a device that asks again.
    pub answers: usize,
    /// Their bytes, receipts included.
    pub answer_bytes: usize,
    /// Open jobs.
    pub jobs: usize,
    /// Sessions of the device that has most, those included that were welcomed and not yet used.
    pub most_sessions: usize,
}

/// The gate without its I/O.
pub struct Gate {
    pub(super) settings: Settings,
    identity: Identity,
    entropy: Box<dyn Entropy>,
    pub(super) peers: BTreeMap<PeerName, Peer>,
    pub(super) keys: Keys,
    /// Bundles handed over since this process started.
    pub(super) delivered: BTreeMap<PeerName, BTreeSet<Digest>>,
    pub(super) jobs: Jobs,
    pub(super) work: Work,
    /// When the present event happened.
    pub(super) now: Instant,
    /// `None` until compute was there once.
    models: Option<Vec<ComputeModel>>,
    carrier_up: bool,
    ready: bool,
    unknown: Throttle,
    unproven: Throttle,
    pub(super) tally: Tally,
    pub(super) effects: Vec<Effect>,
}

impl Gate {
    /// A gate that speaks as `identity` and finds `stored` in its store, the longest unused first.
    pub fn new(
        settings: Settings,
        identity: Identity,
        entropy: Box<dyn Entropy>,
        stored: Vec<StoredObject>,
    ) -> Self {
        let now = Instant::now();
        Self {
            keys: Keys::new(stored, now),
            delivered: BTreeMap::new(),
            settings,
            identity,
            entropy,
            peers: BTreeMap::new(),
            jobs: Jobs::default(),
            work: Work::default(),
            now,
            models: None,
            carrier_up: false,
            ready: false,
            unknown: Throttle::new(LOG_INTERVAL),
            unproven: Throttle::new(LOG_INTERVAL),
            tally: Tally::default(),
            effects: Vec::new(),
        }
    }

    /// Takes one event and says what is to be done, in order.
    pub fn handle(&mut self, now: Instant, event: Event) -> Vec<Effect> {
        self.now = now;
        self.report_tally(&event);
        match event {
            Event::CarrierUp => self.carrier_up = true,
            Event::CarrierDown => self.carrier_up = false,
            Event::Received { device, bytes } => self.received(now, &device, &bytes),
            Event::ComputeUp { models } => {
                self.models = Some(models);
                self.compute_up();
            }
            Event::ComputeDown => self.compute_down(),
            Event::KeysLoaded { fingerprint, outcome } => self.keys_loaded(fingerprint, outcome),
            Event::ItemMoved { job, item, done, of } => self.item_moved(job, item, done, of),
            Event::ItemDone { job, item, outcome } => self.item_done(job, item, outcome),
            Event::StoreFailed { client } => self.store_failed(client),
            Event::Dropped { device, from, to } => self.dropped(&device, from, to),
            Event::Ending => {}
            Event::Hashed { client, digest } => self.hashed(client, digest),
            Event::Delivered { client } => self.handed_over(client),
            Event::Tick => {
                self.save_slow_uploads();
                self.drop_expired();
                self.stop_overdue();
                self.stop_late();
                self.drop_abandoned();
                self.report_queue();
                self.report_outlooks();
            }
        }
        self.give_work();
        self.report_ready();
        std::mem::take(&mut self.effects)
    }

    /// What is in memory now.
    pub fn held(&self) -> Held {
        let (items, item_bytes) = self.work.held();
        let (answers, answer_bytes) = self.jobs.answers_held();
        Held {
            items,
            item_bytes,
            answers,
            answer_bytes,
            jobs: self.jobs.len(),
            most_sessions: self.peers.values().map(Peer::sessions).max().unwrap_or(0),
        }
    }

    fn report_ready(&mut self) {
        let ready = self.carrier_up && self.work.is_up() && !self.models().is_empty();
        if ready != self.ready {
            self.ready = ready;
            self.effects.push(Effect::Ready(ready));
        }
    }

    pub(super) fn models(&self) -> &[ComputeModel] {
        self.models.as_deref().unwrap_or_default()
    }

    /// From bytes to a message of a proven sender in its place, or to a refusal.
    fn received(&mut self, now: Instant, device: &PeerName, bytes: &[u8]) {
        if !self.settings.roster.0.contains_key(device) {
            self.tally.unknown(1);
            if let Some(messages) = self.unknown.hit(now) {
                self.note(Note::UnknownDevices { messages });
            }
            return;
        }
        let peer = self.peers.entry(device.clone()).or_default();
        if peer.refusals.is_spent(now) {
            self.tally.ignored(device);
            return;
        }
        let Verified { header, payload } = match self.prove(device, bytes) {
            Ok(verified) => verified,
            Err(code) => {
                if let Some(messages) = self.unproven.hit(now) {
                    let device = device.clone();
                    self.note(Note::Unauthenticated {
                        messages,
                        device,
                        code,
                    });
                }
                self.refuse_outside(device, 0, code);
                return;
            }
        };
        if header.session == SessionId::NONE {
            if let Err(code) = self.hello(device, &payload) {
                self.refuse_outside(device, header.sequence, code);
            }
            return;
        }
        match self.peers.entry(device.clone()).or_default().admit(&header) {
            Ok(Admitted::First) => {
                // What it wants of the former session it asks for again.
                self.work.abandon(device, now);
                self.note(Note::SessionOpened {
                    device: device.clone(),
                });
            }
            Ok(Admitted::Current) => {}
            // A device that does not know our session, or its version, could not read an answer in it.
            Err(code @ (Refusal::UnknownSession | Refusal::WrongVersion)) => {
                self.refuse_outside(device, header.sequence, code);
                return;
            }
            Err(code) => {
                self.refuse(device, header.sequence, code.into());
                return;
            }
        }
        let said = DeviceMessage::decode(&payload).map_err(|error| decode_refusal(error).into());
        if let Err(reject) = said.and_then(|message| self.message(device, message)) {
            self.refuse(device, header.sequence, reject);
        }
    }

    /// Checks that `bytes` were signed by the device whose topic they came on, for this box.
    fn prove(&self, device: &PeerName, bytes: &[u8]) -> Result<Verified, Refusal> {
        let unverified = envelope::open(bytes).map_err(decode_refusal)?;
        if !(MIN_VERSION..=CURRENT_VERSION).contains(&unverified.claimed_version()) {
            return Err(Refusal::WrongVersion);
        }
        if unverified.claimed_sender() != device {
            return Err(Refusal::UnknownDevice);
        }
        let key = self.settings.roster.0.get(device).ok_or(Refusal::UnknownDevice)?;
        let verified = unverified.verify(key).map_err(|_bad| Refusal::BadSignature)?;
        if verified.header.recipient != self.settings.own_name {
            return Err(Refusal::UnknownDevice);
        }
        Ok(verified)
    }

    /// Opens a session beside the current one, which stays valid until the new one is used.
    fn hello(&mut self, device: &PeerName, payload: &[u8]) -> Result<(), Refusal> {
        let DeviceMessage::Hello {
            min_version,
            max_version,
            nonce,
        } = DeviceMessage::decode(payload).map_err(decode_refusal)?
        else {
            return Err(Refusal::UnknownSession);
        };
        let version = session::negotiate(min_version, max_version)?;
        let models = self
            .models
            .as_ref()
            .ok_or(Refusal::Busy)?
            .iter()
            .map(offer)
            .collect();
        let id = self.entropy.session_id().map_err(|_none| Refusal::Internal)?;
        let own = &self.settings.own_name;
        let peer = self.peers.entry(device.clone()).or_default();
        peer.welcome(own, device, id, version);
        let welcome = BoxMessage::Welcome {
            version,
            nonce,
            session: id,
            limits: self.settings.limits(),
            models,
        };
        self.seal(device, &session::opening_header(own, device), &welcome);
        Ok(())
    }

    fn message(&mut self, device: &PeerName, message: DeviceMessage) -> Result<(), Reject> {
        match message {
            DeviceMessage::KeyStatus { client } => self.key_status(device, client),
            DeviceMessage::Offer { object } => self.offer(device, object),
            DeviceMessage::Chunk { object, index, bytes } => self.chunk(device, object, index, bytes),
            DeviceMessage::Submit { ticket } => self.submit(device, &ticket, Lane::Routine, None),
            DeviceMessage::Request {
                ticket,
                lane,
                within_s,
            } => {
                let within = within_s.map(|seconds| Duration::from_secs(seconds.into()));
                self.submit(device, &ticket, lane, within)
            }
            DeviceMessage::Item { job, index, bytes } => self.item(device, job, index, bytes),
            DeviceMessage::Cancel { job } => self.cancel(device, job),
            DeviceMessage::RevokeKeys => {
                self.revoke_keys(device);
                Ok(())
            }
            DeviceMessage::Goodbye => {
                self.peers.entry(device.clone()).or_default().close();
                self.work.abandon(device, self.now);
                Ok(())
            }
            // A hello belongs outside every session; later versions may say what this one cannot read.
            _ => Err(Refusal::Malformed.into()),
        }
    }

    /// Sends in the device's session; without one the message is dropped, and the device asks again.
    pub(super) fn send(&mut self, device: &PeerName, message: &BoxMessage) {
        if let Some(header) = self.peers.get_mut(device).and_then(Peer::next_header) {
            self.seal(device, &header, message);
        }
    }

    fn seal(&mut self, device: &PeerName, header: &Header, message: &BoxMessage) {
        let bytes = envelope::seal(header, &message.encode(), &self.identity);
        let device = device.clone();
        self.effects.push(Effect::Publish { device, bytes });
    }

    /// Refuses a message of a proven sender, in its session.
    pub(super) fn refuse(&mut self, device: &PeerName, sequence: u64, reject: Reject) {
        let Reject { code, job } = reject;
        // What the box says on its own account is not the device's fault.
        if sequence > 0 {
            self.count_refusal(device);
        }
        self.tally.refused(device, code);
        let device_name = device.clone();
        self.note(Note::Refused {
            device: device_name,
            code,
        });
        self.send(device, &BoxMessage::Refused { sequence, code, job });
    }

    /// Refuses outside every session.
    fn refuse_outside(&mut self, device: &PeerName, sequence: u64, code: Refusal) {
        self.tally.refused(device, code);
        self.count_refusal(device);
        let header = session::opening_header(&self.settings.own_name, device);
        let job = None;
        self.seal(device, &header, &BoxMessage::Refused { sequence, code, job });
    }

    fn count_refusal(&mut self, device: &PeerName) {
        let now = self.now;
        self.peers.entry(device.clone()).or_default().refusals.spend(now);
    }

    pub(super) fn note(&mut self, note: Note) {
        self.effects.push(Effect::Note(note));
    }
}

fn decode_refusal(error: DecodeError) -> Refusal {
    match error {
        DecodeError::PeerTooLarge { .. } => Refusal::TooLarge,
        _ => Refusal::Malformed,
    }
}

fn offer(model: &ComputeModel) -> ModelOffer {
    ModelOffer {
        model_id: model.model_id.clone(),
        model_hash: model.model_hash,
        parameter_hash: model.parameter_hash,
        security_counter: model.security_counter,
    }
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Gate({}, ready: {})", self.settings.own_name, self.ready)
    }
}
