//! The manifest: the exact bytes that are signed, naming every file by length and hash.

use obscura_protocol::{
    CURRENT_VERSION,
    codec::{self, DecodeError},
    identity::Digest,
    job::is_model_id,
};
use serde::{Deserialize, Serialize};

/// Largest encoded manifest, bytes.
pub const MAX_MANIFEST_BYTES: usize = 16 * 1024;
/// Most files of one bundle.
pub const MAX_FILES: usize = 32;
/// Longest file name, bytes.
pub const MAX_FILE_NAME_BYTES: usize = 64;
/// Longest version text, bytes.
pub const MAX_VERSION_BYTES: usize = 32;
/// What every manifest of this product says it is.
pub const PRODUCT: &str = "obscura-model";
/// Hardware id of a model that runs on every box.
pub const ANY_HARDWARE: &str = "any";
/// The scheme of records and small networks: TFHE in the forms of this release.
pub const SCHEME_TFHE_1: &str = "tfhe-1";

/// Why a manifest is not acceptable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// The bytes do not decode.
    #[error("manifest does not decode")]
    PeerDecode(#[from] DecodeError),
    /// The manifest is of another product.
    #[error("manifest is not of a model of this product")]
    PeerProduct,
    /// A text field has a length or a character that is not allowed.
    #[error("manifest field {field} is not of the form {form}")]
    PeerText {
        /// The field.
        field: &'static str,
        /// What is allowed, as a regular expression.
        form: &'static str,
    },
    /// There are no files, or too many.
    #[error("manifest lists {got} files, 1 to {MAX_FILES} are allowed")]
    PeerFileCount {
        /// Files listed.
        got: usize,
    },
    /// A file is listed twice.
    #[error("manifest lists file {name} twice")]
    PeerDuplicateFile {
        /// The file.
        name: String,
    },
    /// The model is for earlier programs.
    #[error("model needs protocol version {needs} at most, this program speaks {CURRENT_VERSION}")]
    PeerNeedsEarlier {
        /// Highest version allowed.
        needs: u16,
    },
    /// The model needs a later program.
    #[error("model needs protocol version {needs}, this program speaks up to {CURRENT_VERSION}")]
    PeerNeedsLater {
        /// Version needed.
        needs: u16,
    },
}

/// One file of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Name, `[a-z0-9._-]{1,64}`.
    pub name: String,
    /// Length, bytes.
    pub len_bytes: u64,
    /// SHA-256.
    pub digest: Digest,
}

/// What is signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Always [`PRODUCT`].
    pub product: String,
    /// Name of the model, `[a-z][a-z0-9-]{0,63}`.
    pub model_id: String,
    /// Version for people, `[0-9A-Za-z.+-]{1,32}`.
    pub version: String,
    /// Counts up when an older bundle must no longer run; independent of the version.
    pub security_counter: u32,
    /// Scheme and formats of ciphertexts and keys, `[a-z0-9-]{1,32}`, for example [`SCHEME_TFHE_1`].
    pub scheme: String,
    /// Boxes the model is for, `[a-z0-9-]{1,32}`: [`ANY_HARDWARE`] or the hardware id of a box.
    pub hardware: String,
    /// Lowest protocol version that can carry the model.
    pub min_protocol: u16,
    /// Highest protocol version of a program that may run the model; 65,535 says that none is too new.
    pub max_protocol: u16,
    /// Every file, ascending by name, in the order of the frame.
    #[serde(deserialize_with = "obscura_protocol::codec::bounded::<_, _, MAX_FILES>")]
    pub files: Vec<FileEntry>,
}

/// What a person decides about a bundle before it is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Name of the model.
    pub model_id: String,
    /// Version for people.
    pub version: String,
    /// Security counter.
    pub security_counter: u32,
    /// Scheme, for example [`SCHEME_TFHE_1`].
    pub scheme: String,
    /// Lowest protocol version that can carry the model.
    pub min_protocol: u16,
}

/// The boxes a bundle is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// [`ANY_HARDWARE`] or a hardware id, `[a-z0-9-]{1,32}`.
    pub hardware: String,
    /// Highest protocol version of a program that may run the model.
    pub max_protocol: u16,
}

impl Default for Target {
    fn default() -> Self {
        Self {
            hardware: ANY_HARDWARE.to_owned(),
            max_protocol: u16::MAX,
        }
    }
}

impl Manifest {
    pub(crate) fn new(meta: &Meta, target: &Target, files: Vec<FileEntry>) -> Result<Self, ManifestError> {
        let manifest = Self {
            product: PRODUCT.to_owned(),
            model_id: meta.model_id.clone(),
            version: meta.version.clone(),
            security_counter: meta.security_counter,
            scheme: meta.scheme.clone(),
            hardware: target.hardware.clone(),
            min_protocol: meta.min_protocol,
            max_protocol: target.max_protocol,
            files,
        };
        manifest.check()?;
        Ok(manifest)
    }

    /// Whether the model may run on hardware of this id.
    pub fn fits_hardware(&self, hardware: &str) -> bool {
        self.hardware == ANY_HARDWARE || self.hardware == hardware
    }

    /// Decodes and checks a manifest; says nothing about who signed it.
    ///
    /// # Errors
    /// [`ManifestError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ManifestError> {
        let manifest: Self = codec::decode(bytes, MAX_MANIFEST_BYTES)?;
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), ManifestError> {
        if self.product != PRODUCT {
            return Err(ManifestError::PeerProduct);
        }
        text("model_id", "[a-z][a-z0-9-]{0,63}", is_model_id(&self.model_id))?;
        text("version", "[0-9A-Za-z.+-]{1,32}", is_version(&self.version))?;
        text("scheme", "[a-z0-9-]{1,32}", is_word(&self.scheme))?;
        text("hardware", "[a-z0-9-]{1,32}", is_word(&self.hardware))?;
        if self.min_protocol > CURRENT_VERSION {
            return Err(ManifestError::PeerNeedsLater {
                needs: self.min_protocol,
            });
        }
        if self.max_protocol < CURRENT_VERSION {
            return Err(ManifestError::PeerNeedsEarlier {
                needs: self.max_protocol,
            });
        }
        if !(1..=MAX_FILES).contains(&self.files.len()) {
            return Err(ManifestError::PeerFileCount {
                got: self.files.len(),
            });
        }
        for (at, entry) in self.files.iter().enumerate() {
            text(
                "file name",
                "[a-z0-9._-]{1,64}, not starting with a dot",
                is_file_name(&entry.name),
            )?;
            if self.files[..at].iter().any(|other| other.name == entry.name) {
                return Err(ManifestError::PeerDuplicateFile {
                    name: entry.name.clone(),
                });
            }
        }
        Ok(())
    }
}

fn text(field: &'static str, form: &'static str, holds: bool) -> Result<(), ManifestError> {
    if holds {
        Ok(())
    } else {
        Err(ManifestError::PeerText { field, form })
    }
}

fn is_version(text: &str) -> bool {
    (1..=MAX_VERSION_BYTES).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b".+-".contains(&b))
}

fn is_word(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// `[a-z0-9._-]{1,64}`, and never hidden, the folder itself or its parent.
fn is_file_name(name: &str) -> bool {
    (1..=MAX_FILE_NAME_BYTES).contains(&name.len())
        && !name.starts_with('.')
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let meta = Meta {
            model_id: "cardio-lr".to_owned(),
            version: "0.1.0".to_owned(),
            security_counter: 1,
            scheme: SCHEME_TFHE_1.to_owned(),
            min_protocol: 1,
        };
        let entry = |name: &str| FileEntry {
            name: name.to_owned(),
            len_bytes: 0,
            digest: Digest::of(b""),
        };
        Manifest::new(&meta, &Target::default(), vec![entry("a.json"), entry("b.json")]).unwrap()
    }

    fn refused(alter: impl FnOnce(&mut Manifest)) -> ManifestError {
        let mut altered = manifest();
        alter(&mut altered);
        Manifest::from_bytes(&codec::encode(&altered)).unwrap_err()
    }

    #[test]
    fn refuses_names_that_could_be_paths() {
        for name in ["", ".", "..", ".hidden", "a/b", "A", "ä", "a b", &"x".repeat(65)] {
            let refused = refused(|m| m.files[0].name = name.to_owned());
            assert!(
                matches!(
                    refused,
                    ManifestError::PeerText {
                        field: "file name",
                        ..
                    }
                ),
                "{name}"
            );
        }
        for id in ["", "1a", "-a", "a/b", "..", &"x".repeat(65)] {
            let refused = refused(|m| m.model_id = id.to_owned());
            assert!(
                matches!(
                    refused,
                    ManifestError::PeerText {
                        field: "model_id",
                        ..
                    }
                ),
                "{id}"
            );
        }
    }

    #[test]
    fn a_model_fits_the_hardware_it_names_or_every_one() {
        let mut named = manifest();
        assert!(named.fits_hardware("x86-64-v3"));
        named.hardware = "x86-64-v3".to_owned();
        assert!(named.fits_hardware("x86-64-v3") && !named.fits_hardware("any"));
        for hardware in ["", "A", "a b", &"x".repeat(33)] {
            let refused = refused(|m| m.hardware = hardware.to_owned());
            assert!(
                matches!(
                    refused,
                    ManifestError::PeerText {
                        field: "hardware",
                        ..
                    }
                ),
                "{hardware}"
            );
        }
    }

    #[test]
    fn refuses_duplicates_other_products_and_later_protocols() {
        let twice = refused(|m| m.files[1].name = "a.json".to_owned());
        assert_eq!(
            twice,
            ManifestError::PeerDuplicateFile {
                name: "a.json".to_owned()
            }
        );
        assert_eq!(
            refused(|m| m.product = "other".to_owned()),
            ManifestError::PeerProduct
        );
        let later = CURRENT_VERSION + 1;
        assert_eq!(
            refused(|m| m.min_protocol = later),
            ManifestError::PeerNeedsLater { needs: later }
        );
        assert_eq!(
            refused(|m| m.max_protocol = CURRENT_VERSION - 1),
            ManifestError::PeerNeedsEarlier {
                needs: CURRENT_VERSION - 1
            }
        );
        assert_eq!(
            refused(|m| m.files.clear()),
            ManifestError::PeerFileCount { got: 0 }
        );
        let many = refused(|m| m.files = vec![m.files[0].clone(); MAX_FILES + 1]);
        assert_eq!(many, ManifestError::PeerDecode(DecodeError::PeerMalformed));
    }
}
