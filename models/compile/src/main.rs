//! `obscura-compile`: chooses the cryptographic parameters of a payload and says why.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser;
use obscura_circuit::Circuit;
use obscura_compile::{Calibration, CompileError, Settings, choose, report};

/// Chooses the cheapest secure parameters under which a circuit's decisions survive the noise of encrypted
/// evaluation, and writes them into its payload.
#[derive(Parser)]
#[command(
    version,
    after_help = "Exit codes: 0 written, 2 usage, 3 no parameters fit the circuit and the bound, 65 a file is unusable, 74 \
                  a file cannot be read or written."
)]
struct Arguments {
    /// Folder with circuit.json and weights.safetensors; parameters.json is written there. parameters.md is written there
    /// too, but beside a folder named payload, whose files are signed.
    payload: PathBuf,
    /// Calibration samples: a safetensors file whose tensor `inputs` or `patches` has one row of quantised inputs per sample.
    #[arg(long)]
    calibration: PathBuf,
    /// Largest share of decisions that noise may change, as a mean over the draws.
    #[arg(long, default_value_t = 0.05, value_parser = share)]
    bound: f64,
    /// Calibration samples to use, from the first.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    samples: u32,
    /// Noise draws per sample.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=1000))]
    draws: u32,
    /// Seed of the draws.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Name of the parameter set; by default the folder's, or that of the folder around one named payload.
    #[arg(long)]
    name: Option<String>,
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if share > 0.0 && share < 1.0 => Ok(share),
        _ => Err("a share above 0 and below 1 is needed, such as 0.05".to_owned()),
    }
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut text = error.to_string();
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                text = format!("{text}: {cause}");
                source = cause.source();
            }
            eprintln!("obscura-compile: {text}");
            ExitCode::from(match error {
                CompileError::NoTable
                | CompileError::Infeasible(_)
                | CompileError::BoundOutOfReach { .. } => 3,
                CompileError::Io { .. } => 74,
                _ => 65,
            })
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), CompileError> {
    let file = |name: &str| {
        let path = arguments.payload.join(name);
        std::fs::read(&path).map_err(|source| CompileError::Io { path, source })
    };
    let circuit = Circuit::from_parts(&file("circuit.json")?, &file("weights.safetensors")?)?;
    let limit = usize::try_from(arguments.samples).unwrap_or(usize::MAX);
    eprintln!("evaluating the calibration samples in the clear ...");
    let calibration = Calibration::read(&circuit, &arguments.calibration, limit)?;
    let around = folder_around(&arguments.payload);
    let settings = Settings {
        name: arguments.name.clone().unwrap_or_else(|| folder_name(&around)),
        bound: arguments.bound,
        draws: arguments.draws,
        seed: arguments.seed,
    };
    let choice = choose(&circuit, &calibration, &settings, &mut |line| eprintln!("{line}"))?;
    let text = report(&circuit, &calibration, &settings, &choice)?;
    let json = serde_json::to_string_pretty(&choice.candidate.to_json(&settings.name)).unwrap_or_default();
    write(&arguments.payload.join("parameters.json"), &(json + "\n"))?;
    write(&around.join("parameters.md"), &text)?;
    eprintln!(
        "chose n = {} in blocks of {}, k = {}, N = {}, {} levels: {:.2} % of the decisions change, {:.1} bits",
        choice.set.lwe_dimension,
        choice.set.lwe_block,
        choice.set.glwe_dimension,
        choice.set.polynomial_size,
        choice.set.rotation_levels,
        100.0 * choice.changed,
        choice.set.security_bits()
    );
    Ok(())
}

/// Writes beside the file and renames, so that no half of one is left behind.
fn write(path: &Path, text: &str) -> Result<(), CompileError> {
    let io = |source| CompileError::Io {
        path: path.to_owned(),
        source,
    };
    let beside = path.with_extension("new");
    std::fs::write(&beside, text).map_err(io)?;
    std::fs::rename(&beside, path).map_err(io)
}

/// The folder that is named after the model: the payload's own, or the one around a folder named payload.
fn folder_around(payload: &Path) -> PathBuf {
    let path = payload
        .canonicalize()
        .unwrap_or_else(|_unreadable| payload.to_owned());
    match path.parent() {
        Some(parent) if path.ends_with("payload") => parent.to_owned(),
        _ => path,
    }
}

fn folder_name(path: &Path) -> String {
    path.file_name()
        .map_or_else(|| "model".to_owned(), |name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_named_payload_takes_its_name_from_the_one_around_it() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().canonicalize().unwrap();
        let payload = home.join("derm-tiny/payload");
        std::fs::create_dir_all(&payload).unwrap();
        let around = folder_around(&payload);
        assert_eq!(around, home.join("derm-tiny"));
        assert_eq!(folder_name(&around), "derm-tiny");
        assert_eq!(folder_around(&around), around);
    }
}
