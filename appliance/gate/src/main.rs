//! `obscura-box-gate`: wires configuration and loop. Started by `obscura-box`.

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use obscura_gate::adapters::{RunError, load, run};
use obscura_process::{exit, forbid_network, start_log};

/// The box's network face: takes messages of the site's devices and answers them. Started by obscura-box;
/// ends when its standard input does.
#[derive(Parser)]
#[command(version, after_help = exit::HELP)]
struct Arguments {
    /// The box's configuration file.
    #[arg(long)]
    config: PathBuf,
    /// Check the configuration and the files it names, and end.
    #[arg(long)]
    check: bool,
    /// Log level (error, warn, info, debug, trace) or a filter per module.
    #[arg(long, env = "OBSCURA_LOG", default_value = "info")]
    log: String,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    start_log(&arguments.log);
    match start(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, error)) => {
            tracing::error!(error = error.as_ref(), "gate cannot run");
            ExitCode::from(code)
        }
    }
}

type Failure = (u8, Box<dyn std::error::Error>);

fn start(arguments: &Arguments) -> Result<(), Failure> {
    let setup = load(&arguments.config).map_err(|error| (exit::CONFIG, error.into()))?;
    if arguments.check {
        tracing::info!(
            carriers = ?setup.carriers,
            devices = setup.settings.roster.0.len(),
            store_quota_mib = setup.settings.store_quota_bytes >> 20,
            "gate configuration is valid"
        );
        return Ok(());
    }
    if !setup.has_network() {
        // Before any thread starts: none can open a network socket.
        forbid_network().map_err(|error| (exit::INTERNAL, error.into()))?;
    }
    run(setup).map_err(|error| {
        let code = match &error {
            RunError::ConfigCarrier(_) => exit::CONFIG,
            _ => exit::INTERNAL,
        };
        (code, error.into())
    })
}
