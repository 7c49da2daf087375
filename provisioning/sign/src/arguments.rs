//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use obscura_sealed::PasswordSource;

const EXIT_CODES: &str = "Exit codes: 0 done, 2 usage or files, 3 payload refused, 4 wrong password, \
                          5 signature or root refused, 70 internal.";

/// Makes roots and signs model bundles. Opens no socket.
#[derive(Debug, Parser)]
#[command(version, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make or show a root document: whose signatures a box and a device accept.
    #[command(subcommand)]
    Root(RootCommand),
    /// Check a payload and sign it as a bundle.
    Bundle(BundleArguments),
    /// Verify a bundle against a root and say what is in it.
    #[command(after_help = EXIT_CODES)]
    Inspect {
        /// The bundle file.
        bundle: PathBuf,
        /// The root document that must vouch for it.
        #[arg(long)]
        root: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum RootCommand {
    /// Make signing keys and the root document that lists them.
    New(RootArguments),
    /// Print the fingerprint, the keys and the threshold of a root document.
    #[command(after_help = EXIT_CODES)]
    Show {
        /// The root document.
        root: PathBuf,
    },
}

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct RootArguments {
    /// Where the root document goes; it is public. Never replaces a file.
    #[arg(long)]
    pub(crate) out: PathBuf,
    /// Where the signing key goes, sealed under the password. With several keys, `root.key` becomes
    /// `root-1.key`, `root-2.key` and so on. Never replaces a file.
    #[arg(long)]
    pub(crate) key: PathBuf,
    /// Signatures of different keys a bundle needs.
    #[arg(long, default_value_t = 1)]
    pub(crate) threshold: u8,
    /// Keys to make, 1 to 16, all sealed under the same password.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=16))]
    pub(crate) keys: u8,
    #[command(flatten)]
    pub(crate) password: PasswordArguments,
}

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct BundleArguments {
    /// Folder with circuit.json, weights.safetensors, contract.json, parameters.json, golden.json and
    /// card.md, and nothing else.
    #[arg(long)]
    pub(crate) payload: PathBuf,
    /// Name of the model; the contract must bear it too.
    #[arg(long)]
    pub(crate) model_id: String,
    /// Version for people, for example 0.1.0.
    #[arg(long)]
    pub(crate) version: String,
    /// Security counter: raise it when an older bundle must no longer run.
    #[arg(long)]
    pub(crate) counter: u32,
    /// Signing key; give it once for each key of the threshold.
    #[arg(long, required = true)]
    pub(crate) key: Vec<PathBuf>,
    /// The root document the bundle is for.
    #[arg(long)]
    pub(crate) root: PathBuf,
    /// Where the bundle goes; replaces what is there.
    #[arg(long)]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) password: PasswordArguments,
}

/// Without either, the password is asked for at the terminal.
#[derive(Debug, Args)]
pub(crate) struct PasswordArguments {
    /// Read the password from this open file descriptor.
    #[arg(long, value_name = "N", conflicts_with = "password_file")]
    password_fd: Option<i32>,
    /// Read the password from this file; one line end at its end is not part of it.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

impl PasswordArguments {
    /// Where the password comes from; a typed one is asked for twice when `confirm`.
    pub(crate) fn source(&self, confirm: bool) -> PasswordSource {
        match (&self.password_file, self.password_fd) {
            (Some(path), _) => PasswordSource::File(path.clone()),
            (None, Some(fd)) => PasswordSource::Fd(fd),
            (None, None) => PasswordSource::Prompt { confirm },
        }
    }
}
