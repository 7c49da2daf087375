//! The link process: `obscura-agent` starts it with a connected socket as standard input.

use std::{os::fd::AsFd, os::unix::net::UnixStream, path::PathBuf, process::ExitCode};

use clap::Parser;
use obscura_link::adapters::{config::LinkConfig, process};
use obscura_local::{Channel, agent::MAX_FRAME_BYTES};
use tracing_subscriber::EnvFilter;

/// Carries encrypted jobs to the box; started by obscura-agent, not by hand.
///
/// Exit codes: 0 ok, 2 usage or configuration, 70 internal.
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
    let config = match LinkConfig::read(&arguments.config) {
        Ok(config) => config,
        Err(error) => return fail(&error, 2),
    };
    let Ok(socket) = std::io::stdin().as_fd().try_clone_to_owned() else {
        tracing::error!("standard input is not a socket; this program is started by obscura-agent");
        return ExitCode::from(2);
    };
    let channel = Channel::new(UnixStream::from(socket), MAX_FRAME_BYTES);
    match process::run(config, channel) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error @ process::ProcessError::Carrier(_)) => fail(&error, 2),
        Err(error) => fail(&error, 70),
    }
}

fn fail(error: &dyn std::error::Error, code: u8) -> ExitCode {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    tracing::error!("{text}");
    ExitCode::from(code)
}
