//! Jobs: the signed ticket that announces one, and the signed receipt that closes an item.

use alloc::{string::String, vec::Vec};
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::{
    codec::{self, DecodeError},
    identity::{
        ClientId, Digest, Identity, JobId, PeerBadSignature, PeerName, PublicKey, Purpose, Signature, SiteId,
    },
};

/// Largest encoded signed ticket or receipt.
pub const MAX_SIGNED_BYTES: usize = 1024;
/// Largest model id, in bytes.
pub const MAX_MODEL_ID_BYTES: usize = 64;
/// Most items of one job.
pub const MAX_ITEMS: u32 = 4096;

/// Whether `text` can name a model: `[a-z][a-z0-9-]{0,63}`, safe in paths, logs and on terminals.
pub fn is_model_id(text: &str) -> bool {
    let safe = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    text.len() <= MAX_MODEL_ID_BYTES
        && text
            .bytes()
            .next()
            .is_some_and(|first| first.is_ascii_lowercase())
        && text.bytes().all(safe)
}

/// Decodes a model id, for `#[serde(deserialize_with)]`.
pub(crate) fn model_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let refused = || de::Error::custom("not a model id");
    is_model_id(&text).then_some(text).ok_or_else(refused)
}

fn item_count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let count = u32::deserialize(deserializer)?;
    let refused = || de::Error::custom("not a count of items");
    (1..=MAX_ITEMS)
        .contains(&count)
        .then_some(count)
        .ok_or_else(refused)
}

/// A statement and the exact bytes that were signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed<T> {
    statement: T,
    bytes: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    #[serde(with = "codec::bytes")]
    statement: Vec<u8>,
    signature: Signature,
}

/// A statement that has one purpose and one encoding.
pub trait Statement: Serialize + serde::de::DeserializeOwned {
    /// What its signature speaks about.
    const PURPOSE: Purpose;
}

/// Why a signed statement was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StatementError {
    /// Not a statement of this type.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// Signed by somebody else, or altered.
    #[error(transparent)]
    Signature(#[from] PeerBadSignature),
}

impl<T: Statement> Signed<T> {
    /// Signs `statement`.
    pub fn sign(statement: T, identity: &Identity) -> Self {
        let inner = codec::encode(&statement);
        let signature = identity.sign(T::PURPOSE, &inner);
        Self {
            statement,
            bytes: codec::encode(&Wire {
                statement: inner,
                signature,
            }),
        }
    }

    /// Checks the signature of `key`, then decodes.
    ///
    /// # Errors
    /// [`StatementError`]; nothing inside is parsed before the signature holds.
    pub fn verify(bytes: &[u8], key: &PublicKey) -> Result<Self, StatementError> {
        let wire: Wire = codec::decode(bytes, MAX_SIGNED_BYTES)?;
        key.verify(T::PURPOSE, &wire.statement, &wire.signature)?;
        let statement = codec::decode(&wire.statement, MAX_SIGNED_BYTES)?;
        Ok(Self {
            statement,
            bytes: bytes.to_vec(),
        })
    }

    /// The statement.
    pub fn statement(&self) -> &T {
        &self.statement
    }

    /// The signed bytes, for sending and storing.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Announces a job: which model, under which keys, how many items. Signed by the device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// Site whose boxes may answer.
    pub site: SiteId,
    /// Device that asks.
    pub device: PeerName,
    /// The job, random.
    pub job: JobId,
    /// SHA-256 of the manifest of the model to run.
    pub model_hash: Digest,
    /// Random name of the evaluation keys.
    pub client: ClientId,
    /// SHA-256 of the evaluation key object.
    pub key_fingerprint: Digest,
    /// Items that follow, `1..=MAX_ITEMS`.
    #[serde(deserialize_with = "item_count")]
    pub items: u32,
}

impl Statement for Ticket {
    const PURPOSE: Purpose = Purpose::Ticket;
}

/// Where the rollback floor is kept; a weak one is visible in every receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum FloorKind {
    /// No floor is enforced yet.
    None,
    /// A file, which whoever holds the disk can restore.
    File,
    /// A TPM 2.0 NV counter.
    Tpm,
    /// The counter of a secure element.
    SecureElement,
}

/// Says which box answered which item of which job with which model. Signed by the box's trust process.
///
/// It proves who answered with what, not that the computation was right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The job.
    pub job: JobId,
    /// The item, from 0.
    pub item: u32,
    /// SHA-256 of the encrypted input as received.
    pub input_hash: Digest,
    /// SHA-256 of the encrypted answer as sent.
    pub answer_hash: Digest,
    /// Model id from the verified manifest, `[a-z][a-z0-9-]{0,63}`.
    #[serde(deserialize_with = "model_id")]
    pub model_id: String,
    /// SHA-256 of the verified manifest.
    pub model_hash: Digest,
    /// Security counter from the verified manifest.
    pub security_counter: u32,
    /// Where this box keeps its rollback floor.
    pub floor: FloorKind,
    /// SHA-256 of the cryptographic parameters.
    pub parameter_hash: Digest,
    /// SHA-256 of the evaluation key object used.
    pub key_fingerprint: Digest,
    /// The box.
    pub box_name: PeerName,
}

impl Statement for Receipt {
    const PURPOSE: Purpose = Purpose::Receipt;
}

/// What the agent knows of an item and expects the receipt to repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected<'a> {
    /// The job.
    pub job: JobId,
    /// The item, from 0.
    pub item: u32,
    /// SHA-256 of the encrypted input as sent.
    pub input_hash: Digest,
    /// Model id from the agent's own verified bundle.
    pub model_id: &'a str,
    /// SHA-256 of the agent's own verified manifest.
    pub model_hash: Digest,
    /// Security counter of the agent's own verified manifest.
    pub security_counter: u32,
    /// SHA-256 of the cryptographic parameters.
    pub parameter_hash: Digest,
    /// SHA-256 of the evaluation key object.
    pub key_fingerprint: Digest,
    /// The box the device is enrolled with.
    pub box_name: &'a PeerName,
}

/// Which part of a receipt does not match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("receipt does not match: {field}")]
pub struct PeerReceiptMismatch {
    /// Name of the first field that differs.
    pub field: &'static str,
}

impl Receipt {
    /// Compares the receipt with what was asked and with the answer that came.
    ///
    /// # Errors
    /// [`PeerReceiptMismatch`] names the first difference.
    pub fn check(&self, expected: &Expected<'_>, answer: &[u8]) -> Result<(), PeerReceiptMismatch> {
        let fields = [
            ("job", self.job == expected.job),
            ("item", self.item == expected.item),
            ("input hash", self.input_hash == expected.input_hash),
            ("answer hash", self.answer_hash == Digest::of(answer)),
            ("model id", self.model_id == expected.model_id),
            ("model hash", self.model_hash == expected.model_hash),
            (
                "security counter",
                self.security_counter == expected.security_counter,
            ),
            ("parameter hash", self.parameter_hash == expected.parameter_hash),
            (
                "key fingerprint",
                self.key_fingerprint == expected.key_fingerprint,
            ),
            ("box", &self.box_name == expected.box_name),
        ];
        match fields.into_iter().find(|(_, same)| !same) {
            Some((field, _)) => Err(PeerReceiptMismatch { field }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
