//! Why no integers were written.

use std::path::PathBuf;

use obscura_bundle::{ContractError, WrongCount};
use obscura_imaging::ImageError;

/// Why no integers were written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PatchesError {
    /// A file or folder cannot be read or written; the source says why.
    #[error("{path}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// The contract is not acceptable.
    #[error("{path}")]
    PeerContract {
        /// Its file.
        path: PathBuf,
        /// The rule that does not hold.
        source: ContractError,
    },
    /// The contract is for records.
    #[error("{path}: the model of this contract reads records, not pictures")]
    PeerNoImages {
        /// Its file.
        path: PathBuf,
    },
    /// The contract's square cannot be made.
    #[error("{path}")]
    PeerSquare {
        /// Its file.
        path: PathBuf,
        /// What is wrong with it.
        source: ImageError,
    },
    /// The contract's integers do not fit the file's type.
    #[error("{path}: colour levels become {low} to {high}, and the file holds integers of 8 bits")]
    PeerRange {
        /// Its file.
        path: PathBuf,
        /// Smallest integer.
        low: i64,
        /// Largest integer.
        high: i64,
    },
    /// A picture cannot be used.
    #[error("{path}")]
    PeerPicture {
        /// Its file.
        path: PathBuf,
        /// What is wrong with it.
        source: ImageError,
    },
    /// The pixels of a picture are not as many as the contract says; a defect.
    #[error("{path}")]
    DevicePixels {
        /// Its file.
        path: PathBuf,
        /// How many there are.
        source: WrongCount,
    },
    /// Two pictures have one name, by which training would know them.
    #[error("{first} and {second} have the same name")]
    MisuseSameName {
        /// One of them.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// There is nothing to read.
    #[error("no pictures are named, or the folder is empty")]
    MisuseNoPictures,
}

impl PatchesError {
    /// The exit code of the program.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::MisuseSameName { .. } | Self::MisuseNoPictures => 2,
            Self::Io { .. } => 74,
            Self::DevicePixels { .. } => 70,
            _ => 65,
        }
    }
}
