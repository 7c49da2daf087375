//! An engine, a trust process and a clock for tests.

use std::{
    sync::{
        atomic::Ordering,
        mpsc::{Sender, channel},
    },
    thread,
    time::Duration,
};

use obscura_local::appliance::{ReceiptRequest, VerifiedModel};
use obscura_protocol::identity::Digest;

use crate::{
    domain::Progress,
    ports::{
        Clock, Control, Engine, EngineFault, Facts, NonConforming, OpenError, ReadFile, Trust, TrustError,
    },
};

/// First bytes of items that make the engine misbehave, and secrets of keys that do.
pub(crate) const NON_CONFORMING: u8 = 0xff;
pub(crate) const OUT_OF_MEMORY: u8 = 0xfe;
pub(crate) const PANICS: u8 = 0xfd;
pub(crate) const CANCELLED: u8 = 0xfc;
pub(crate) const NEVER_ENDS: u8 = 0xfb;
pub(crate) const TELLS_MEMORY: u8 = 0xfa;
pub(crate) const FAILS: u8 = 0xf8;
pub(crate) const UNRULY: u8 = 0xf9;

/// Keys are ten bytes: the letter of the parameters, a secret, and zeros. An item is four bytes; the answer is
/// the item reversed with the secret added to every byte, so that other keys give another answer.
pub(crate) struct FakeEngine {
    /// Hears of every item that never ends.
    pub(crate) hangs: Sender<()>,
}

impl Default for FakeEngine {
    fn default() -> Self {
        Self { hangs: channel().0 }
    }
}

pub(crate) fn keys_of(letter: u8, secret: u8) -> [u8; 10] {
    [letter, secret, 0, 0, 0, 0, 0, 0, 0, 0]
}

pub(crate) fn answer_to(secret: u8, item: &[u8]) -> Vec<u8> {
    item.iter().rev().map(|byte| byte.wrapping_add(secret)).collect()
}

impl Engine for FakeEngine {
    type Model = u8;
    type Keys = u8;

    fn open(&self, scheme: &str, read: ReadFile<'_>) -> Result<u8, OpenError> {
        if scheme != "fake" {
            return Err(OpenError::UnknownScheme {
                scheme: scheme.to_owned(),
            });
        }
        Ok(read("parameters.json")?[0])
    }

    fn facts(&self, model: &u8) -> Facts {
        Facts {
            parameter_hash: [*model; 32],
            request_bytes: 4,
            key_bytes: 10,
            key_memory_bytes: 20,
            evaluation_bytes: 100 * (usize::from(*model) - 96),
        }
    }

    fn layer_name<'m>(&self, _model: &'m u8, _layer: usize) -> &'m str {
        "layer"
    }

    fn load_keys(&self, model: &u8, bytes: &[u8]) -> Result<u8, NonConforming> {
        assert_ne!(bytes[1], PANICS, "asked to");
        (bytes[0] == *model).then_some(bytes[1]).ok_or(NonConforming)
    }

    fn key_memory_bytes(&self, keys: &u8) -> usize {
        if *keys == UNRULY { 21 } else { 20 }
    }

    fn evaluate(
        &self,
        _model: &u8,
        keys: &u8,
        item: &[u8],
        control: Control<'_>,
    ) -> Result<Vec<u8>, EngineFault> {
        let progress = |layers_done, look_ups_done| {
            (control.progress)(Progress {
                layers_done,
                look_ups_done,
                layers: 1,
                look_ups: 10,
            });
        };
        progress(0, 0);
        match item[0] {
            NON_CONFORMING => return Err(EngineFault::NonConforming),
            OUT_OF_MEMORY => return Err(EngineFault::OutOfMemory),
            CANCELLED => return Err(EngineFault::Cancelled),
            FAILS => return Err(EngineFault::Failed),
            PANICS => panic!("asked to"),
            NEVER_ENDS => {
                // Tests without a listener do not care.
                let _ = self.hangs.send(());
                while !control.cancel.load(Ordering::Relaxed) {
                    thread::yield_now();
                }
                return Err(EngineFault::Cancelled);
            }
            TELLS_MEMORY => return Ok((control.memory_bytes as u64).to_le_bytes().to_vec()),
            _ => {}
        }
        progress(1, 10);
        Ok(answer_to(*keys, item))
    }
}

/// Signs whatever it is asked to, and remembers it.
#[derive(Default)]
pub(crate) struct FakeTrust {
    pub(crate) requests: Vec<ReceiptRequest>,
    pub(crate) verdicts: Vec<(String, bool)>,
    /// Whether there is another bundle of the model that no engine knows.
    pub(crate) has_earlier_c: bool,
    pub(crate) broken: bool,
}

fn verified(letter: u8, scheme: &str) -> VerifiedModel {
    VerifiedModel {
        model_id: format!("model-{letter}"),
        model_hash: Digest([letter; 32]),
        security_counter: 1,
        scheme: scheme.to_owned(),
    }
}

impl Trust for FakeTrust {
    fn models(&mut self) -> Result<Vec<VerifiedModel>, TrustError> {
        Ok(vec![
            verified(b'a', "fake"),
            verified(b'b', "fake"),
            verified(b'c', "other"),
        ])
    }

    fn verdict(&mut self, model: &VerifiedModel, good: bool) -> Result<Option<VerifiedModel>, TrustError> {
        self.verdicts.push((model.model_id.clone(), good));
        let falls_back = !good && model.model_hash.0[0] == b'c' && self.has_earlier_c;
        Ok(falls_back.then(|| verified(b'd', "fake")))
    }

    fn file(&mut self, model: &VerifiedModel, _name: &str) -> Result<Vec<u8>, TrustError> {
        Ok(vec![model.model_hash.0[0]])
    }

    fn receipt(&mut self, request: &ReceiptRequest) -> Result<Vec<u8>, TrustError> {
        if self.broken {
            return Err(TrustError::UnexpectedReply);
        }
        self.requests.push(*request);
        Ok(vec![1])
    }
}

/// A clock that stands still.
pub(crate) struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Duration {
        Duration::ZERO
    }
}
