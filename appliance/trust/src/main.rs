//! `obscura-box-trust`: wires configuration, model folder and socket. Started by `obscura-box`.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser;
use obscura_local::{
    Listener,
    appliance::{MAX_FRAME_BYTES, TRUST_SOCKET},
};
use obscura_process::{exit, on_end_of_input, start_log};
use obscura_trust::{
    adapters::{
        FileFloors, Floor, FolderInbox, FolderRoots, FolderSlots, FsDisk, Setup, SetupError, UntouchedFloors,
        load, serve,
    },
    application::{Models, Origin, Service, StartError, Stores},
    ports::{FloorError, FloorStore},
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
    if arguments.check {
        return check(&setup);
    }
    let internal = |error: Box<dyn std::error::Error>| (exit::INTERNAL, error);
    let models = start(&setup)?;
    on_end_of_input(|| std::process::exit(0)).map_err(|error| internal(error.into()))?;
    let socket = setup.runtime_dir.join(TRUST_SOCKET);
    let listener = Listener::bind(&socket, MAX_FRAME_BYTES).map_err(|error| internal(error.into()))?;
    tracing::info!(socket = %socket.display(), "trust serves");
    let mut service = Service::new(models, setup.receipt_key, setup.box_name);
    serve(&listener, &mut service).map_err(|error| internal(error.into()))
}

/// Takes in what waits, then offers what may run.
fn start(setup: &Setup) -> Result<Models, Failure> {
    let floors = floors(setup);
    floors.begin().map_err(|error| refused(error.into()))?;
    let mut models = open(setup, Box::new(floors))?;
    models.take_in(&inbox(&setup.incoming_dir), Origin::Carrier);
    models.take_in(&inbox(&setup.model_dir), Origin::Hand);
    models.boot().map_err(refused)?;
    tracing::info!(floor = ?models.floor_kind(), "rollback floors are enforced");
    Ok(models)
}

/// Says what a start would find, and changes nothing.
fn check(setup: &Setup) -> Result<(), Failure> {
    let floors = floors(setup);
    let first = floors
        .is_first_start()
        .map_err(|error| refused(FloorError::from(error).into()))?;
    let floors: Box<dyn FloorStore> = if first {
        Box::new(UntouchedFloors)
    } else {
        Box::new(floors)
    };
    let models = open(setup, floors)?;
    models.look_over_slots();
    models.look_over(&inbox(&setup.model_dir));
    Ok(())
}

fn open(setup: &Setup, floors: Box<dyn FloorStore>) -> Result<Models, Failure> {
    let stores = Stores {
        floors,
        roots: Box::new(FolderRoots::new(FsDisk, &setup.state_dir)),
        slots: Box::new(FolderSlots::new(FsDisk, &setup.state_dir)),
    };
    Models::start(stores, &setup.root, setup.hardware.clone()).map_err(refused)
}

fn floors(setup: &Setup) -> FileFloors<FsDisk> {
    match setup.floor {
        Floor::Weak => {
            tracing::warn!(
                "rollback floors are weak: kept in a file, which whoever holds the disk can restore"
            );
            FileFloors::new(FsDisk, &setup.state_dir)
        }
    }
}

fn inbox(folder: &Path) -> FolderInbox<FsDisk> {
    FolderInbox::new(FsDisk, folder.to_owned())
}

fn refused(error: StartError) -> Failure {
    let code = if error.is_tampering() {
        exit::TRUST
    } else {
        exit::INTERNAL
    };
    (code, error.into())
}
