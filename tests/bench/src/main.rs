//! `obscura-bench`: measures the engine. `record`: one encrypted record beside tfhe's own integers;
//! `engine`: look-ups beside tfhe's own calls. `vgg11-patch`: whole patches through the stand-in network.
//!
//! Prints one flat JSON object of numbers on standard output and progress on standard error; `cargo xtask
//! bench NAME` shows the table. Both sides of a comparison have the same compiler settings and cores. tfhe
//! runs in a process of its own, so that what we fix in ours (the transform plan) is not fixed for it.

mod engine;
mod error;
mod record;
mod report;
mod standin;
mod timing;
mod vgg11;

use std::process::ExitCode;

use error::BenchError;

const USAGE: &str = "obscura-bench record | engine | vgg11-patch [options]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(text) => match std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::from(70),
        },
        Err(error) => {
            eprintln!("obscura-bench: {error}");
            ExitCode::from(if matches!(error, BenchError::Usage { .. }) {
                2
            } else {
                70
            })
        }
    }
}

fn run(arguments: &[String]) -> Result<String, BenchError> {
    match arguments.split_first().map(|(verb, rest)| (verb.as_str(), rest)) {
        Some(("record", [])) => Ok(record::measure()?.into_json()),
        Some(("engine", [])) => Ok(engine::measure()?.into_json()),
        Some((engine::RIVAL, sizes)) => engine::serve(sizes),
        Some(("vgg11-patch", options)) => Ok(vgg11::measure(&vgg11::Options::parse(options)?)?.into_json()),
        Some((vgg11::SERVER, arguments)) => vgg11::serve(arguments),
        _ => Err(BenchError::Usage { usage: USAGE }),
    }
}
