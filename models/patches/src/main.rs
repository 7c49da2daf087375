//! `obscura-patches`: the integers a model reads of many pictures, for training.

use std::{
    error::Error,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::Parser;
use obscura_patches::{Extent, PatchesError, Reader, pictures, write};

/// How often it says how far it is.
const EVERY: Duration = Duration::from_secs(2);

/// Reads pictures as a device does and writes the integers a model reads, int8 `[pictures, patches, 3, patch, patch]`,
/// for numpy, with a list of the pictures beside them.
#[derive(Parser)]
#[command(
    version,
    after_help = "Exit codes: 0 written, 2 usage, 65 the contract or a picture is unusable, 70 internal, 74 a file cannot \
                  be read or written. Unless all goes well nothing is written."
)]
struct Arguments {
    /// The model's input contract.
    #[arg(long)]
    contract: PathBuf,
    /// The .npy file; the list gets the same name with .json.
    #[arg(long)]
    out: PathBuf,
    /// Write the whole resized square, int8 `[pictures, 3, side, side]`, out of which training cuts shifted patches; then
    /// pictures need as many pixels as it has.
    #[arg(long)]
    whole: bool,
    /// A text file with the path of a picture on each line, relative to its own folder.
    #[arg(long)]
    list: Option<PathBuf>,
    /// Pictures, or folders of nothing but pictures.
    #[arg(required_unless_present = "list")]
    pictures: Vec<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut text = error.to_string();
            let mut source = error.source();
            while let Some(cause) = source {
                text = format!("{text}: {cause}");
                source = cause.source();
            }
            eprintln!("obscura-patches: {text}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), PatchesError> {
    let extent = if arguments.whole {
        Extent::Whole
    } else {
        Extent::Patches
    };
    let reader = Reader::new(&arguments.contract, extent)?;
    let pictures = pictures(&arguments.pictures, arguments.list.as_deref())?;
    let mut said = Instant::now();
    let written = write(&reader, &pictures, &arguments.out, &mut |done| {
        if said.elapsed() >= EVERY {
            said = Instant::now();
            eprintln!("pictures: {done} of {}", pictures.len());
        }
    })?;
    eprintln!(
        "written: {} and {}, {} pictures",
        written.integers.display(),
        written.list.display(),
        pictures.len()
    );
    Ok(())
}
