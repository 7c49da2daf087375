//! Why a verb failed, in the words its user reads.

use std::{io, path::PathBuf};

use obscura_circuit::CircuitError;
use obscura_system_tests::HarnessError;

/// Why a verb failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum TaskError {
    /// There is no benchmark or campaign of that name.
    #[error("{}available for `{verb}`: {available}", unknown(.name))]
    NoSuchName {
        /// The verb.
        verb: &'static str,
        /// What was asked for.
        name: String,
        /// What there is.
        available: &'static str,
    },
    /// An option was given that this model's training does not have.
    #[error("training {model} keeps no checkpoints: --work is for derm-vgg11")]
    NoWorkFolder {
        /// The model.
        model: String,
    },
    /// A command could not be started.
    #[error("{program} does not start: {source}")]
    NoStart {
        /// The program.
        program: String,
        /// The operating system's error.
        source: io::Error,
    },
    /// A command failed; it has said why.
    #[error("failed: {command}")]
    Failed {
        /// The command line.
        command: String,
    },
    /// Something must be installed and we may not.
    #[error(
        "{packages} must be installed, and this user may not: run as root, or: apt-get install {packages}"
    )]
    CannotInstall {
        /// Debian packages.
        packages: String,
    },
    /// There is no usable Python.
    #[error("no Python 3.11 or newer with the modules venv and ensurepip was found")]
    NoPython,
    /// The tests changed the tree.
    #[error("the tree is not as it was before the tests:\n{changes}")]
    TreeChanged {
        /// What `git status` says now.
        changes: String,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// A program said something unexpected.
    #[error("{program} gave no usable report")]
    BadReport {
        /// The program.
        program: &'static str,
    },
    /// A record came out differently from the plaintext reference.
    #[error("{record} differs from its plaintext reference")]
    WrongResult {
        /// Which record.
        record: String,
    },
    /// A shipped model's circuit cannot be read.
    #[error("{model}: {source}")]
    BadModel {
        /// The model.
        model: &'static str,
        /// What is wrong with it.
        source: CircuitError,
    },
    /// Training made other bytes than those that ship.
    #[error("training again gives another payload: {files}")]
    PayloadDiffers {
        /// Names of the files that differ.
        files: String,
    },
    /// The throw-away site failed.
    #[error(transparent)]
    Site(#[from] HarnessError),
}

impl TaskError {
    /// The exit code of this failure.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::NoSuchName { .. } | Self::NoWorkFolder { .. } => 2,
            Self::Site(HarnessError::Interrupted) => 130,
            _ => 1,
        }
    }
}

fn unknown(name: &str) -> String {
    if name.is_empty() {
        String::new()
    } else {
        format!("there is no `{name}`; ")
    }
}
