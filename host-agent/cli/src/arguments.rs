//! The command line.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};
use obscura_local::agent::Wanted;
use obscura_protocol::message::Lane;
use obscura_sealed::PasswordSource;

pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0   done
  2   usage or configuration
  3   a record or an image was refused; nothing was encrypted
  4   wrong password, or there is no vault yet
  5   a signature, the model bundle or a receipt is not to be trusted
  6   the broker or the box is unreachable, or did not answer in time; what has no result is kept, see `resume`
  7   the box refused
  70  internal failure";

/// Encrypts records and images on this device, has them read by the box that never sees them, and shows the result.
#[derive(Debug, Parser)]
#[command(name = "obscura-agent", version, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Log filter: error, warn, info, debug, trace.
    #[arg(long, global = true, env = "OBSCURA_LOG", default_value = "warn")]
    pub(crate) log: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make the vault and this device's keys.
    #[command(after_help = EXIT_CODES)]
    Init(InitArguments),
    /// Encrypt records, send them to the box, show what comes back.
    ///
    /// Records come from --input, from --field, or are asked for at the terminal. A device without keys
    /// makes them first.
    #[command(after_help = EXIT_CODES)]
    Record(RecordArguments),
    /// Encrypt images patch by patch, send them to the box, show what the model finds.
    ///
    /// Reads JPEG and PNG files of at least 224 pixels a side; the central square is used. A device without keys makes
    /// them first.
    #[command(after_help = EXIT_CODES)]
    Scan(ScanArguments),
    /// Send again what has no answer yet, after this program or the connection was interrupted.
    #[command(after_help = EXIT_CODES)]
    Resume(ResumeArguments),
    /// Show what the model reads: the fields of a record with units, ranges and codes, or how an image is prepared.
    #[command(after_help = EXIT_CODES)]
    Fields(Common),
    /// Show what this device holds: model, keys, records and images without a result, fingerprints.
    #[command(after_help = EXIT_CODES)]
    Status(StatusArguments),
    /// Seal the vault under another password.
    #[command(after_help = EXIT_CODES)]
    ChangePassword(ChangePasswordArguments),
    /// Have the box forget every evaluation key of this device; it cannot compute for the device until the next
    /// `record` sends them again. Needs no password.
    #[command(after_help = EXIT_CODES)]
    RevokeKeys(RevokeArguments),
    /// Send a signed model to the box, which verifies it once more and uses it from its next start.
    ///
    /// The file is verified on this device first, under the root it trusts. What was interrupted goes on where it
    /// stopped when the command is run again. The model this device works with stays as it is. Needs no password.
    #[command(after_help = EXIT_CODES)]
    SendModel(SendModelArguments),
}

#[derive(Debug, Args)]
pub(crate) struct Common {
    /// Configuration file of the device, as made by obscura-provision.
    #[arg(long, default_value = "agent.toml")]
    pub(crate) config: PathBuf,
    /// Print one JSON document instead of text; ratios and times name their unit.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PasswordArguments {
    /// Read the vault's password from this open file descriptor.
    #[arg(long, value_name = "N", conflicts_with = "password_file")]
    password_fd: Option<i32>,
    /// Read the vault's password from this file. Without either it is asked for at the terminal.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

impl PasswordArguments {
    /// Where the password comes from; typed twice when it is a new one.
    pub(crate) fn source(&self, confirm: bool) -> PasswordSource {
        source(self.password_fd, self.password_file.as_ref(), confirm)
    }
}

fn source(fd: Option<i32>, file: Option<&PathBuf>, confirm: bool) -> PasswordSource {
    match (fd, file) {
        (Some(fd), _) => PasswordSource::Fd(fd),
        (None, Some(path)) => PasswordSource::File(path.clone()),
        (None, None) => PasswordSource::Prompt { confirm },
    }
}

#[derive(Debug, Args)]
pub(crate) struct InitArguments {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(flatten)]
    pub(crate) password: PasswordArguments,
    /// Make new keys in the vault that is there; records without an answer are given up.
    #[arg(long)]
    pub(crate) new_keys: bool,
}

/// What `record`, `scan` and `resume` share.
#[derive(Debug, Args)]
pub(crate) struct Sending {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(flatten)]
    pub(crate) password: PasswordArguments,
    /// Show beside each result what the model says in the clear, computed on this device; with --json
    /// also the exact scores. For demonstrations and tests.
    #[arg(long)]
    pub(crate) with_reference: bool,
    /// Give up waiting when nothing has moved for this many seconds; records are kept.
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=86400))]
    patience_s: u64,
}

impl Sending {
    pub(crate) fn patience(&self) -> Duration {
        Duration::from_secs(self.patience_s)
    }
}

#[derive(Debug, Args)]
pub(crate) struct Soon {
    /// Have the box compute it before the routine work of all devices.
    #[arg(long)]
    urgent: bool,
    /// Have the box give it up when it is not answered within this many seconds.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=604_800))]
    within_s: Option<u32>,
}

impl Soon {
    /// How soon the box is to answer.
    pub(crate) fn wanted(&self) -> Wanted {
        let lane = if self.urgent { Lane::Urgent } else { Lane::Routine };
        Wanted {
            lane,
            within_s: self.within_s,
        }
    }
}

/// What `record` and `scan` share.
#[derive(Debug, Args)]
pub(crate) struct Submitting {
    #[command(flatten)]
    pub(crate) sending: Sending,
    #[command(flatten)]
    pub(crate) soon: Soon,
}

#[derive(Debug, Args)]
pub(crate) struct RecordArguments {
    #[command(flatten)]
    pub(crate) submitting: Submitting,
    /// JSON file: one object of fields, or a list of objects with "name" and "record".
    #[arg(long, value_name = "FILE", conflicts_with = "field")]
    pub(crate) input: Option<PathBuf>,
    /// One field of the record; repeat it. `obscura-agent fields` lists them.
    #[arg(long, value_name = "NAME=VALUE", value_parser = name_and_value)]
    pub(crate) field: Vec<(String, String)>,
}

#[derive(Debug, Args)]
pub(crate) struct ScanArguments {
    #[command(flatten)]
    pub(crate) submitting: Submitting,
    #[command(flatten)]
    pub(crate) keeping: Keeping,
    /// Image files, JPEG or PNG.
    #[arg(required = true, value_name = "IMAGE")]
    pub(crate) images: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ResumeArguments {
    #[command(flatten)]
    pub(crate) sending: Sending,
    #[command(flatten)]
    pub(crate) keeping: Keeping,
}

/// What `scan` and `resume` keep of the results of images.
#[derive(Debug, Args)]
pub(crate) struct Keeping {
    /// Draw each image with its map of classes into this folder, as NAME.result.png; nothing is replaced.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) pictures: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct RevokeArguments {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Give up when the box has not confirmed it after this many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86400))]
    patience_s: u64,
}

impl RevokeArguments {
    pub(crate) fn patience(&self) -> Duration {
        Duration::from_secs(self.patience_s)
    }
}

#[derive(Debug, Args)]
pub(crate) struct SendModelArguments {
    #[command(flatten)]
    pub(crate) common: Common,
    /// The signed model, as made by obscura-sign.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Give up when nothing has moved for this many seconds; what has arrived at the box is kept.
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=86400))]
    patience_s: u64,
}

impl SendModelArguments {
    pub(crate) fn patience(&self) -> Duration {
        Duration::from_secs(self.patience_s)
    }
}

#[derive(Debug, Args)]
pub(crate) struct StatusArguments {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(flatten)]
    pub(crate) password: PasswordArguments,
    /// Show what is visible without the password.
    #[arg(long)]
    pub(crate) locked: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ChangePasswordArguments {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(flatten)]
    pub(crate) password: PasswordArguments,
    /// Read the new password from this open file descriptor.
    #[arg(long, value_name = "N", conflicts_with = "new_password_file")]
    new_password_fd: Option<i32>,
    /// Read the new password from this file. Without either it is asked for at the terminal, twice.
    #[arg(long, value_name = "FILE")]
    new_password_file: Option<PathBuf>,
}

impl ChangePasswordArguments {
    pub(crate) fn new_source(&self) -> PasswordSource {
        source(self.new_password_fd, self.new_password_file.as_ref(), true)
    }
}

impl Command {
    pub(crate) fn common(&self) -> &Common {
        match self {
            Self::Init(arguments) => &arguments.common,
            Self::Record(arguments) => &arguments.submitting.sending.common,
            Self::Scan(arguments) => &arguments.submitting.sending.common,
            Self::Resume(arguments) => &arguments.sending.common,
            Self::Fields(common) => common,
            Self::Status(arguments) => &arguments.common,
            Self::ChangePassword(arguments) => &arguments.common,
            Self::RevokeKeys(arguments) => &arguments.common,
            Self::SendModel(arguments) => &arguments.common,
        }
    }
}

fn name_and_value(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_new_password_is_typed_twice() {
        let parsed = Arguments::parse_from(["obscura-agent", "init"]);
        let Command::Init(init) = parsed.command else {
            panic!()
        };
        assert_eq!(
            init.password.source(true),
            PasswordSource::Prompt { confirm: true }
        );
    }
}
