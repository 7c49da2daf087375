//! `obscura-bench-transport`: what the carriers and the gate do in a second, and what a hostile device costs
//! the others.
//!
//! The gate's process, Mosquitto, pseudo-terminals, certificates and the session layers of both ends are those
//! that ship; only compute is a stand-in that answers at once, so that it hides nothing of the transport.
//! Prints one flat JSON object of numbers on standard output and progress on standard error; `cargo xtask bench
//! transport` shows the table. Arguments name the parts to measure (load, hostile, fair); without any, all.

mod cable;
mod compute;
mod device;
mod error;
mod fair;
mod flood;
mod line;
mod load;
mod report;
mod site;

use std::process::ExitCode;

use error::BenchError;
use report::Report;
use site::Place;

/// Devices of the site.
const DEVICES: usize = 200;

fn main() -> ExitCode {
    let stages: Vec<String> = std::env::args().skip(1).collect();
    let text = match measure(&stages) {
        Ok(report) => report.into_json() + "\n",
        Err(error) => {
            eprintln!("obscura-bench-transport: {error}");
            return ExitCode::from(70);
        }
    };
    match std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(70),
    }
}

fn measure(stages: &[String]) -> Result<Report, BenchError> {
    let wanted = |stage: &str| stages.is_empty() || stages.iter().any(|known| known == stage);
    let devices = if wanted("fair") { DEVICES } else { load::DEVICES };
    let mut report = Report::default();
    eprintln!("Enrolling {devices} devices ...");
    let place = Place::make(devices)?;
    report.put("enrol_s", place.provisioned.as_secs_f64());
    let measured = all(&place, wanted, &mut report);
    if measured.is_err() {
        eprintln!("{}", place.site.log_tails(15));
    }
    measured?;
    report.count("hostile_refused", place.gate.end()?);
    report.count(
        "cores",
        std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64),
    );
    Ok(report)
}

fn all(place: &Place, wanted: impl Fn(&str) -> bool, report: &mut Report) -> Result<(), BenchError> {
    if wanted("load") {
        eprintln!("The serial carrier ...");
        let overhead = line::measure(place, report)?;
        eprintln!("One device at the broker, one on the cable ...");
        let upload_s = load::throughput(place, report)?;
        line::state(report, overhead, upload_s);
    }
    if wanted("hostile") {
        eprintln!("One device alone, and beside one that floods ...");
        load::latency(place, report)?;
    }
    if wanted("fair") {
        eprintln!("{DEVICES} devices that always wait ...");
        fair::measure(place, DEVICES, report)?;
    }
    Ok(())
}
