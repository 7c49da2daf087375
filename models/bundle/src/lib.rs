//! What the model owner signs: bundles, the roots that say whose signature counts, and the input contract.
//!
//! [`verify`] is the only way to a [`Bundle<Verified>`], and takes only a [`TrustedRoot`], which is a pinned root
//! document or one that follows such a document by the signatures of both: signatures hold before the manifest is parsed, and
//! every file has the length and hash the manifest states before anybody sees it. The contract and the
//! golden vectors are read from files of such a bundle. Knows nothing of ciphertexts, opens no file.
//!
//! Failure model: every decoder has a size limit and returns a typed error; nothing here can panic on
//! input. A bundle that is unsigned, altered, truncated or extended is refused whole.

mod build;
pub mod bundle;
pub mod contract;
mod describe;
mod frame;
pub mod golden;
pub mod manifest;
pub mod record;
pub mod root;
mod signatures;
mod trusted;

pub use build::Unsigned;
pub use bundle::{Bundle, BundleError, MAX_BUNDLE_BYTES, Unverified, Verified, verify};
pub use contract::{
    Channel, Class, Code, Contract, ContractError, Decision, Field, ImageContract, Input, Kind, Licence, Map,
    Place, Reads, RecordContract, Scores, Threshold, WrongCount,
    quantise::{Allowed, FieldProblem, FieldValue, Wrong},
};
pub use describe::describe;
pub use golden::{Golden, GoldenError, GoldenMismatch, GoldenPatch, GoldenScan, GoldenVector};
pub use manifest::{FileEntry, Manifest, ManifestError, Meta, Target};
pub use record::RecordError;
pub use root::{DEFAULT_MAX_COUNTER, MAX_ROOT_BYTES, Root, RootError, RootKey};
pub use trusted::{ChangeError, MAX_CHANGE_BYTES, RootChange, TrustedRoot};

/// Names of the files every payload has.
pub mod file_name {
    /// The graph of integer operations.
    pub const CIRCUIT: &str = "circuit.json";
    /// Its weights and tables.
    pub const WEIGHTS: &str = "weights.safetensors";
    /// The input contract.
    pub const CONTRACT: &str = "contract.json";
    /// The cryptographic parameters.
    pub const PARAMETERS: &str = "parameters.json";
    /// Records or patches with the results the circuit must give.
    pub const GOLDEN: &str = "golden.json";
    /// The model card.
    pub const CARD: &str = "card.md";
    /// All of them, in the order of the manifest.
    pub const ALL: [&str; 6] = [CARD, CIRCUIT, CONTRACT, GOLDEN, PARAMETERS, WEIGHTS];
}
