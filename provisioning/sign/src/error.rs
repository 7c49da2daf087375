//! Everything that can go wrong, its exit code and what to do about it.

use std::{io, path::PathBuf};

use obscura_bundle::{
    BundleError, ChangeError, ContractError, FieldProblem, GoldenError, GoldenMismatch, RootError,
};
use obscura_circuit::CircuitError;
use obscura_fhe_core::{ParameterError, PlanError};
use obscura_protocol::identity::{Digest, PublicKey};
use obscura_sealed::{PasswordError, SealedError};

/// Why nothing was signed or shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignError {
    #[error("cannot read {}", path.display())]
    ConfigRead { path: PathBuf, source: io::Error },
    #[error("{} is {got_bytes} bytes, at most {max_bytes} are allowed", path.display())]
    ConfigTooLarge {
        path: PathBuf,
        got_bytes: u64,
        max_bytes: u64,
    },
    #[error("cannot write {}", path.display())]
    ConfigWrite { path: PathBuf, source: io::Error },
    #[error("{} is there already", path.display())]
    ConfigExists { path: PathBuf },
    #[error("no password")]
    ConfigPassword(#[from] PasswordError),
    #[error("signing key {} cannot be opened", path.display())]
    Key { path: PathBuf, source: SealedError },
    #[error("a signing key cannot be sealed")]
    Seal(#[source] SealedError),
    #[error("the operating system gave no randomness")]
    DeviceRandomness(#[source] getrandom::Error),
    #[error("root cannot be made")]
    ConfigRoot(#[source] RootError),
    #[error("root {} is refused", path.display())]
    Root { path: PathBuf, source: RootError },
    #[error("change of root {} is refused", path.display())]
    Change { path: PathBuf, source: ChangeError },
    #[error("the root has no key {key:.16}")]
    ConfigNoSuchKey { key: PublicKey },
    #[error("{} holds {got_bytes} bytes, an Ed25519 signature has 64", path.display())]
    ConfigSignature { path: PathBuf, got_bytes: usize },
    #[error("the last version of a root has no next one")]
    ConfigLastVersion,
    #[error("key {key:.16} of {} is not in the root", path.display())]
    KeyNotInRoot { path: PathBuf, key: Digest },
    #[error("bundle cannot be made")]
    Build(#[source] BundleError),
    #[error("bundle is refused")]
    Bundle(#[source] BundleError),
    #[error("payload has no file {name}")]
    PayloadMissing { name: &'static str },
    #[error("payload has the unexpected file {name}")]
    PayloadUnexpected { name: String },
    #[error("payload file contract.json is refused")]
    PayloadContract(#[source] ContractError),
    #[error("contract is of model {contract}, not of {asked}")]
    PayloadModel { contract: String, asked: String },
    #[error("payload file golden.json is refused")]
    PayloadGolden(#[source] GoldenError),
    #[error("circuit of the payload is refused")]
    PayloadCircuit(#[source] CircuitError),
    #[error("payload file parameters.json is refused")]
    PayloadParameters(#[source] ParameterError),
    #[error("the parameters do not carry the circuit")]
    PayloadPlan(#[source] PlanError),
    #[error("contract gives {contract} inputs, the circuit takes {circuit}")]
    PayloadInputCount { contract: usize, circuit: usize },
    #[error("contract allows {low}..={high} for input {input}, the circuit takes {allowed}")]
    PayloadInputRange {
        input: usize,
        low: i64,
        high: i64,
        allowed: String,
    },
    #[error("golden record {vector} is not acceptable to the contract: {problem}")]
    PayloadGoldenRecord {
        vector: String,
        problem: Box<FieldProblem>,
    },
    #[error("golden.json holds records where the contract reads images, or the other way round")]
    PayloadGoldenKind,
    #[error("contract reads {needed} numbers, output {output} of the circuit has {got} numbers")]
    PayloadOutput {
        output: String,
        got: usize,
        needed: usize,
    },
    #[error("{0}")]
    PayloadGoldenResult(GoldenMismatch),
    #[error("golden.json has no whole image, which the clear head of the contract asks for")]
    PayloadNoScans,
}

impl SignError {
    /// The process's exit code, as documented in `--help`.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::ConfigRead { .. }
            | Self::ConfigTooLarge { .. }
            | Self::ConfigWrite { .. }
            | Self::ConfigExists { .. }
            | Self::ConfigPassword(_)
            | Self::ConfigRoot(_)
            | Self::ConfigNoSuchKey { .. }
            | Self::ConfigSignature { .. }
            | Self::ConfigLastVersion
            | Self::Build(_) => 2,
            Self::Key { source, .. } => match source {
                SealedError::WrongPasswordOrAltered => 4,
                SealedError::DeviceMemory { .. } => 70,
                _ => 2,
            },
            Self::Root { .. } | Self::Change { .. } | Self::KeyNotInRoot { .. } | Self::Bundle(_) => 5,
            Self::Seal(_) | Self::DeviceRandomness(_) => 70,
            _ => 3,
        }
    }

    /// What to do about it.
    pub(crate) fn advice(&self) -> &'static str {
        match self {
            Self::ConfigExists { .. } => {
                "Nothing was written: choose another name, or move the old file away."
            }
            Self::Key {
                source: SealedError::WrongPasswordOrAltered,
                ..
            } => "Try the password again; if it is right, restore the key file from a backup.",
            Self::KeyNotInRoot { .. } => "Give the root document that was made with this key.",
            Self::ConfigNoSuchKey { .. } => "See obscura-sign root show.",
            Self::Change { .. } => {
                "Nothing was written: see obscura-sign root show, and sign what is missing."
            }
            Self::Bundle(_) | Self::Root { .. } => "Do not use it: fetch it again from where it was signed.",
            Self::PayloadMissing { .. } | Self::PayloadUnexpected { .. } => {
                "A payload has exactly circuit.json, weights.safetensors, contract.json, parameters.json, \
                 golden.json and card.md."
            }
            Self::DeviceRandomness(_) | Self::Seal(_) => {
                "Nothing was written: try again on a healthy machine."
            }
            other if other.exit_code() == 3 => "Nothing was signed: correct the payload.",
            _ => "See obscura-sign --help.",
        }
    }
}
