//! Answers one request of gate after another.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicBool, Ordering},
};

use obscura_local::appliance::{
    Answer, ComputeModel, ComputeReply, ComputeRequest, ItemFault, KeyFault, ReceiptRequest, VerifiedModel,
};
use obscura_protocol::{
    identity::{Digest, JobId},
    message::{MAX_ANSWER_BYTES, MAX_ITEM_BYTES},
};

use super::{
    incoming::Incoming,
    watch::{Reply, Watch},
};
use crate::{
    domain::{ByteCache, Limits, TooDemanding},
    ports::{Clock, Control, Engine, EngineFault, Facts, OpenError, Trust, TrustError},
};

struct Loaded<M> {
    verified: VerifiedModel,
    model: M,
    facts: Facts,
    offer: ComputeModel,
}

/// One client's keys, which serve models of these parameters only.
struct ClientKeys<K> {
    parameter_hash: Digest,
    keys: K,
}

/// What is to be evaluated.
struct Order<'a> {
    job: JobId,
    item: u32,
    model_hash: Digest,
    key_fingerprint: Digest,
    bytes: &'a [u8],
}

/// The models, the key cache and the way to trust.
pub struct Service<E: Engine, T> {
    engine: E,
    trust: T,
    clock: Box<dyn Clock>,
    limits: Limits,
    models: Vec<Loaded<E::Model>>,
    keys: ByteCache<Digest, ClientKeys<E::Keys>>,
    incoming: Option<Incoming>,
}

impl<E: Engine, T: Trust> Service<E, T> {
    /// Takes every verified model from `trust` that `engine` can evaluate within `limits`, and tells trust of each
    /// whether it can: of one that cannot, trust may have an earlier bundle.
    ///
    /// # Errors
    /// [`TrustError`] when the list of models cannot be had, or a verdict not be told.
    pub fn start(engine: E, mut trust: T, clock: Box<dyn Clock>, limits: Limits) -> Result<Self, TrustError> {
        let mut models = Vec::new();
        let mut waiting = trust.models()?;
        waiting.reverse();
        while let Some(verified) = waiting.pop() {
            let id = verified.model_id.clone();
            let good = match open(&engine, &mut trust, &limits, verified.clone()) {
                Ok(loaded) => {
                    models.push(loaded);
                    true
                }
                Err(error) => {
                    let says_nothing_about_the_model =
                        matches!(error, Unusable::Open(OpenError::MissingFile { .. }));
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(model = id, error, "model cannot be evaluated");
                    if says_nothing_about_the_model {
                        continue;
                    }
                    false
                }
            };
            if let Some(instead) = trust.verdict(&verified, good)? {
                tracing::warn!(
                    model = id,
                    counter = instead.security_counter,
                    "falling back to another bundle"
                );
                waiting.push(instead);
            }
        }
        if models.is_empty() {
            tracing::warn!("there is no model to evaluate");
        }
        Ok(Self {
            engine,
            trust,
            clock,
            limits,
            models,
            keys: ByteCache::new(limits.key_cache_bytes),
            incoming: None,
        })
    }

    /// Works off one request; replies go to `reply` as they arise. Once `cancel` is set, an evaluation ends as
    /// [`ItemFault::Cancelled`].
    pub fn handle(&mut self, request: ComputeRequest, cancel: &AtomicBool, reply: &mut Reply<'_>) {
        match request {
            ComputeRequest::Models => reply(ComputeReply::Models(self.offers())),
            ComputeRequest::KeysBegin {
                fingerprint,
                len_bytes,
                parameter_hash,
            } => self.keys_begin(fingerprint, len_bytes, parameter_hash),
            ComputeRequest::KeysPiece(piece) => {
                if let Some(incoming) = &mut self.incoming {
                    incoming.piece(&piece);
                }
            }
            ComputeRequest::KeysEnd => {
                if let Some(incoming) = self.incoming.take() {
                    let fingerprint = incoming.fingerprint;
                    let outcome = self.load(&incoming);
                    tracing::info!(keys = %format_args!("{fingerprint:.16}"), ?outcome, "keys");
                    reply(ComputeReply::Keys { fingerprint, outcome });
                }
            }
            ComputeRequest::Evaluate {
                job,
                item,
                model_hash,
                key_fingerprint,
                bytes,
            } => {
                let order = Order {
                    job,
                    item,
                    model_hash,
                    key_fingerprint,
                    bytes: &bytes,
                };
                let outcome = self.evaluate(&order, cancel, reply);
                if let Err(fault) = &outcome {
                    tracing::info!(job = %format_args!("{job:.8}"), item, %fault, "item not answered");
                }
                reply(ComputeReply::Item { job, item, outcome });
            }
            ComputeRequest::Forget { fingerprint } => self.keys.forget(&fingerprint),
            // Whoever reads the socket hears it while an item is evaluated; here it comes too late.
            ComputeRequest::Cancel { .. } => {}
        }
    }

    /// Forgets a half-sent object, when gate is gone.
    pub fn forget_incoming(&mut self) {
        self.incoming = None;
    }

    fn offers(&self) -> Vec<ComputeModel> {
        self.models.iter().map(|loaded| loaded.offer.clone()).collect()
    }

    fn keys_begin(&mut self, fingerprint: Digest, len_bytes: u64, parameter_hash: Digest) {
        let model = self
            .models
            .iter()
            .find(|m| m.offer.parameter_hash == parameter_hash);
        let conforms = model.is_some_and(|model| model.offer.key_bytes == len_bytes);
        let len_bytes = usize::try_from(len_bytes).unwrap_or(usize::MAX);
        let fault = if !conforms {
            Some(KeyFault::NonConforming)
        } else if len_bytes > self.limits.key_cache_bytes {
            Some(KeyFault::TooLarge)
        } else {
            None
        };
        self.incoming = Some(Incoming::new(fingerprint, parameter_hash, len_bytes, fault));
    }

    fn load(&mut self, incoming: &Incoming) -> Result<(), KeyFault> {
        let bytes = incoming.finish()?;
        let model = self
            .models
            .iter()
            .find(|m| m.offer.parameter_hash == incoming.parameter_hash);
        let model = model.ok_or(KeyFault::NonConforming)?;
        // Expanded keys are never smaller than the object: room for them is made before, not after.
        self.keys.make_room(bytes.len().max(model.facts.key_memory_bytes));
        let loading = || self.engine.load_keys(&model.model, bytes);
        let keys = contained(loading).ok_or(KeyFault::NonConforming)?;
        let keys = keys.map_err(|_nonconforming| KeyFault::NonConforming)?;
        let size = self.engine.key_memory_bytes(&keys);
        let parameter_hash = incoming.parameter_hash;
        let entry = ClientKeys { parameter_hash, keys };
        let inserted = self.keys.insert(incoming.fingerprint, entry, size);
        inserted.map_err(|_too_large| KeyFault::TooLarge)
    }

    fn evaluate(
        &mut self,
        order: &Order<'_>,
        cancel: &AtomicBool,
        reply: &mut Reply<'_>,
    ) -> Result<Answer, ItemFault> {
        let mut models = self.models.iter();
        let loaded = models.find(|loaded| loaded.verified.model_hash == order.model_hash);
        let loaded = loaded.ok_or(ItemFault::UnknownModel)?;
        if order.bytes.len() > MAX_ITEM_BYTES || order.bytes.len() != loaded.facts.request_bytes {
            return Err(ItemFault::BadCiphertext);
        }
        // Keys that others left give way to the evaluation. The ones it uses stay borrowed from the cache as long
        // as it runs, so nothing can evict or replace them meanwhile.
        let max_bytes = self.limits.memory_bytes - loaded.facts.evaluation_bytes;
        let found = self.keys.find_within(&order.key_fingerprint, max_bytes);
        let (client, used_bytes) = found.ok_or(ItemFault::KeysNotLoaded)?;
        if client.parameter_hash != loaded.offer.parameter_hash {
            return Err(ItemFault::BadCiphertext);
        }
        if used_bytes > max_bytes {
            return Err(ItemFault::OutOfMemory);
        }
        // It may have been cancelled before its turn came.
        if cancel.load(Ordering::Relaxed) {
            return Err(ItemFault::Cancelled);
        }
        let answer = run(
            &self.engine,
            (&loaded.model, &client.keys),
            order,
            &*self.clock,
            (cancel, self.limits.memory_bytes - used_bytes),
            reply,
        )?;
        // Nobody waits for the answer of a cancelled item, and nothing may vouch for it.
        if cancel.load(Ordering::Relaxed) {
            return Err(ItemFault::Cancelled);
        }
        let parameter_hash = loaded.offer.parameter_hash;
        self.vouch(order, parameter_hash, answer)
    }

    /// Adds the receipt.
    fn vouch(
        &mut self,
        order: &Order<'_>,
        parameter_hash: Digest,
        answer: Vec<u8>,
    ) -> Result<Answer, ItemFault> {
        let request = ReceiptRequest {
            job: order.job,
            item: order.item,
            input_hash: Digest::of(order.bytes),
            answer_hash: Digest::of(&answer),
            model_hash: order.model_hash,
            parameter_hash,
            key_fingerprint: order.key_fingerprint,
        };
        match self.trust.receipt(&request) {
            Ok(receipt) => Ok(Answer {
                bytes: answer,
                receipt,
            }),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "no receipt");
                Err(ItemFault::Internal)
            }
        }
    }
}

/// Lets the engine compute the answer.
fn run<E: Engine>(
    engine: &E,
    (model, keys): (&E::Model, &E::Keys),
    order: &Order<'_>,
    clock: &dyn Clock,
    (cancel, memory_bytes): (&AtomicBool, usize),
    reply: &mut Reply<'_>,
) -> Result<Vec<u8>, ItemFault> {
    let name = |layer: u32| engine.layer_name(model, layer as usize).to_owned();
    let watch = Watch::new((order.job, order.item), clock, &name, reply);
    let control = Control {
        progress: &|progress| watch.moved(progress),
        cancel,
        memory_bytes,
    };
    let answer =
        contained(|| engine.evaluate(model, keys, order.bytes, control)).ok_or(ItemFault::Internal)?;
    let answer = answer.map_err(|fault| match fault {
        EngineFault::NonConforming => ItemFault::BadCiphertext,
        EngineFault::Cancelled => ItemFault::Cancelled,
        EngineFault::OutOfMemory => ItemFault::OutOfMemory,
        EngineFault::Failed => ItemFault::Internal,
    })?;
    if answer.len() > MAX_ANSWER_BYTES {
        tracing::error!(bytes = answer.len(), "the engine's answer is too large to send");
        return Err(ItemFault::Internal);
    }
    Ok(answer)
}

/// Calls the engine; `None` when it panicked, which the panic hook has logged. That is safe to go on from: the
/// engine reads models and keys but never changes them, and everything it made is dropped with the panic.
fn contained<R>(call: impl FnOnce() -> R) -> Option<R> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => Some(result),
        Err(_payload) => {
            tracing::error!("the engine panicked");
            None
        }
    }
}

/// Why a verified model is not offered.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("model is too demanding for this box")]
    TooDemanding(#[from] TooDemanding),
}

fn open<E: Engine>(
    engine: &E,
    trust: &mut impl Trust,
    limits: &Limits,
    verified: VerifiedModel,
) -> Result<Loaded<E::Model>, Unusable> {
    let mut read = |file: &'static str| {
        let bytes = trust.file(&verified, file);
        bytes.map_err(|source| OpenError::MissingFile { file, source })
    };
    let model = engine.open(&verified.scheme, &mut read)?;
    let loaded = loaded(engine, verified, model);
    let (evaluation, keys) = (loaded.facts.evaluation_bytes, loaded.facts.key_memory_bytes);
    limits.admit(evaluation, keys)?;
    let (evaluation_mib, keys_mib) = (evaluation.div_ceil(1 << 20), keys.div_ceil(1 << 20));
    tracing::info!(
        model = loaded.verified.model_id,
        evaluation_mib,
        keys_mib,
        "model loaded"
    );
    Ok(loaded)
}

fn loaded<E: Engine>(engine: &E, verified: VerifiedModel, model: E::Model) -> Loaded<E::Model> {
    let facts = engine.facts(&model);
    let offer = ComputeModel {
        model_id: verified.model_id.clone(),
        model_hash: verified.model_hash,
        security_counter: verified.security_counter,
        parameter_hash: Digest(facts.parameter_hash),
        request_bytes: u32::try_from(facts.request_bytes).unwrap_or(u32::MAX),
        key_bytes: facts.key_bytes as u64,
    };
    Loaded {
        verified,
        model,
        facts,
        offer,
    }
}

impl<E: Engine, T> std::fmt::Debug for Service<E, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Service({} models)", self.models.len())
    }
}

#[cfg(test)]
mod tests;
