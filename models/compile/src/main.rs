//! `obscura-compile`: makes a payload of an exporter's folder and says why it is as it is.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser;
use obscura_bundle::{Contract, ImageContract};
use obscura_compile::{
    Calibration, CompileError, Exported, Network, Settings, Sweep, TABLE_BITS, check_layers, json, report,
    sweep, write,
};

/// Chooses the cheapest secure parameters under which a circuit's decisions survive the noise of encrypted
/// evaluation. With --out, chooses the precision of its tables too and writes a complete payload; without, only the
/// parameters, into the folder itself.
#[derive(Parser)]
#[command(
    version,
    after_help = "Exit codes: 0 written, 2 usage, 3 no parameters fit the circuit and the bound, 65 a file is unusable or \
                  contradicts another, 74 a file cannot be read or written."
)]
struct Arguments {
    /// Folder of the exporter: circuit.json and weights.safetensors; with --out also contract.json, golden.json and card.md.
    folder: PathBuf,
    /// Where the complete payload goes. parameters.md and compile.json, which say why, are written there too, but beside a
    /// folder named payload, whose files are signed.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Calibration samples: a safetensors file whose tensor `inputs` or `patches` has one row of quantised inputs per sample;
    /// by default calibration.safetensors of the folder. Tensors `image`, `position` and `labels` say which image a patch is
    /// from, its place and its class: a decision is then that on the whole image.
    #[arg(long)]
    calibration: Option<PathBuf>,
    /// Expected integers of every layer, a safetensors file with a tensor `[samples, ...]` per node of circuit.json; by default
    /// layers.safetensors of the folder, if it is there. Any difference from the integer reference is an error.
    #[arg(long)]
    layers: Option<PathBuf>,
    /// Largest share of decisions that noise and coarser tables may change, as a mean over the draws.
    #[arg(long, default_value_t = 0.05, value_parser = share)]
    bound: f64,
    /// Precisions of tables to try with --out, bits.
    #[arg(long, value_delimiter = ',', default_values_t = TABLE_BITS, value_parser = clap::value_parser!(u32).range(1..=12))]
    table_bits: Vec<u32>,
    /// Decisions to use of the calibration file, from the first: patches, or whole images.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    samples: u32,
    /// Noise draws per sample.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=1000))]
    draws: u32,
    /// Seed of the draws.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Simulate every parameter set that is not beaten in cost and noise, instead of searching among them by halves: slower,
    /// but the report then has the loss of each, and the cheapest is found even where losses do not fall with the noise.
    #[arg(long)]
    every_set: bool,
    /// Name of the parameter set; by default the model's id, or without --out the folder's name, or that of the folder around
    /// one named payload.
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
    let arguments = Arguments::parse();
    let done = match &arguments.out {
        Some(out) => compile(&arguments, out),
        None => parameters(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("obscura-compile: {}", error.chain());
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

/// Exporter's folder to complete payload.
fn compile(arguments: &Arguments, out: &Path) -> Result<(), CompileError> {
    let exported = Exported::read(&arguments.folder)?;
    eprintln!("golden vectors come out");
    let image = exported.image();
    let calibration = calibrate(arguments, &exported.network, image)?;
    // Golden records state entries of the table, so only models of images have their tables changed.
    let bits = image.map_or(&[][..], |_| &arguments.table_bits);
    let name = arguments.name.clone();
    let settings = settings(arguments, name.unwrap_or_else(|| exported.model_id().to_owned()));
    let sweep = sweep(&exported.network, &calibration, &settings, bits, &mut |line| {
        eprintln!("{line}");
    })?;
    let (row, choice) = sweep.chosen().ok_or(CompileError::NoTable)?;
    let files = exported.payload(&row.network, &choice.candidate.to_json(&settings.name))?;
    write(out, files.iter().map(|(name, bytes)| (*name, bytes.as_slice())))?;
    write_reports(&folder_around(out), &calibration, &settings, &sweep)
}

/// Parameters alone, into the folder.
fn parameters(arguments: &Arguments) -> Result<(), CompileError> {
    let folder = &arguments.folder;
    let file = |name: &str| {
        let path = folder.join(name);
        std::fs::read(&path).map_err(|source| CompileError::Io { path, source })
    };
    let network = Network::new(file("circuit.json")?, file("weights.safetensors")?)?;
    let contract = file("contract.json")
        .ok()
        .map(|bytes| Contract::from_json(&bytes))
        .transpose()?;
    let image = contract.as_ref().and_then(Contract::image);
    let calibration = calibrate(arguments, &network, image)?;
    let around = folder_around(folder);
    let name = arguments.name.clone();
    let settings = settings(arguments, name.unwrap_or_else(|| folder_name(&around)));
    let sweep = sweep(&network, &calibration, &settings, &[], &mut |line| {
        eprintln!("{line}");
    })?;
    let (_, choice) = sweep.chosen().ok_or(CompileError::NoTable)?;
    let text = pretty(&choice.candidate.to_json(&settings.name))?;
    write(folder, [("parameters.json", text.as_bytes())])?;
    write_reports(&around, &calibration, &settings, &sweep)
}

/// Checks the layers, where they are given, and reads the calibration samples.
fn calibrate(
    arguments: &Arguments,
    network: &Network,
    image: Option<&ImageContract>,
) -> Result<Calibration, CompileError> {
    let beside = |name: &str| arguments.folder.join(name);
    let layers = arguments.layers.clone().or_else(|| {
        let path = beside("layers.safetensors");
        path.exists().then_some(path)
    });
    if let Some(path) = layers {
        let samples = check_layers(&network.circuit, &network.input_name(), &path)?;
        eprintln!("every layer is bit-exact with the exporter on {samples} samples");
    }
    eprintln!("evaluating the calibration samples in the clear ...");
    let path = arguments.calibration.clone();
    let path = path.unwrap_or_else(|| beside("calibration.safetensors"));
    let limit = usize::try_from(arguments.samples).unwrap_or(usize::MAX);
    Calibration::read(&network.circuit, &path, image, limit)
}

fn settings(arguments: &Arguments, name: String) -> Settings {
    Settings {
        name,
        bound: arguments.bound,
        draws: arguments.draws,
        seed: arguments.seed,
        every_set: arguments.every_set,
    }
}

fn pretty(value: &serde_json::Value) -> Result<String, CompileError> {
    let text = serde_json::to_string_pretty(value).map_err(CompileError::Json)?;
    Ok(text + "\n")
}

/// Says what was chosen, to people and programs.
fn write_reports(
    folder: &Path,
    calibration: &Calibration,
    settings: &Settings,
    sweep: &Sweep,
) -> Result<(), CompileError> {
    let text = report(calibration, settings, sweep)?;
    let programs = pretty(&json(calibration, settings, sweep))?;
    let files = [
        ("parameters.md", text.as_bytes()),
        ("compile.json", programs.as_bytes()),
    ];
    write(folder, files)?;
    if let Some((row, choice)) = sweep.chosen() {
        eprintln!(
            "chose tables {}, n = {} in blocks of {}, k = {}, N = {}, {} levels: {:.2} % of the decisions change, {:.1} bits",
            row.name(),
            choice.set.lwe_dimension,
            choice.set.lwe_block,
            choice.set.glwe_dimension,
            choice.set.polynomial_size,
            choice.set.rotation_levels,
            100.0 * choice.changed,
            choice.set.security_bits()
        );
    }
    Ok(())
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
