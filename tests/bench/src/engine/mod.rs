//! Look-ups, rotations and key switches beside tfhe's own calls at the same sizes and with the same threads.
//!
//! Rounds of both sides alternate, and the fastest of each counts: whoever else uses the machine only ever adds
//! time, and may add half for minutes. Medians of the main figures and how much of the time the machine kept us
//! waiting are reported beside them.

mod baseline;
mod figures;
mod ours;
mod peak;
mod rival;
mod sizes;

pub(crate) use baseline::{RIVAL, serve};

use std::time::{Duration, Instant};

use obscura_fhe_core::ParameterSet;

use figures::Figures;
use ours::Ours;
use rival::Rival;
use sizes::{Levels, Sizes};

use crate::{
    BenchError,
    report::{Report, cores},
    standin::StandIn,
};

/// Rounds of both sides, if time allows.
const ROUNDS: usize = 30;
/// No round begins that would end after this; a quiet machine is done in two minutes.
const TIME: Duration = Duration::from_secs(200);
/// The network whose sizes on the wire are reported, under the parameters chosen for it.
const NETWORK: &str = "derm-vgg11";

/// Measures both sides.
///
/// # Errors
/// [`BenchError`].
pub(crate) fn measure() -> Result<Report, BenchError> {
    let network = StandIn::load(NETWORK)?;
    let set = &StandIn::general()?;
    eprintln!(
        "generating keys of {}, and without its second level ...",
        set.name
    );
    let ours = [Ours::generate(&one_level(set))?, Ours::generate(set)?];
    eprintln!("generating tfhe's keys ...");
    let mut figures = Figures::default();
    let mut rival = Rival::start(&Sizes::of(set))?;
    let start = Instant::now();
    for round in 1..=ROUNDS {
        let so_far = u32::try_from(round - 1).unwrap_or(u32::MAX);
        let one = start.elapsed().checked_div(so_far).unwrap_or_default();
        if start.elapsed() + one > TIME {
            eprintln!("the machine is slow: {so_far} rounds must do");
            break;
        }
        figures.round(&ours, &mut rival)?;
        eprintln!("round {round} of {ROUNDS}: {}", figures.line());
    }
    let mut report = Report::default();
    figures.report(&Sizes::of(set), set.lwe_block, &mut report);
    let security_bits = f64::min(set.security_bits(), network.parameters.security_bits());
    report.put("security_bits", security_bits);
    report.put("keygen_s", ours[1].keygen_s);
    report.count("request_bytes", network.plan.request_bytes());
    report.count("answer_bytes", network.plan.answer_bytes());
    report.count("eval_key_wire_bytes", network.plan.evaluation_key_bytes());
    report.count("eval_key_memory_bytes", ours[1].key_memory_bytes());
    report.count("avx512", usize::from(has_avx512()));
    report.count("cores", cores());
    Ok(report)
}

/// The set with one level of decomposition: too noisy for large networks, enough for narrow ones.
fn one_level(set: &ParameterSet) -> ParameterSet {
    ParameterSet {
        name: format!("{}, one level", set.name),
        rotation_base_log2: Levels::One.base_log2(),
        rotation_levels: 1,
        ..set.clone()
    }
}

#[cfg(target_arch = "x86_64")]
fn has_avx512() -> bool {
    pulp::x86::V4::try_new().is_some()
}

#[cfg(not(target_arch = "x86_64"))]
fn has_avx512() -> bool {
    false
}
