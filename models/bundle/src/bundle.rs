//! A bundle file, before and after its signatures are checked.

use std::ops::Range;

use obscura_protocol::identity::{Digest, Purpose};

use crate::{
    contract::{Contract, ContractError},
    file_name,
    frame::{Frame, KeySignature, MAGIC, PREFIX_BYTES, VERSION},
    manifest::{FileEntry, MAX_MANIFEST_BYTES, Manifest, ManifestError},
    signatures::{self, WrongSignature},
    trusted::TrustedRoot,
};

/// Largest bundle file: 64 MiB.
pub const MAX_BUNDLE_BYTES: usize = obscura_protocol::transfer::MAX_BUNDLE_BYTES as usize;

/// Why a bundle was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// The file is too large.
    #[error("bundle is {got_bytes} bytes, at most {max_bytes} are allowed")]
    PeerTooLarge {
        /// Length found.
        got_bytes: usize,
        /// Length allowed.
        max_bytes: usize,
    },
    /// The file begins differently.
    #[error("not a bundle")]
    PeerNotBundle,
    /// The file is of a later format.
    #[error("bundle has format version {got}, this program reads version {VERSION}")]
    PeerVersion {
        /// Version found.
        got: u8,
    },
    /// The frame does not decode, or holds too much of something.
    #[error("bundle frame is malformed")]
    PeerMalformed,
    /// More bytes follow the frame.
    #[error("bundle has {extra_bytes} trailing bytes")]
    PeerTrailing {
        /// Bytes after the frame.
        extra_bytes: usize,
    },
    /// A key of the root did not make the signature that bears its name.
    #[error("bundle has a wrong signature of key {key:.16}")]
    PeerBadSignature {
        /// Fingerprint of the key.
        key: Digest,
    },
    /// Too few keys of the root signed.
    #[error("bundle is signed by {got} keys of this root, {needed} are needed")]
    PeerTooFewSignatures {
        /// Keys that signed.
        got: usize,
        /// Keys needed.
        needed: usize,
    },
    /// Enough keys of the root signed, but too few of them may sign this security counter.
    #[error(
        "bundle has security counter {counter}, {got} of the keys that signed it may sign so high a counter, {needed} \
         are needed"
    )]
    PeerCounterLimit {
        /// Counter of the manifest.
        counter: u32,
        /// Keys that signed and whose limit is not below the counter.
        got: usize,
        /// Keys needed.
        needed: usize,
    },
    /// The signed manifest is not acceptable.
    #[error("bundle manifest is not acceptable")]
    PeerManifest(#[from] ManifestError),
    /// The frame holds more or fewer files than the manifest lists.
    #[error("bundle holds {got} files, its manifest lists {listed}")]
    PeerFileCount {
        /// Files in the frame.
        got: usize,
        /// Files in the manifest.
        listed: usize,
    },
    /// A file is not the one the manifest lists.
    #[error("file {name} of the bundle is not the one its manifest lists")]
    PeerFile {
        /// The file.
        name: String,
    },
    /// A file every payload has is missing.
    #[error("bundle has no file {name}")]
    PeerMissingFile {
        /// The file.
        name: &'static str,
    },
    /// The input contract is not acceptable.
    #[error("input contract of the bundle is not acceptable")]
    PeerContract(#[from] ContractError),
    /// The contract speaks of another model than the manifest.
    #[error("input contract of the bundle is of another model")]
    PeerContractModel,
}

/// State of a bundle whose frame alone was read.
#[derive(Clone, Debug)]
pub struct Unverified(());

/// State of a bundle that enough keys signed and whose files are the listed ones.
#[derive(Clone, Debug)]
pub struct Verified {
    manifest: Manifest,
    model_hash: Digest,
}

/// The bytes of a bundle file and where in them what lies.
#[derive(Clone, Debug)]
pub struct Bundle<State> {
    bytes: Vec<u8>,
    manifest: Range<usize>,
    signatures: Vec<KeySignature>,
    files: Vec<Range<usize>>,
    state: State,
}

/// Reads a bundle that `root` must vouch for.
///
/// # Errors
/// [`BundleError`]; nothing of a refused bundle is returned.
pub fn verify(bytes: &[u8], root: &TrustedRoot) -> Result<Bundle<Verified>, BundleError> {
    Bundle::parse(bytes)?.verify(root)
}

impl<State> Bundle<State> {
    /// The whole file.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Fingerprints of the keys whose signatures the file carries, checked or not.
    pub fn claimed_signers(&self) -> impl Iterator<Item = Digest> + '_ {
        self.signatures.iter().map(|signature| signature.key)
    }
}

impl Bundle<Unverified> {
    /// Reads the outer frame and believes none of it.
    ///
    /// # Errors
    /// [`BundleError`] when it is too large, not a frame, or has trailing bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, BundleError> {
        if bytes.len() > MAX_BUNDLE_BYTES {
            return Err(BundleError::PeerTooLarge {
                got_bytes: bytes.len(),
                max_bytes: MAX_BUNDLE_BYTES,
            });
        }
        let rest = bytes.strip_prefix(MAGIC).ok_or(BundleError::PeerNotBundle)?;
        let (&version, body) = rest.split_first().ok_or(BundleError::PeerNotBundle)?;
        if version != VERSION {
            return Err(BundleError::PeerVersion { got: version });
        }
        let (frame, trailing) =
            postcard::take_from_bytes::<Frame<'_>>(body).map_err(|_malformed| BundleError::PeerMalformed)?;
        if !trailing.is_empty() {
            return Err(BundleError::PeerTrailing {
                extra_bytes: trailing.len(),
            });
        }
        if frame.manifest.0.len() > MAX_MANIFEST_BYTES {
            return Err(BundleError::PeerTooLarge {
                got_bytes: frame.manifest.0.len(),
                max_bytes: MAX_MANIFEST_BYTES,
            });
        }
        let place = |part: &[u8]| {
            let start = PREFIX_BYTES + (part.as_ptr().addr() - body.as_ptr().addr());
            start..start + part.len()
        };
        Ok(Self {
            manifest: place(frame.manifest.0),
            files: frame.files.iter().map(|file| place(file.0)).collect(),
            signatures: frame.signatures,
            bytes: bytes.to_vec(),
            state: Unverified(()),
        })
    }

    /// Checks signatures, then the manifest, then every file.
    ///
    /// A key counts once however often it signed, and not at all under a counter above its limit. Signatures of
    /// keys outside the root, revoked ones among them, are passed over, so that one file can serve two roots while
    /// they change; a wrong signature of a key of the root refuses the bundle.
    ///
    /// # Errors
    /// [`BundleError`].
    pub fn verify(self, root: &TrustedRoot) -> Result<Bundle<Verified>, BundleError> {
        let root = root.document();
        let manifest_bytes = &self.bytes[self.manifest.clone()];
        let signed = signatures::signers(root, Purpose::Manifest, manifest_bytes, &self.signatures)
            .map_err(|WrongSignature { key }| BundleError::PeerBadSignature { key })?;
        let needed = usize::from(root.threshold());
        if signed.len() < needed {
            return Err(BundleError::PeerTooFewSignatures {
                got: signed.len(),
                needed,
            });
        }
        let model_hash = Digest::of(manifest_bytes);
        let manifest = Manifest::from_bytes(manifest_bytes)?;
        let counter = manifest.security_counter;
        let got = signed
            .iter()
            .filter(|signer| signer.max_counter >= counter)
            .count();
        if got < needed {
            return Err(BundleError::PeerCounterLimit { counter, got, needed });
        }
        if self.files.len() != manifest.files.len() {
            return Err(BundleError::PeerFileCount {
                got: self.files.len(),
                listed: manifest.files.len(),
            });
        }
        for (entry, range) in manifest.files.iter().zip(&self.files) {
            check_file(entry, &self.bytes[range.clone()])?;
        }
        Ok(Bundle {
            bytes: self.bytes,
            manifest: self.manifest,
            signatures: self.signatures,
            files: self.files,
            state: Verified { manifest, model_hash },
        })
    }
}

fn check_file(entry: &FileEntry, bytes: &[u8]) -> Result<(), BundleError> {
    if entry.len_bytes == bytes.len() as u64 && entry.digest == Digest::of(bytes) {
        return Ok(());
    }
    Err(BundleError::PeerFile {
        name: entry.name.clone(),
    })
}

impl Bundle<Verified> {
    /// The signed manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.state.manifest
    }

    /// SHA-256 of the manifest's exact bytes: the model's name on the wire.
    pub fn model_hash(&self) -> Digest {
        self.state.model_hash
    }

    /// The bytes of one file.
    pub fn file(&self, name: &str) -> Option<&[u8]> {
        let at = self
            .state
            .manifest
            .files
            .iter()
            .position(|entry| entry.name == name)?;
        self.bytes.get(self.files.get(at)?.clone())
    }

    /// The bytes of a file every payload has.
    ///
    /// # Errors
    /// [`BundleError::PeerMissingFile`].
    pub fn required_file(&self, name: &'static str) -> Result<&[u8], BundleError> {
        self.file(name).ok_or(BundleError::PeerMissingFile { name })
    }

    /// The input contract, which must be of the model the manifest names.
    ///
    /// # Errors
    /// [`BundleError`].
    pub fn contract(&self) -> Result<Contract, BundleError> {
        let contract = Contract::from_json(self.required_file(file_name::CONTRACT)?)?;
        if contract.model_id() == self.state.manifest.model_id {
            Ok(contract)
        } else {
            Err(BundleError::PeerContractModel)
        }
    }
}
