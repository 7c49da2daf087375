//! Look-ups, rotations and key switches beside tfhe's own calls at the same sizes and with the same threads.
//!
//! Rounds of both sides alternate and medians are reported, so that a noisy machine hits both.

mod baseline;
mod peak;
mod rival;
mod sizes;

pub(crate) use baseline::{RIVAL, serve};

use rival::Rival;
use sizes::{Levels, Request, Sizes, Work};

use crate::{
    BenchError,
    report::{Report, cores},
    timing::median,
};

/// Rounds of both sides.
const ROUNDS: usize = 15;

/// Measures both sides.
///
/// # Errors
/// [`BenchError`].
pub(crate) fn measure() -> Result<Report, BenchError> {
    let sizes = Sizes {
        polynomial_size: 1024,
        glwe_dimension: 2,
        lwe_dimension: 800,
        key_switch_base_log2: 2,
        key_switch_levels: 8,
        glwe_noise_log2: -48.32,
        lwe_noise_log2: -16.86,
    };
    eprintln!("generating tfhe's keys ...");
    let mut rival = Rival::start(&sizes)?;
    let mut requests = Vec::new();
    for levels in Levels::ALL {
        for work in [Work::LookUp, Work::Batch, Work::KeySwitch] {
            for threads in [1, 2] {
                requests.push(Request {
                    work,
                    levels,
                    threads,
                });
            }
        }
    }
    let mut theirs = vec![Vec::new(); requests.len()];
    let mut peaks = [Vec::new(), Vec::new()];
    for round in 1..=ROUNDS {
        eprintln!("round {round} of {ROUNDS} ...");
        for (request, times) in requests.iter().zip(&mut theirs) {
            times.push(rival.measure(*request)?);
        }
        for (threads, peaks) in (1..).zip(&mut peaks) {
            peaks.push(peak::gflops_per_thread(threads));
        }
    }
    let mut report = Report::default();
    for (request, times) in requests.iter().zip(&mut theirs) {
        report.put(&format!("tfhe {} ms", request.line()), median(times));
    }
    report.put("peak_gflops", median(&mut peaks[0]));
    report.put("peak_gflops_2t", median(&mut peaks[1]));
    report.count("cores", cores());
    Ok(report)
}
