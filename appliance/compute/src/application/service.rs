//! Answers one request of gate after another.

use obscura_local::appliance::{
    Answer, ComputeModel, ComputeReply, ComputeRequest, ItemFault, KeyFault, ReceiptRequest, VerifiedModel,
};
use obscura_protocol::{
    identity::{Digest, JobId},
    message::{MAX_ANSWER_BYTES, MAX_ITEM_BYTES},
};

use super::incoming::Incoming;
use crate::{
    domain::ByteCache,
    ports::{Engine, OpenError, Trust, TrustError},
};

struct Loaded<M> {
    verified: VerifiedModel,
    model: M,
    offer: ComputeModel,
}

/// The models, the key cache and the way to trust.
pub struct Service<E: Engine, T> {
    engine: E,
    trust: T,
    models: Vec<Loaded<E::Model>>,
    keys: ByteCache<Digest, (Digest, E::Keys)>,
    key_cache_bytes: usize,
    incoming: Option<Incoming>,
}

impl<E: Engine, T: Trust> Service<E, T> {
    /// Takes every verified model from `trust` that `engine` can evaluate; the others are logged.
    ///
    /// # Errors
    /// [`TrustError`] when the list of models cannot be had.
    pub fn start(engine: E, mut trust: T, key_cache_bytes: usize) -> Result<Self, TrustError> {
        let mut models = Vec::new();
        for verified in trust.models()? {
            let mut read = |file: &'static str| {
                let bytes = trust.file(&verified, file);
                bytes.map_err(|source| OpenError::MissingFile { file, source })
            };
            let id = verified.model_id.clone();
            match engine.open(&verified.scheme, &mut read) {
                Ok(model) => {
                    tracing::info!(model = id, "model loaded");
                    models.push(loaded(&engine, verified, model));
                }
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(model = id, error, "model cannot be evaluated");
                }
            }
        }
        if models.is_empty() {
            tracing::warn!("there is no model to evaluate");
        }
        Ok(Self {
            engine,
            trust,
            models,
            keys: ByteCache::new(key_cache_bytes),
            key_cache_bytes,
            incoming: None,
        })
    }

    /// Works off one request; replies go to `reply` as they arise.
    pub fn handle(&mut self, request: ComputeRequest, reply: &mut dyn FnMut(ComputeReply)) {
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
                let mut progress = |done, of| reply(ComputeReply::Progress { job, item, done, of });
                let outcome = self.evaluate(job, item, &model_hash, &key_fingerprint, &bytes, &mut progress);
                reply(ComputeReply::Item { job, item, outcome });
            }
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
        } else if len_bytes > self.key_cache_bytes {
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
        self.keys.make_room(bytes.len());
        let keys = self.engine.load_keys(&model.model, bytes);
        let keys = keys.map_err(|_nonconforming| KeyFault::NonConforming)?;
        let size = self.engine.key_memory_bytes(&keys);
        let entry = (incoming.parameter_hash, keys);
        let inserted = self.keys.insert(incoming.fingerprint, entry, size);
        inserted.map_err(|_too_large| KeyFault::TooLarge)
    }

    fn evaluate(
        &mut self,
        job: JobId,
        item: u32,
        model_hash: &Digest,
        key_fingerprint: &Digest,
        bytes: &[u8],
        progress: &mut dyn FnMut(u32, u32),
    ) -> Result<Answer, ItemFault> {
        let model = self.models.iter().find(|m| m.verified.model_hash == *model_hash);
        let model = model.ok_or(ItemFault::UnknownModel)?;
        let parameter_hash = model.offer.parameter_hash;
        let keys = match self.keys.find(key_fingerprint) {
            Some((of, keys)) if *of == parameter_hash => keys,
            Some(_) => return Err(ItemFault::BadCiphertext),
            None => return Err(ItemFault::KeysNotLoaded),
        };
        if bytes.len() > MAX_ITEM_BYTES || bytes.len() != model.offer.request_bytes as usize {
            return Err(ItemFault::BadCiphertext);
        }
        let answer = self.engine.evaluate(&model.model, keys, bytes, progress);
        let answer = answer.map_err(|_nonconforming| ItemFault::BadCiphertext)?;
        if answer.len() > MAX_ANSWER_BYTES {
            tracing::error!(bytes = answer.len(), "the engine's answer is too large to send");
            return Err(ItemFault::Internal);
        }
        let request = ReceiptRequest {
            job,
            item,
            input_hash: Digest::of(bytes),
            answer_hash: Digest::of(&answer),
            model_hash: *model_hash,
            parameter_hash,
            key_fingerprint: *key_fingerprint,
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
