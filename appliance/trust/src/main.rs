//! `obscura-box-trust`: wires configuration, model folder and socket. Started by `obscura-box`.

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use obscura_local::{
    Listener,
    appliance::{MAX_FRAME_BYTES, TRUST_SOCKET},
};
use obscura_process::{exit, on_end_of_input, start_log};
use obscura_trust::{
    adapters::{FolderBundles, Setup, SetupError, load, serve},
    application::{Service, boot, take_in},
};

/// The box's trust process: verifies signed models, signs receipts. Started by obscura-box; ends when its
/// standard input does.
#[derive(Parser)]
#[command(version, after_help = exit::HELP)]
struct Arguments {
    /// The box's configuration file.
    #[arg(long)]
    config: PathBuf,
    /// Verify configuration, keys and bundles, say what would be offered, and end.
    #[arg(long)]
    check: bool,
    /// Log level (error, warn, info, debug, trace) or a filter per module.
    #[arg(long, env = "OBSCURA_LOG", default_value = "info")]
    log: String,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    start_log(&arguments.log);
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, error)) => {
            tracing::error!(error = error.as_ref(), "trust cannot run");
            ExitCode::from(code)
        }
    }
}

type Failure = (u8, Box<dyn std::error::Error>);

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let setup = load(&arguments.config).map_err(|error| {
        let code = match &error {
            SetupError::TrustRoot { .. } => exit::TRUST,
            _ => exit::CONFIG,
        };
        (code, error.into())
    })?;
    let Setup {
        box_name,
        runtime_dir,
        model_dir,
        incoming_dir,
        root,
        receipt_key,
    } = setup;
    let models = FolderBundles::new(model_dir);
    if !arguments.check {
        take_in(&FolderBundles::new(incoming_dir), &models, &root);
    }
    let shelf = boot(&models, &root).map_err(|error| (exit::CONFIG, error.into()))?;
    if arguments.check {
        return Ok(());
    }
    let internal = |error: Box<dyn std::error::Error>| (exit::INTERNAL, error);
    on_end_of_input(|| std::process::exit(0)).map_err(|error| internal(error.into()))?;
    let socket = runtime_dir.join(TRUST_SOCKET);
    let listener = Listener::bind(&socket, MAX_FRAME_BYTES).map_err(|error| internal(error.into()))?;
    tracing::info!(socket = %socket.display(), "trust serves");
    serve(&listener, &Service::new(shelf, receipt_key, box_name)).map_err(|error| internal(error.into()))
}
