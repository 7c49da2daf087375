//! Stands in for compute: answers at once, or after a stated time, with receipts that are signed.
//!
//! Keys are hashed as the real one does before it takes them, so that an upload counts only when every byte
//! arrived.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use obscura_local::{
    Channel, Listener,
    appliance::{
        Answer, COMPUTE_SOCKET, ComputeModel, ComputeReply, ComputeRequest, KeyFault, MAX_FRAME_BYTES,
    },
};
use obscura_protocol::{
    identity::{Digest, Identity},
    job::{FloorKind, Receipt, Signed},
};
use zeroize::Zeroizing;

use crate::error::BenchError;

/// Length of an encrypted record, bytes: the most the specification allows.
pub(crate) const ITEM_BYTES: usize = 32 * 1024;
/// Length of its answer, bytes: the most the specification allows.
pub(crate) const ANSWER_BYTES: usize = 16 * 1024;
/// Length of the evaluation keys of `cardio-lr`, bytes.
pub(crate) const KEY_BYTES: u64 = 44_347_461;
/// Length of keys that are only there because a job needs some, bytes.
pub(crate) const SMALL_KEY_BYTES: u64 = 1000;

/// A model this compute offers: the same but for the length of its keys.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Model {
    pub(crate) hash: Digest,
    pub(crate) parameters: Digest,
    pub(crate) key_bytes: u64,
}

/// With keys as long as those of a real model.
pub(crate) const REAL: Model = Model {
    hash: Digest([1; 32]),
    parameters: Digest([2; 32]),
    key_bytes: KEY_BYTES,
};
/// With short keys.
pub(crate) const SMALL: Model = Model {
    hash: Digest([3; 32]),
    parameters: Digest([4; 32]),
    key_bytes: SMALL_KEY_BYTES,
};

/// A compute that serves one gate.
pub(crate) struct Compute {
    item_us: Arc<AtomicU64>,
}

impl Compute {
    /// Listens in `runtime_dir` for the gate.
    pub(crate) fn listen(runtime_dir: &Path) -> Result<Self, BenchError> {
        std::fs::create_dir_all(runtime_dir).map_err(BenchError::io("the runtime folder"))?;
        let listener = Listener::bind(&runtime_dir.join(COMPUTE_SOCKET), MAX_FRAME_BYTES)?;
        let item_us = Arc::new(AtomicU64::new(0));
        let time = Arc::clone(&item_us);
        thread::spawn(move || {
            while let Ok(channel) = listener.accept() {
                // The gate went away; another one may come.
                let _ = serve(channel, &time);
            }
        });
        Ok(Self { item_us })
    }

    /// From now on an item takes this long.
    pub(crate) fn take_per_item(&self, time: Duration) {
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.item_us.store(us, Ordering::Relaxed);
    }
}

fn models() -> Vec<ComputeModel> {
    let offer = |(id, model): (&str, Model)| ComputeModel {
        model_id: id.to_owned(),
        model_hash: model.hash,
        security_counter: 1,
        parameter_hash: model.parameters,
        request_bytes: u32::try_from(ITEM_BYTES).unwrap_or(u32::MAX),
        key_bytes: model.key_bytes,
    };
    [("real", REAL), ("small", SMALL)].map(offer).into()
}

fn serve(mut channel: Channel, item_us: &AtomicU64) -> Result<(), BenchError> {
    let signer = Identity::from_seed(&Zeroizing::new([9; 32]));
    let mut loading = (Digest([0; 32]), Vec::new());
    loop {
        match channel.receive()? {
            ComputeRequest::Models => channel.send(&ComputeReply::Models(models()))?,
            ComputeRequest::KeysBegin { fingerprint, .. } => loading = (fingerprint, Vec::new()),
            ComputeRequest::KeysPiece(piece) => loading.1.extend(piece),
            ComputeRequest::KeysEnd => {
                let (fingerprint, bytes) = std::mem::replace(&mut loading, (Digest([0; 32]), Vec::new()));
                let whole = Digest::of(&bytes) == fingerprint;
                let outcome = whole.then_some(()).ok_or(KeyFault::HashMismatch);
                channel.send(&ComputeReply::Keys { fingerprint, outcome })?;
            }
            ComputeRequest::Evaluate {
                job,
                item,
                model_hash,
                key_fingerprint,
                bytes,
            } => {
                let time = Duration::from_micros(item_us.load(Ordering::Relaxed));
                if !time.is_zero() {
                    // An evaluation that takes this long, and no more of this machine than one would.
                    thread::sleep(time);
                }
                let receipt = Receipt {
                    job,
                    item,
                    input_hash: Digest::of(&bytes),
                    answer_hash: Digest([0; 32]),
                    model_id: "real".to_owned(),
                    model_hash,
                    security_counter: 1,
                    floor: FloorKind::None,
                    parameter_hash: REAL.parameters,
                    key_fingerprint,
                    box_name: signed_as(),
                };
                let answer = answer(receipt, &signer);
                let outcome = Ok(answer);
                channel.send(&ComputeReply::Item { job, item, outcome })?;
            }
            ComputeRequest::Forget { .. } | ComputeRequest::Cancel { .. } => {}
        }
    }
}

fn signed_as() -> obscura_protocol::identity::PeerName {
    "box-1".parse().expect("a valid name")
}

fn answer(receipt: Receipt, signer: &Identity) -> Answer {
    let bytes = vec![0xa5; ANSWER_BYTES];
    let answer_hash = Digest::of(&bytes);
    let receipt = Receipt {
        answer_hash,
        ..receipt
    };
    let receipt = Signed::sign(receipt, signer).as_bytes().to_vec();
    Answer { bytes, receipt }
}
