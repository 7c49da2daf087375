//! What waits for the loop: words of the box's own parts, and messages of devices in turn.
//!
//! A device that sends more than is worked off fills its own share and nobody else's.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use obscura_local::appliance::ComputeModel;
use obscura_protocol::identity::PeerName;

use crate::{
    domain::{Bounds, Shares},
    ports::Event,
};

/// Words that wait for the loop; who has another one waits.
const MAX_WORDS: usize = 64;
/// A device's share holds twice what the window of an upload allows, and as many items as may be queued.
const BOUNDS: Bounds = Bounds {
    owner_messages: 1024,
    owner_bytes: 8 * 1024 * 1024,
    total_bytes: 64 * 1024 * 1024,
};

/// Something for the loop.
#[derive(Debug)]
pub(super) enum Input {
    /// For the state machine.
    Event(Event),
    /// Whether devices can come over a carrier changed.
    Carrier {
        /// Its place in the configuration.
        carrier: usize,
        /// Whether they can.
        serves: bool,
        /// Whether this is a new connection.
        fresh: bool,
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

/// What becomes of a device's message when there is no room for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoRoom {
    /// It waits, and with it the carrier: right where a carrier has one device.
    Wait,
    /// It is dropped and counted: right where waiting would hold up other devices.
    Drop,
}

/// The loop is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Closed;

/// Everything that waits for the loop.
#[derive(Debug)]
pub(super) struct Intake {
    state: Mutex<State>,
    filled: Condvar,
    emptied: Condvar,
}

#[derive(Debug)]
struct State {
    words: VecDeque<Input>,
    messages: Shares<PeerName>,
    closed: bool,
}

impl Intake {
    pub(super) fn new() -> Self {
        let state = State {
            words: VecDeque::new(),
            messages: Shares::new(BOUNDS),
            closed: false,
        };
        Self {
            state: Mutex::new(state),
            filled: Condvar::new(),
            emptied: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is room as `has_room` sees it.
    fn wait(&self, mut has_room: impl FnMut(&State) -> bool) -> Result<MutexGuard<'_, State>, Closed> {
        let waited = self
            .emptied
            .wait_while(self.lock(), |state| !state.closed && !has_room(state));
        let state = waited.unwrap_or_else(PoisonError::into_inner);
        if state.closed { Err(Closed) } else { Ok(state) }
    }

    /// Adds a word of the box's own parts, waiting for room.
    pub(super) fn word(&self, word: Input) -> Result<(), Closed> {
        self.wait(|state| state.words.len() < MAX_WORDS)?
            .words
            .push_back(word);
        self.filled.notify_one();
        Ok(())
    }

    /// Adds a message of a device.
    pub(super) fn message(&self, device: &PeerName, bytes: Vec<u8>, no_room: NoRoom) -> Result<(), Closed> {
        let len = bytes.len();
        let mut state = self.wait(|state| no_room == NoRoom::Drop || state.messages.has_room(device, len))?;
        state.messages.push(device, bytes);
        self.filled.notify_one();
        Ok(())
    }

    /// Takes what is next, waiting until `until`: words first, then messages of one device after the other.
    pub(super) fn next(&self, until: Instant) -> Option<Input> {
        let patience = until.saturating_duration_since(Instant::now());
        let empty = |state: &mut State| state.words.is_empty() && state.messages.is_empty();
        let waited = self.filled.wait_timeout_while(self.lock(), patience, empty);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let next = state.words.pop_front().or_else(|| {
            let (device, bytes) = state.messages.pop()?;
            Some(Input::Event(Event::Received { device, bytes }))
        });
        drop(state);
        if next.is_some() {
            self.emptied.notify_all();
        }
        next
    }

    /// Messages dropped since the last call.
    pub(super) fn take_dropped(&self) -> BTreeMap<PeerName, u64> {
        self.lock().messages.take_dropped()
    }

    /// The loop ends: nothing more is taken, and nobody waits any more.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.emptied.notify_all();
    }

    /// For tests of what puts words in.
    #[cfg(test)]
    pub(super) fn next_within(&self, patience: std::time::Duration) -> Input {
        self.next(Instant::now() + patience).expect("a word in time")
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, thread, time::Duration};

    use super::*;

    const WAIT: Duration = Duration::from_secs(20);

    fn name(text: &str) -> PeerName {
        text.parse().unwrap()
    }

    /// The device of the next message, and its length.
    fn heard(intake: &Intake) -> (String, usize) {
        match intake.next_within(WAIT) {
            Input::Event(Event::Received { device, bytes }) => (device.to_string(), bytes.len()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_flooding_device_delays_another_by_one_message_and_loses_only_its_own() {
        let intake = Intake::new();
        for _ in 0..10_000 {
            intake
                .message(&name("flood"), vec![0; 100], NoRoom::Drop)
                .unwrap();
        }
        intake.message(&name("quiet"), vec![0; 7], NoRoom::Drop).unwrap();
        intake.word(Input::Stop).unwrap();
        assert!(matches!(intake.next_within(WAIT), Input::Stop));
        assert_eq!(heard(&intake), ("flood".to_owned(), 100));
        assert_eq!(heard(&intake), ("quiet".to_owned(), 7));
        let dropped = intake.take_dropped();
        assert_eq!(
            dropped.into_iter().collect::<Vec<_>>(),
            [(name("flood"), 10_000 - 1024)]
        );
    }

    #[test]
    fn a_device_alone_on_its_carrier_waits_and_loses_nothing() {
        let intake = Arc::new(Intake::new());
        let sender = Arc::clone(&intake);
        let sending = thread::spawn(move || {
            for _ in 0..5000 {
                sender
                    .message(&name("cable"), vec![0; 10_000], NoRoom::Wait)
                    .unwrap();
            }
        });
        for _ in 0..5000 {
            heard(&intake);
        }
        sending.join().unwrap();
        assert!(intake.take_dropped().is_empty());
    }

    #[test]
    fn whoever_waits_hears_that_the_loop_is_gone() {
        let intake = Arc::new(Intake::new());
        for _ in 0..MAX_WORDS {
            intake.word(Input::Stop).unwrap();
        }
        let sender = Arc::clone(&intake);
        let waiting = thread::spawn(move || sender.word(Input::Stop));
        intake.close();
        assert_eq!(waiting.join().unwrap(), Err(Closed));
    }
}
