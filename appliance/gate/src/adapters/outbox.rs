//! What waits for one carrier, and the thread that hands it over: the loop itself never waits for a carrier.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use obscura_protocol::identity::PeerName;

use crate::domain::{Bounds, Shares};

/// A device's share holds every answer that is kept for it, at the usual length.
const BOUNDS: Bounds = Bounds {
    owner_messages: 512,
    owner_bytes: 4 * 1024 * 1024,
    total_bytes: 64 * 1024 * 1024,
};
/// How long what is queued may take to leave when the gate ends.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);

/// How a carrier took a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Handed {
    /// It has it, or nobody is there to have it.
    Over,
    /// It took nothing for too long: the message is lost.
    Lost,
}

/// The queue of one carrier.
#[derive(Debug)]
pub(super) struct Outbox {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    filled: Condvar,
}

#[derive(Debug)]
struct State {
    messages: Shares<PeerName>,
    /// Since when the gate ends.
    closing: Option<Instant>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next message; `None` when the gate ends and everything is gone, or took too long.
    fn next(&self) -> Option<(PeerName, Vec<u8>)> {
        let idle = |state: &mut State| state.closing.is_none() && state.messages.is_empty();
        let waited = self.filled.wait_while(self.lock(), idle);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        let late = state
            .closing
            .is_some_and(|since| since.elapsed() >= CLOSE_PATIENCE);
        if late { None } else { state.messages.pop() }
    }
}

impl Outbox {
    /// Starts the thread: `hand` brings one message to the carrier and may wait for it, `end` ends it.
    ///
    /// # Errors
    /// The operating system's.
    pub(super) fn start(
        carrier: usize,
        hand: impl Fn(&PeerName, Vec<u8>) -> Handed + Send + 'static,
        end: impl FnOnce() + Send + 'static,
    ) -> io::Result<Self> {
        let state = State {
            messages: Shares::new(BOUNDS),
            closing: None,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            filled: Condvar::new(),
        });
        let queue = Arc::clone(&shared);
        let thread = thread::Builder::new().name(format!("outbox-{carrier}"));
        let thread = thread.spawn(move || {
            while let Some((device, bytes)) = queue.next() {
                if hand(&device, bytes) == Handed::Lost {
                    queue.lock().messages.count_dropped(&device);
                }
            }
            end();
        })?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Queues a message, or drops and counts it when the device's share is full. Never waits.
    pub(super) fn send(&self, device: &PeerName, bytes: Vec<u8>) {
        self.shared.lock().messages.push(device, bytes);
        self.shared.filled.notify_one();
    }

    /// Drops what waits for a connection that is over.
    pub(super) fn clear(&self) {
        self.shared.lock().messages.clear();
    }

    /// Messages dropped since the last call.
    pub(super) fn take_dropped(&self) -> BTreeMap<PeerName, u64> {
        self.shared.lock().messages.take_dropped()
    }

    /// Begins to end: what waits may still leave, for a moment.
    pub(super) fn close(&self) {
        self.shared.lock().closing.get_or_insert_with(Instant::now);
        self.shared.filled.notify_one();
    }

    /// Waits for the end that [`Self::close`] began.
    pub(super) fn join(mut self) {
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has nothing more to send.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const WAIT: Duration = Duration::from_secs(20);

    fn name(text: &str) -> PeerName {
        text.parse().unwrap()
    }

    /// What a carrier took.
    type Taken = mpsc::Receiver<(PeerName, Vec<u8>)>;

    /// An outbox whose carrier takes a message each time the test says so.
    fn stuck() -> (Outbox, mpsc::Sender<Handed>, Taken) {
        let ((go, may), (took, taken)) = (mpsc::channel(), mpsc::channel());
        let hand = move |device: &PeerName, bytes| {
            took.send((device.clone(), bytes)).unwrap();
            may.recv().unwrap_or(Handed::Lost)
        };
        (Outbox::start(0, hand, || {}).unwrap(), go, taken)
    }

    #[test]
    fn a_carrier_that_takes_nothing_holds_up_neither_the_caller_nor_another_carrier() {
        let (cable, go, taken) = stuck();
        cable.send(&name("cable"), vec![0]);
        // The carrier has the first message and keeps its thread there.
        assert_eq!(taken.recv_timeout(WAIT).unwrap().1, [0]);
        for n in 1..=200 {
            cable.send(&name("cable"), vec![n]);
        }
        let (other, other_go, other_taken) = stuck();
        other_go.send(Handed::Over).unwrap();
        other.send(&name("mqtt"), vec![7]);
        assert_eq!(other_taken.recv_timeout(WAIT).unwrap().1, [7]);
        assert!(taken.try_recv().is_err(), "the first carrier is still stuck");
        for n in 1..=200 {
            go.send(Handed::Over).unwrap();
            assert_eq!(taken.recv_timeout(WAIT).unwrap().1, [n]);
        }
    }

    #[test]
    fn a_device_that_takes_nothing_leaves_the_queue_to_others_and_is_counted() {
        let (outbox, go, taken) = stuck();
        outbox.send(&name("deaf"), vec![0]);
        taken.recv_timeout(WAIT).unwrap();
        for _ in 0..1000 {
            outbox.send(&name("deaf"), vec![0; 100]);
        }
        outbox.send(&name("other"), vec![1]);
        go.send(Handed::Lost).unwrap();
        taken.recv_timeout(WAIT).unwrap();
        go.send(Handed::Over).unwrap();
        assert_eq!(taken.recv_timeout(WAIT).unwrap(), (name("other"), vec![1]));
        let dropped: Vec<_> = outbox.take_dropped().into_iter().collect();
        // What found no room, and what the carrier lost.
        assert_eq!(dropped, [(name("deaf"), 1000 - 512 + 1)]);
    }

    #[test]
    fn what_is_queued_leaves_before_the_end() {
        let (sent, taken) = mpsc::channel();
        let end = sent.clone();
        let hand = move |_: &PeerName, bytes| {
            sent.send(Some(bytes)).unwrap();
            Handed::Over
        };
        let outbox = Outbox::start(0, hand, move || end.send(None).unwrap()).unwrap();
        outbox.send(&name("a"), vec![1]);
        outbox.close();
        outbox.join();
        assert_eq!(taken.iter().collect::<Vec<_>>(), [Some(vec![1]), None]);
    }
}
