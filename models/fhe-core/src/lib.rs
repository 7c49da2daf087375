//! What both sides of an encrypted evaluation agree on: parameters, their security, the noise they cause,
//! how a circuit is laid out on the torus, and the byte formats of keys and ciphertexts.
//!
//! Knows neither secret keys nor how anything is computed, and names no TFHE library.
//!
//! Failure model: parameters below the security bound and circuits whose noise would spoil a result are
//! refused when they are loaded; byte formats have exact lengths, so that nothing is allocated for a peer's
//! claim.

mod bits;
mod format;
mod noise;
mod parameters;
mod plan;
mod security;

pub use bits::{pack, packed_len, unpack};
pub use format::{Answer, EvaluationKeyParts, FormatError, Item, SEED_BYTES, SeededKey};
pub use noise::{LookUpNoise, Noise};
pub use parameters::{Packing, ParameterError, ParameterSet, WordSize};
pub use plan::{LayerNoise, OutputPlan, Plan, PlanError, TablePlan};
pub use security::{MIN_SECURITY_BITS, RECORDED, RecordedEstimate, security_bits};
