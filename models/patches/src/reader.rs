//! One picture: the device's way from the file to the integers, as a contract says.

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use obscura_bundle::{Contract, ContractError, ImageContract};
use obscura_imaging::{Recipe, read};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{PatchesError, files::io};

/// How much of a picture becomes integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// The patches a device encrypts, row by row.
    Patches,
    /// The whole resized square, out of which training cuts shifted patches.
    Whole,
}

/// Makes integers of pictures as one contract says.
#[derive(Debug)]
pub struct Reader {
    contract: ImageContract,
    recipe: Recipe,
    extent: Extent,
    contract_sha256: String,
}

/// The integers of one picture, and how large it was.
pub(crate) struct Integers {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) values: Vec<i8>,
}

impl Reader {
    /// Reads the contract.
    ///
    /// # Errors
    /// [`PatchesError::Io`], [`PatchesError::PeerContract`], [`PatchesError::PeerNoImages`],
    /// [`PatchesError::PeerSquare`], [`PatchesError::PeerRange`].
    pub fn new(path: &Path, extent: Extent) -> Result<Self, PatchesError> {
        let bytes = fs::read(path).map_err(io(path))?;
        let peer = |source| PatchesError::PeerContract {
            path: path.to_owned(),
            source,
        };
        let signed = Contract::from_json(&bytes).map_err(peer)?;
        let used = match extent {
            Extent::Patches => signed.clone(),
            Extent::Whole => whole(&signed, &bytes).map_err(peer)?,
        };
        let contract = used.image().ok_or_else(|| PatchesError::PeerNoImages {
            path: path.to_owned(),
        })?;
        let recipe =
            Recipe::new(contract.side(), contract.crop()).map_err(|source| PatchesError::PeerSquare {
                path: path.to_owned(),
                source,
            })?;
        let bounds = used.input_bounds();
        let low = bounds.iter().map(|bound| bound.0).min().unwrap_or(0);
        let high = bounds.iter().map(|bound| bound.1).max().unwrap_or(0);
        if low < i64::from(i8::MIN) || high > i64::from(i8::MAX) {
            let path = path.to_owned();
            return Err(PatchesError::PeerRange { path, low, high });
        }
        Ok(Self {
            contract: contract.clone(),
            recipe,
            extent,
            contract_sha256: hex(&Sha256::digest(&bytes)),
        })
    }

    /// SHA-256 of the contract's bytes, in hexadecimal digits.
    pub fn contract_sha256(&self) -> &str {
        &self.contract_sha256
    }

    /// Shape of one picture's integers: `[patches, 3, patch, patch]`, or `[3, side, side]`.
    pub fn shape(&self) -> Vec<usize> {
        let patch = index(self.contract.patch());
        match self.extent {
            Extent::Patches => vec![index(self.contract.patches()), 3, patch, patch],
            Extent::Whole => vec![3, patch, patch],
        }
    }

    /// The integers of a picture file.
    pub(crate) fn integers(&self, path: &PathBuf) -> Result<Integers, PatchesError> {
        let file = fs::read(path).map_err(io(path))?;
        let pixels = read(&file, self.recipe).map_err(|source| PatchesError::PeerPicture {
            path: path.clone(),
            source,
        })?;
        let patches = self
            .contract
            .quantise(pixels.rgb())
            .map_err(|source| PatchesError::DevicePixels {
                path: path.clone(),
                source,
            })?;
        let byte = |value: &i64| i8::try_from(*value).expect("the contract's bounds were checked");
        Ok(Integers {
            width: pixels.width(),
            height: pixels.height(),
            values: patches.iter().flat_map(|patch| patch.iter().map(byte)).collect(),
        })
    }
}

/// The same contract with the whole square as its only patch; one for records stays as it is.
fn whole(signed: &Contract, bytes: &[u8]) -> Result<Contract, ContractError> {
    let Some(image) = signed.image() else {
        return Ok(signed.clone());
    };
    let mut json: Value = serde_json::from_slice(bytes)?;
    json["image"]["crop"] = image.side().into();
    json["image"]["patch"] = image.side().into();
    Contract::from_json(json.to_string().as_bytes())
}

/// Hexadecimal digits of a hash.
pub(crate) fn hex(hash: &[u8]) -> String {
    hash.iter().fold(String::new(), |mut digits, byte| {
        // A string always has room.
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
