//! The evaluator behind a real socket, with a fake engine that can hang.

use std::{
    path::PathBuf,
    sync::mpsc::{self, Receiver},
    time::Duration,
};

use obscura_local::appliance::{ComputeReply, ItemFault, MAX_FRAME_BYTES};
use obscura_protocol::identity::Digest;
use tempfile::TempDir;

use super::*;
use crate::{
    domain::Limits,
    fake::{FakeEngine, FakeTrust, NEVER_ENDS, Stopped, answer_to, keys_of},
};

/// Far longer than anything takes, so that only a lost word fails a test.
const WAIT: Duration = Duration::from_secs(20);
const SECRET: u8 = 3;

/// A serving process, as far as gate can tell.
struct Serving {
    socket: PathBuf,
    hangs: Receiver<()>,
    _folder: TempDir,
}

fn serving() -> Serving {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("compute.sock");
    let listener = Listener::bind(&socket, MAX_FRAME_BYTES).unwrap();
    let (hangs, heard) = mpsc::channel();
    let limits = Limits {
        key_cache_bytes: 100,
        memory_bytes: 1000,
    };
    let engine = FakeEngine { hangs };
    let mut service = Service::start(engine, FakeTrust::default(), Box::new(Stopped), limits).unwrap();
    thread::spawn(move || serve(&listener, &mut service));
    Serving {
        socket,
        hangs: heard,
        _folder: folder,
    }
}

/// Gate's end of a conversation.
struct Gate(Channel);

impl Gate {
    fn connect(serving: &Serving) -> Self {
        let channel = Channel::connect(&serving.socket, MAX_FRAME_BYTES, WAIT).unwrap();
        channel.set_read_timeout(Some(WAIT)).unwrap();
        Self(channel)
    }

    fn say(&mut self, request: &ComputeRequest) {
        self.0.send(request).unwrap();
    }

    fn load_keys(&mut self) -> Digest {
        let bytes = keys_of(b'a', SECRET);
        let fingerprint = Digest::of(&bytes);
        self.say(&ComputeRequest::KeysBegin {
            fingerprint,
            len_bytes: 10,
            parameter_hash: Digest([b'a'; 32]),
        });
        self.say(&ComputeRequest::KeysPiece(bytes.to_vec()));
        self.say(&ComputeRequest::KeysEnd);
        let loaded = ComputeReply::Keys {
            fingerprint,
            outcome: Ok(()),
        };
        assert_eq!(self.0.receive::<ComputeReply>().unwrap(), loaded);
        fingerprint
    }

    fn evaluate(&mut self, job: u8, first: u8) {
        self.say(&ComputeRequest::Evaluate {
            job: JobId([job; 16]),
            item: 0,
            model_hash: Digest([b'a'; 32]),
            key_fingerprint: Digest::of(&keys_of(b'a', SECRET)),
            bytes: vec![first, 0, 0, 0],
        });
    }

    fn cancel(&mut self, job: u8) {
        self.say(&ComputeRequest::Cancel {
            job: JobId([job; 16]),
        });
    }

    /// The next outcome and whose it is; words of progress before it are skipped.
    fn outcome(&mut self) -> (u8, Result<Vec<u8>, ItemFault>) {
        loop {
            match self.0.receive::<ComputeReply>().unwrap() {
                ComputeReply::Progress { .. } => {}
                ComputeReply::Item { job, outcome, .. } => {
                    return (job.0[0], outcome.map(|answer| answer.bytes));
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn a_running_evaluation_hears_the_word_that_cancels_it_and_the_next_item_is_computed() {
    let serving = serving();
    let mut gate = Gate::connect(&serving);
    gate.load_keys();
    gate.evaluate(1, NEVER_ENDS);
    serving.hangs.recv_timeout(WAIT).unwrap();
    gate.cancel(1);
    assert_eq!(gate.outcome(), (1, Err(ItemFault::Cancelled)));
    gate.evaluate(2, 7);
    assert_eq!(gate.outcome(), (2, Ok(answer_to(SECRET, &[7, 0, 0, 0]))));
}

#[test]
fn a_word_about_another_job_cancels_nothing_and_none_is_remembered() {
    let serving = serving();
    let mut gate = Gate::connect(&serving);
    gate.load_keys();
    // Before anything runs, and before the job of the same name begins.
    gate.cancel(1);
    gate.evaluate(1, 7);
    assert_eq!(gate.outcome(), (1, Ok(answer_to(SECRET, &[7, 0, 0, 0]))));
    gate.evaluate(2, NEVER_ENDS);
    serving.hangs.recv_timeout(WAIT).unwrap();
    gate.cancel(1);
    gate.cancel(2);
    assert_eq!(gate.outcome(), (2, Err(ItemFault::Cancelled)));
    // After it is over.
    gate.cancel(2);
    gate.evaluate(2, 8);
    assert_eq!(gate.outcome(), (2, Ok(answer_to(SECRET, &[8, 0, 0, 0]))));
}

#[test]
fn an_item_that_waits_for_its_turn_can_be_cancelled_too() {
    let serving = serving();
    let mut gate = Gate::connect(&serving);
    gate.load_keys();
    gate.evaluate(1, NEVER_ENDS);
    gate.evaluate(2, NEVER_ENDS);
    gate.cancel(2);
    serving.hangs.recv_timeout(WAIT).unwrap();
    gate.cancel(1);
    assert_eq!(gate.outcome(), (1, Err(ItemFault::Cancelled)));
    assert_eq!(gate.outcome(), (2, Err(ItemFault::Cancelled)));
    assert!(serving.hangs.try_recv().is_err(), "the second was never begun");
}

#[test]
fn the_end_of_the_connection_cancels_the_evaluation_and_the_next_connection_is_served() {
    let serving = serving();
    let mut gate = Gate::connect(&serving);
    gate.load_keys();
    gate.evaluate(1, NEVER_ENDS);
    serving.hangs.recv_timeout(WAIT).unwrap();
    drop(gate);
    // Keys outlive the connection; the evaluation does not, or nobody would answer here.
    let mut gate = Gate::connect(&serving);
    gate.evaluate(2, 7);
    assert_eq!(gate.outcome(), (2, Ok(answer_to(SECRET, &[7, 0, 0, 0]))));
}
