//! `obscura-box-compute`: wires configuration, engine and sockets. Started by `obscura-box`.

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use obscura_compute::{
    adapters::{SocketTrust, SteadyClock, TfheEngine, load, serve},
    application::Service,
};
use obscura_local::{
    Listener,
    appliance::{COMPUTE_SOCKET, MAX_FRAME_BYTES, TRUST_SOCKET},
};
use obscura_process::{exit, on_end_of_input, start_log};

/// The box's blind evaluator: runs verified models on encrypted items. Started by obscura-box; ends when
/// its standard input does.
#[derive(Parser)]
#[command(version, after_help = exit::HELP)]
struct Arguments {
    /// The box's configuration file.
    #[arg(long)]
    config: PathBuf,
    /// Check the configuration and end.
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
            tracing::error!(error = error.as_ref(), "compute cannot run");
            ExitCode::from(code)
        }
    }
}

type Failure = (u8, Box<dyn std::error::Error>);

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let setup = load(&arguments.config).map_err(|error| (exit::CONFIG, error.into()))?;
    let internal = |error: Box<dyn std::error::Error>| (exit::INTERNAL, error);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(setup.threads);
    pool.build_global().map_err(|error| internal(error.into()))?;
    if arguments.check {
        tracing::info!(
            threads = rayon::current_num_threads(),
            key_cache_mib = setup.limits.key_cache_bytes >> 20,
            memory_mib = setup.limits.memory_bytes >> 20,
            "compute configuration is valid"
        );
        return Ok(());
    }
    on_end_of_input(|| std::process::exit(0)).map_err(|error| internal(error.into()))?;
    let trust = SocketTrust::new(setup.runtime_dir.join(TRUST_SOCKET));
    let service = Service::start(TfheEngine, trust, Box::new(SteadyClock::new()), setup.limits);
    let mut service = service.map_err(|error| internal(error.into()))?;
    let socket = setup.runtime_dir.join(COMPUTE_SOCKET);
    let listener = Listener::bind(&socket, MAX_FRAME_BYTES).map_err(|error| internal(error.into()))?;
    tracing::info!(socket = %socket.display(), "compute serves");
    serve(&listener, &mut service).map_err(|error| internal(error.into()))
}
