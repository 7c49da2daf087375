//! Look-ups, rotations and key switches beside tfhe's own calls at the same sizes and with the same threads.
//!
//! Rounds of both sides alternate and medians are reported, so that a noisy machine hits both. How much of
//! the time the machine kept us waiting is reported too.

mod baseline;
mod ours;
mod peak;
mod rival;
mod sizes;

pub(crate) use baseline::{RIVAL, serve};

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use obscura_fhe_core::ParameterSet;

use ours::Ours;
use rival::Rival;
use sizes::{Levels, Request, Sizes, Work};

use crate::{
    BenchError,
    report::{Report, cores},
    standin::StandIn,
    timing::{Spent, median},
};

/// Rounds of both sides, if time allows.
const ROUNDS: usize = 15;
/// No round begins that would end after this; a quiet machine is done in a minute.
const TIME: Duration = Duration::from_secs(200);
/// The network whose sizes are reported.
const NETWORK: &str = "derm-vgg11";

/// Measures both sides.
///
/// # Errors
/// [`BenchError`].
pub(crate) fn measure() -> Result<Report, BenchError> {
    let network = StandIn::load(NETWORK)?;
    let set = &network.parameters;
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
    report.put("security_bits", set.security_bits());
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

/// All times measured so far.
#[derive(Default)]
struct Figures {
    ours: BTreeMap<Request, Vec<f64>>,
    theirs: BTreeMap<Request, Vec<f64>>,
    /// Gflop/s per busy thread, by threads.
    peaks: BTreeMap<usize, Vec<f64>>,
    wall_ms: f64,
    cpu_ms: f64,
}

impl Figures {
    /// Measures everything once, both sides in turn.
    fn round(&mut self, ours: &[Ours; 2], rival: &mut Rival) -> Result<(), BenchError> {
        for request in requests() {
            let own = match request.levels {
                Levels::One => &ours[0],
                Levels::Two => &ours[1],
            };
            let own = own.measure(request);
            self.ours.entry(request).or_default().push(own.wall_ms);
            let their = rival.measure(request)?;
            self.theirs.entry(request).or_default().push(their.wall_ms);
            for Spent { wall_ms, cpu_ms } in [own, their] {
                #[expect(clippy::cast_precision_loss, reason = "one or two")]
                let threads = request.threads as f64;
                self.wall_ms += wall_ms * threads;
                self.cpu_ms += cpu_ms;
            }
        }
        for threads in [1, 2] {
            let gflops = peak::gflops_per_thread(threads);
            self.peaks.entry(threads).or_default().push(gflops);
        }
        Ok(())
    }

    fn ours(&self, work: Work, levels: Levels, threads: usize) -> f64 {
        median_of(
            &self.ours,
            &Request {
                work,
                levels,
                threads,
            },
        )
    }

    fn theirs(&self, work: Work, levels: Levels, threads: usize) -> f64 {
        median_of(
            &self.theirs,
            &Request {
                work,
                levels,
                threads,
            },
        )
    }

    /// The two figures people wait for.
    fn line(&self) -> String {
        let (work, levels) = (Work::LookUp, Levels::Two);
        format!(
            "{:.2} ms per look-up on two cores, tfhe {:.2} ms",
            self.ours(work, levels, 2),
            self.theirs(work, levels, 2)
        )
    }

    fn report(&self, sizes: &Sizes, block: usize, report: &mut Report) {
        for levels in Levels::ALL {
            let end = levels.suffix();
            for threads in [1, 2] {
                let mut put = |name: &str, value: f64| report.put(&format!("{name}_{threads}t{end}"), value);
                let look_up = self.ours(Work::LookUp, levels, threads);
                let rotation = self.ours(Work::Batch, levels, threads);
                let their_look_up = self.theirs(Work::LookUp, levels, threads);
                let their_batch = self.theirs(Work::Batch, levels, threads);
                put("table_ms", look_up);
                put("rotation_ms", rotation);
                put("tfhe_table_ms", their_look_up);
                put("tfhe_rotation_batch_ms", their_batch);
                put("table_speedup_vs_tfhe_single", their_look_up / look_up);
                put("rotation_speedup_vs_tfhe_batch", their_batch / rotation);
            }
            self.report_rotation(sizes.rotation_gflop(levels, block), levels, report);
        }
        let two = Levels::Two;
        let table_ms = self.ours(Work::LookUp, two, 1);
        let key_switch_ms = self.ours(Work::KeySwitch, two, 1);
        report.put("keyswitch_ms_1t", key_switch_ms);
        report.put("tfhe_keyswitch_ms_1t", self.theirs(Work::KeySwitch, two, 1));
        report.put("keyswitch_share", key_switch_ms / table_ms);
        report.put("speedup_two_cores", table_ms / self.ours(Work::LookUp, two, 2));
        report.put("peak_gflops", median_of(&self.peaks, &1));
        report.put("peak_gflops_2t", median_of(&self.peaks, &2));
        report.put("waiting_share", (1.0 - self.cpu_ms / self.wall_ms).max(0.0));
    }

    /// Both cores busy is the case that counts; one busy core is reported beside it.
    fn report_rotation(&self, gflop: f64, levels: Levels, report: &mut Report) {
        let end = levels.suffix();
        let (one, two) = (
            self.ours(Work::Batch, levels, 1),
            self.ours(Work::Batch, levels, 2),
        );
        let fraction = |gflops_per_core: f64, threads| gflops_per_core / median_of(&self.peaks, &threads);
        report.put(&format!("rotation_gflop{end}"), gflop);
        report.put(
            &format!("peak_fraction{end}"),
            fraction(gflop / (two * 2.0 / 1e3), 2),
        );
        report.put(
            &format!("peak_fraction_1t{end}"),
            fraction(gflop / (one / 1e3), 1),
        );
        report.put(
            &format!("rotation_speedup_vs_tfhe_batch{end}"),
            self.theirs(Work::Batch, levels, 2) / two,
        );
    }
}

/// All that is measured in a round.
fn requests() -> impl Iterator<Item = Request> {
    let kinds = [Work::LookUp, Work::Batch, Work::KeySwitch];
    let requests = Levels::ALL.into_iter().flat_map(move |levels| {
        kinds.into_iter().flat_map(move |work| {
            [1, 2].map(|threads| Request {
                work,
                levels,
                threads,
            })
        })
    });
    // The key switch does not depend on the levels.
    requests.filter(|request| request.work != Work::KeySwitch || request.levels == Levels::Two)
}

fn median_of<K: Ord>(times: &BTreeMap<K, Vec<f64>>, key: &K) -> f64 {
    times.get(key).map_or(0.0, |times| median(&mut times.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_speed_ups_follow_from_the_times() {
        let mut figures = Figures::default();
        for request in requests() {
            let (ours, theirs) = match request.work {
                Work::LookUp => (2.0, 20.0),
                Work::Batch => (1.8, 9.0),
                Work::KeySwitch => (0.2, 4.0),
            };
            #[expect(clippy::cast_precision_loss, reason = "one or two")]
            let threads = request.threads as f64;
            figures.ours.insert(request, vec![ours / threads]);
            figures.theirs.insert(request, vec![theirs / threads]);
        }
        figures.peaks = BTreeMap::from([(1, vec![100.0]), (2, vec![80.0])]);
        (figures.wall_ms, figures.cpu_ms) = (10.0, 9.0);
        let set = StandIn::parameters(NETWORK).unwrap();
        let mut report = Report::default();
        figures.report(&Sizes::of(&set), set.lwe_block, &mut report);
        let json: serde_json::Value = serde_json::from_str(&report.into_json()).unwrap();
        let near = |name: &str, want: f64| {
            let got = json[name].as_f64().unwrap();
            assert!((got - want).abs() < 0.01 * want, "{name}: {got}, expected {want}");
        };
        near("table_speedup_vs_tfhe_single_1t", 10.0);
        near("rotation_speedup_vs_tfhe_batch", 5.0);
        near("keyswitch_share", 0.1);
        near("speedup_two_cores", 2.0);
        near("waiting_share", 0.1);
        let gflop = json["rotation_gflop"].as_f64().unwrap();
        near("peak_fraction", gflop / 1.8e-3 / 80.0);
        near("peak_fraction_1t", gflop / 1.8e-3 / 100.0);
    }
}
