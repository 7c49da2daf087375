//! `obscura-box`: starts gate, compute and trust, keeps them alive, ends them together.
//!
//! Holds no key and opens no socket. The three are separate programs, so that what each may touch can be
//! read from what it is built of.

mod config;
mod restart;
mod supervise;

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    sync::mpsc,
    thread,
};

use clap::{Parser, Subcommand};
use obscura_process::{NetworkError, exit, forbid_network, start_log};
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};

use crate::{
    config::{Setup, SetupError, claim, load},
    supervise::{Notice, Role, SuperviseError, supervise},
};

/// In the order they are started: each needs the one before it.
const ROLES: [(&str, &str); 3] = [
    ("trust", "obscura-box-trust"),
    ("compute", "obscura-box-compute"),
    ("gate", "obscura-box-gate"),
];

/// The Obscura box: computes on encrypted records it cannot read.
#[derive(Parser)]
#[command(version, after_help = exit::HELP)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
    /// Log level (error, warn, info, debug, trace) or a filter per module.
    #[arg(long, global = true, env = "OBSCURA_LOG", default_value = "info")]
    log: String,
}

#[derive(Subcommand)]
enum Verb {
    /// Run the box until it is asked to end (SIGTERM or Ctrl-C).
    ///
    /// While the box serves, the file `ready` exists in its runtime folder.
    Run(ConfigArgument),
    /// Check the configuration, every file it names and the model bundles; say what would run.
    Check(ConfigArgument),
}

#[derive(clap::Args)]
struct ConfigArgument {
    /// The box's configuration file; paths in it are relative to its folder.
    #[arg(long)]
    config: PathBuf,
}

/// Why the box ends with a failure.
#[derive(Debug, thiserror::Error)]
enum BoxError {
    #[error(transparent)]
    Setup(#[from] SetupError),
    #[error(transparent)]
    Supervise(#[from] SuperviseError),
    #[error("{name} refuses this configuration; see its message above")]
    CheckRefused { name: &'static str, code: u8 },
    #[error("the network cannot be given up, as a box with a cable only must")]
    Network(#[from] NetworkError),
    #[error("the machine failed")]
    Device(#[from] std::io::Error),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    start_log(&arguments.log);
    let done = match &arguments.verb {
        Verb::Run(ConfigArgument { config }) => run(config, &arguments.log),
        Verb::Check(ConfigArgument { config }) => check(config, &arguments.log),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the box cannot run");
            ExitCode::from(code(&error))
        }
    }
}

fn code(error: &BoxError) -> u8 {
    match error {
        BoxError::Setup(_) => exit::CONFIG,
        BoxError::Supervise(SuperviseError::ConfigRefused { code, .. })
        | BoxError::CheckRefused { code, .. } => *code,
        BoxError::Supervise(SuperviseError::DeviceStart { .. })
        | BoxError::Network(_)
        | BoxError::Device(_) => exit::INTERNAL,
    }
}

/// The three programs, found beside this one.
fn roles(config: &Path, log: &str) -> std::io::Result<Vec<Role>> {
    let own = std::env::current_exe()?;
    let role = |(name, program): (&'static str, &str)| Role {
        name,
        program: own.with_file_name(program),
        arguments: vec!["--config".into(), config.into(), "--log".into(), log.into()],
    };
    Ok(ROLES.into_iter().map(role).collect())
}

fn run(config: &Path, log: &str) -> Result<(), BoxError> {
    let Setup {
        name,
        runtime_dir,
        has_network,
    } = load(config)?;
    if !has_network {
        // The three processes inherit it.
        forbid_network()?;
        tracing::info!("serial only: the network is given up");
    }
    let _claim = claim(&runtime_dir)?;
    let (own, notices) = mpsc::channel();
    let stop = own.clone();
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            tracing::info!(signal, "the box was asked to end");
            if stop.send(Notice::Stop).is_err() {
                return;
            }
        }
    })?;
    tracing::info!(%name, runtime_dir = %runtime_dir.display(), "box starts");
    supervise(roles(config, log)?, &[exit::CONFIG, exit::TRUST], &own, &notices)?;
    tracing::info!("box ended");
    Ok(())
}

fn check(config: &Path, log: &str) -> Result<(), BoxError> {
    let Setup {
        name, runtime_dir, ..
    } = load(config)?;
    let mut out = std::io::stdout();
    writeln!(out, "box {name}, runtime folder {}", runtime_dir.display())?;
    let mut refused = None;
    for role in roles(config, log)? {
        let status = Command::new(&role.program)
            .args(&role.arguments)
            .arg("--check")
            .status()
            .map_err(|source| SuperviseError::DeviceStart {
                name: role.name,
                program: role.program.clone(),
                source,
            })?;
        let (name, program) = (role.name, role.program.display());
        if status.success() {
            writeln!(out, "{name}: would run {program}")?;
            continue;
        }
        writeln!(out, "{name}: would not run, see its message")?;
        let code = status.code().and_then(|code| u8::try_from(code).ok());
        let code = code.unwrap_or(exit::INTERNAL);
        refused = refused.or(Some(BoxError::CheckRefused { name, code }));
    }
    refused.map_or(Ok(()), Err)
}
