//! The vault process: `obscura-agent` starts it with a connected socket as standard input.

use std::{
    os::{fd::AsFd, unix::net::UnixStream},
    path::PathBuf,
    process::ExitCode,
};

use clap::Parser;
use obscura_local::{Channel, agent::MAX_FRAME_BYTES};
use obscura_sealed::Cost;
use obscura_vault::{
    adapters::{
        config::VaultConfig,
        files::{SealedJobs, SealedSecrets},
        key_objects::FileKeyObjects,
        random::SystemRandom,
        scans::SealedScans,
        serve::{chain, serve},
    },
    application::{Ports, Vault},
};
use tracing_subscriber::EnvFilter;

/// Keeps the keys, encrypts records and decrypts answers; started by obscura-agent, not by hand.
///
/// Exit codes: 0 ok, 2 usage or configuration, 5 root or bundle not trusted, 70 internal.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Configuration file of the device.
    #[arg(long)]
    config: PathBuf,
    /// Log filter: error, warn, info, debug, trace.
    #[arg(long, env = "OBSCURA_LOG", default_value = "warn")]
    log: String,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(&arguments.log))
        // Colours are for people: files and pipes get plain text.
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_writer(std::io::stderr)
        .init();
    // No core dump and no debugger of this user sees the keys.
    let hidden = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    if let Err(error) = hidden {
        tracing::warn!(%error, "core dumps of the vault could not be switched off");
    }
    let config = match VaultConfig::read(&arguments.config) {
        Ok(config) => config,
        Err(error) => {
            tracing::error!("{}", chain(&error));
            return ExitCode::from(error.exit_code());
        }
    };
    let Ok(socket) = std::io::stdin().as_fd().try_clone_to_owned() else {
        tracing::error!("standard input is not a socket; this program is started by obscura-agent");
        return ExitCode::from(2);
    };
    let mut channel = Channel::new(UnixStream::from(socket), MAX_FRAME_BYTES);
    let ports = Ports {
        secrets: Box::new(SealedSecrets::new(config.vault_file.clone(), Cost::default())),
        jobs: Box::new(SealedJobs::beside(&config.vault_file)),
        scans: Box::new(SealedScans::beside(&config.vault_file)),
        objects: Box::new(FileKeyObjects::beside(&config.vault_file)),
        model: Box::new(config.model),
        random: Box::new(SystemRandom),
    };
    let mut vault = Vault::new(config.enrolment, ports);
    match serve(&mut vault, &mut channel) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{}", chain(&error));
            ExitCode::from(70)
        }
    }
}
