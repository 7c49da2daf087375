//! Everything that ends the command, with its exit code and what to do about it.

use std::{io, path::PathBuf};

use obscura_bundle::{BundleError, RecordError, RootError};
use obscura_local::{
    ChannelError,
    agent::{Problem, VaultFault},
};
use obscura_protocol::{
    identity::{Digest, NameError},
    message::Refusal,
};
use obscura_sealed::PasswordError;

/// Why the command ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum CliError {
    #[error("--config: cannot read {}", path.display())]
    ConfigFile { path: PathBuf, source: io::Error },
    #[error("{} is not a valid configuration", path.display())]
    ConfigToml {
        path: PathBuf,
        source: Box<toml::de::Error>,
    },
    #[error("{option} in {} is not valid", path.display())]
    ConfigValue {
        option: &'static str,
        path: PathBuf,
        source: NameError,
    },
    #[error("vault.root: cannot read {}", path.display())]
    ConfigRoot { path: PathBuf, source: io::Error },
    #[error("cannot read {}", path.display())]
    ConfigModel { path: PathBuf, source: io::Error },
    #[error("the root document has fingerprint {got:.16}, this device trusts {want:.16} only")]
    PeerForeignRoot { got: Digest, want: Digest },
    #[error("the root document cannot be used")]
    PeerRoot(#[from] RootError),
    #[error("{} is no model this device trusts; nothing was sent", path.display())]
    PeerModel { path: PathBuf, source: BundleError },
    #[error(
        "{box_name} is too old to take models: it speaks protocol version {speaks}, {needs} is needed; \
         put the model into its models folder instead"
    )]
    BoxTooOld {
        box_name: String,
        speaks: u16,
        needs: u16,
    },
    #[error("--input: cannot read {}", path.display())]
    ConfigInput { path: PathBuf, source: io::Error },
    #[error(
        "--input: {} is neither a JSON object of fields nor a list of objects with \"name\" and \"record\" (line {line}, column {column})",
        path.display()
    )]
    DeviceList {
        path: PathBuf,
        line: usize,
        column: usize,
    },
    #[error("--input: {}", path.display())]
    DeviceRecord { path: PathBuf, source: RecordError },
    #[error("cannot read {}", path.display())]
    ConfigImage { path: PathBuf, source: io::Error },
    #[error("{}: {text}", path.display())]
    DeviceImage { path: PathBuf, text: String },
    #[error("--pictures: {} cannot be used", path.display())]
    ConfigPictures { path: PathBuf, source: io::Error },
    #[error("{} cannot be written", path.display())]
    Picture { path: PathBuf, source: io::Error },
    #[error("{text}")]
    Drawing { text: String },
    #[error("{}", bad_images(.0))]
    DeviceBadImages(Vec<(PathBuf, String)>),
    #[error("this device's model reads {reads}: use `obscura-agent {use_instead}`")]
    ConfigOtherModel {
        reads: &'static str,
        use_instead: &'static str,
    },
    #[error("no record: give --input or --field, or run at a terminal to be asked")]
    ConfigNoRecord,
    #[error(transparent)]
    ConfigPassword(#[from] PasswordError),
    #[error("the terminal cannot be used")]
    DeviceTerminal(#[source] io::Error),
    #[error("{}", bad_records(.0))]
    DeviceBadRecords(Vec<(String, Vec<Problem>)>),
    #[error("{text}{}", advice(*.fault))]
    Vault { fault: VaultFault, text: String },
    #[error("the {name} process could not be started from {}", path.display())]
    Start {
        name: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("the {name} process stopped{}", status(*.exit_code))]
    Stopped {
        name: &'static str,
        exit_code: Option<i32>,
    },
    #[error("the {name} process speaks another version of the local protocol")]
    Unexpected { name: &'static str },
    #[error("the conversation with the {name} process failed")]
    Channel {
        name: &'static str,
        source: ChannelError,
    },
    #[error("{what}: nothing has moved for {waited_s} s. {kept}")]
    Unreachable {
        what: String,
        waited_s: u64,
        kept: String,
    },
    #[error("the box refused: {code}{}", refusal_advice(*.code))]
    Refused { code: Refusal },
    #[error("{failed} of {of} {what} have no result")]
    SomeFailed {
        failed: usize,
        of: usize,
        what: &'static str,
        exit_code: u8,
    },
    #[error("the result cannot be printed")]
    Output(#[source] io::Error),
}

impl CliError {
    /// The documented exit code.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::ConfigFile { .. }
            | Self::ConfigToml { .. }
            | Self::ConfigInput { .. }
            | Self::ConfigValue { .. }
            | Self::ConfigRoot { .. }
            | Self::ConfigModel { .. }
            | Self::ConfigImage { .. }
            | Self::ConfigPictures { .. }
            | Self::ConfigNoRecord
            | Self::ConfigOtherModel { .. }
            | Self::ConfigPassword(_)
            | Self::DeviceTerminal(_) => 2,
            Self::DeviceList { .. }
            | Self::DeviceRecord { .. }
            | Self::DeviceBadRecords(_)
            | Self::DeviceImage { .. }
            | Self::DeviceBadImages(_) => 3,
            Self::Vault { fault, .. } => match fault {
                VaultFault::VaultExists | VaultFault::OtherKind => 2,
                VaultFault::Locked | VaultFault::WrongPassword | VaultFault::NoVault => 4,
                VaultFault::Trust => 5,
                _ => 70,
            },
            // The process said itself what is wrong with its configuration or its trust.
            Self::Stopped {
                exit_code: Some(code @ (2 | 5)),
                ..
            } => u8::try_from(*code).unwrap_or(70),
            Self::PeerForeignRoot { .. } | Self::PeerRoot(_) | Self::PeerModel { .. } => 5,
            Self::Unreachable { .. } => 6,
            Self::Refused { .. } | Self::BoxTooOld { .. } => 7,
            Self::SomeFailed { exit_code, .. } => *exit_code,
            Self::Start { .. }
            | Self::Stopped { .. }
            | Self::Unexpected { .. }
            | Self::Channel { .. }
            | Self::Picture { .. }
            | Self::Drawing { .. }
            | Self::Output(_) => 70,
        }
    }

    /// Whether what the job is encrypted from or for is not on this device any more.
    pub(crate) fn is_lost_job(&self) -> bool {
        matches!(
            self,
            Self::Vault {
                fault: VaultFault::JobLost,
                ..
            }
        )
    }

    /// Whether the child process has told the user already.
    pub(crate) fn is_told(&self) -> bool {
        matches!(
            self,
            Self::Stopped {
                exit_code: Some(2 | 5),
                ..
            }
        )
    }

    /// The error and its sources in one text.
    pub(crate) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut next = std::error::Error::source(self);
        while let Some(source) = next {
            text = format!("{text}: {}", source.to_string().trim_end());
            next = source.source();
        }
        text
    }
}

fn bad_records(records: &[(String, Vec<Problem>)]) -> String {
    let mut text = "nothing was encrypted, because records do not fit the model's contract:".to_owned();
    for (name, problems) in records {
        for problem in problems {
            text = format!("{text}\n  {name}: {} {}", problem.field, problem.text);
        }
    }
    text
}

fn bad_images(images: &[(PathBuf, String)]) -> String {
    let mut text = "nothing was encrypted, because these files cannot be used:".to_owned();
    for (path, problem) in images {
        text = format!("{text}\n  {}: {problem}", path.display());
    }
    text
}

fn advice(fault: VaultFault) -> &'static str {
    match fault {
        VaultFault::NoVault => "; run `obscura-agent init` first",
        VaultFault::VaultExists => "; it was left as it is (`--new-keys` makes new keys in it)",
        VaultFault::KeysLost => "; `obscura-agent init --new-keys` makes new keys",
        VaultFault::Trust => "; the answer is not shown",
        _ => "",
    }
}

fn refusal_advice(code: Refusal) -> &'static str {
    match code {
        Refusal::UnknownDevice | Refusal::BadSignature => "; this device must be enrolled at the box",
        Refusal::WrongVersion => "; agent and box must be of versions that fit",
        Refusal::UnknownModel => "; device and box must have the same model bundle",
        Refusal::NotAllowed => "; its entry in the box's roster must say may_send_models = true",
        _ => "",
    }
}

fn status(exit_code: Option<i32>) -> String {
    match exit_code {
        Some(code) => format!(" with exit code {code}"),
        None => " unexpectedly; run the command again, records that were sent are kept".to_owned(),
    }
}
