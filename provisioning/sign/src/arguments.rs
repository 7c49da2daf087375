//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use obscura_bundle::{DEFAULT_MAX_COUNTER, manifest::ANY_HARDWARE};
use obscura_protocol::identity::PublicKey;
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
    /// Draft the root that follows another one: keys added, dropped, revoked, limits raised. Nobody has signed it yet.
    Next(NextArguments),
    /// Sign a change of root with keys that are here, or carry it to and from a key that stays on another machine.
    Sign(SignArguments),
    /// Check a change of root against the root it follows and write the new root document.
    #[command(after_help = EXIT_CODES)]
    Accept {
        /// The change, signed by the thresholds of both roots.
        change: PathBuf,
        /// The root document it follows.
        #[arg(long)]
        root: PathBuf,
        /// Where the new root document goes. Never replaces a file.
        #[arg(long)]
        out: PathBuf,
    },
    /// Print version, fingerprint, keys, limits and threshold of a root document or of a change of root.
    #[command(after_help = EXIT_CODES)]
    Show {
        /// The root document, or the change.
        root: PathBuf,
    },
}

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct NextArguments {
    /// The root document that is in force now.
    #[arg(long)]
    pub(crate) root: PathBuf,
    /// Where the change goes, `*.obr` for a box to take it. Never replaces a file.
    #[arg(long)]
    pub(crate) out: PathBuf,
    /// Public key to add, 64 hexadecimal digits; give it once for each.
    #[arg(long, value_name = "PUBLIC_KEY")]
    pub(crate) add: Vec<PublicKey>,
    /// Public key to leave out; a later root may list it again.
    #[arg(long, value_name = "PUBLIC_KEY")]
    pub(crate) drop: Vec<PublicKey>,
    /// Public key to leave out for ever, because it was stolen or lost.
    #[arg(long, value_name = "PUBLIC_KEY")]
    pub(crate) revoke: Vec<PublicKey>,
    /// Signatures of different keys a bundle needs (default: as before).
    #[arg(long)]
    pub(crate) threshold: Option<u8>,
    /// Highest security counter every key may sign (default: as before, 1000 for keys that are added).
    #[arg(long)]
    pub(crate) max_counter: Option<u32>,
    /// Highest security counter one key may sign, as PUBLIC_KEY=COUNTER.
    #[arg(long, value_name = "PUBLIC_KEY=COUNTER", value_parser = key_limit)]
    pub(crate) limit: Vec<(PublicKey, u32)>,
}

fn key_limit(text: &str) -> Result<(PublicKey, u32), String> {
    let (key, counter) = text.split_once('=').ok_or("not of the form PUBLIC_KEY=COUNTER")?;
    let key = key.parse().map_err(|error| format!("{error}"))?;
    let counter = counter.parse().map_err(|error| format!("{error}"))?;
    Ok((key, counter))
}

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct SignArguments {
    /// The change of root; signatures are added to this file.
    pub(crate) change: PathBuf,
    /// Signing key that is here; give it once for each.
    #[arg(long)]
    pub(crate) key: Vec<PathBuf>,
    /// Write the exact bytes a key elsewhere must sign with Ed25519 to this file. Never replaces a file.
    #[arg(long, value_name = "FILE")]
    pub(crate) export: Option<PathBuf>,
    /// Take in the 64 bytes of such a signature from this file.
    #[arg(long, value_name = "FILE", requires = "public_key")]
    pub(crate) import: Option<PathBuf>,
    /// Public key that made the signature to take in.
    #[arg(long, requires = "import")]
    pub(crate) public_key: Option<PublicKey>,
    #[command(flatten)]
    pub(crate) password: PasswordArguments,
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
    /// Highest security counter a key may sign; a later root can raise it. Bounds what a stolen key can do to the
    /// rollback floor of boxes.
    #[arg(long, default_value_t = DEFAULT_MAX_COUNTER)]
    pub(crate) max_counter: u32,
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
    /// Boxes the model is for: `any` or the hardware id of their configuration.
    #[arg(long, default_value = ANY_HARDWARE)]
    pub(crate) hardware: String,
    /// Highest protocol version of a program that may run the model (default: none is too new).
    #[arg(long, default_value_t = u16::MAX, hide_default_value = true)]
    pub(crate) max_protocol: u16,
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
