//! The times of all rounds, and the figures that follow from them.

use std::collections::BTreeMap;

use super::{
    ours::Ours,
    peak,
    rival::Rival,
    sizes::{Levels, Request, Sizes, Work},
};
use crate::{
    BenchError,
    report::Report,
    timing::{Spent, least, median},
};

/// All times measured so far.
#[derive(Default)]
pub(super) struct Figures {
    ours: BTreeMap<Request, Vec<Spent>>,
    theirs: BTreeMap<Request, Vec<Spent>>,
    /// Gflop/s per busy thread, by threads.
    peaks: BTreeMap<usize, Vec<f64>>,
}

/// What counts of the time spent: wall time, or processor time where others use the machine too.
type Clock = fn(&Spent) -> f64;
/// What stands for all rounds.
type Pick = fn(&mut [f64]) -> f64;

const WALL: Clock = |spent| spent.wall_ms;
const CORE: Clock = |spent| spent.cpu_ms;

impl Figures {
    /// Measures everything once, both sides in turn.
    ///
    /// # Errors
    /// [`BenchError`].
    pub(super) fn round(&mut self, ours: &[Ours; 2], rival: &mut Rival) -> Result<(), BenchError> {
        for request in requests() {
            let own = match request.levels {
                Levels::One => &ours[0],
                Levels::Two => &ours[1],
            };
            self.ours.entry(request).or_default().push(own.measure(request));
            let their = rival.measure(request)?;
            self.theirs.entry(request).or_default().push(their);
        }
        for threads in [1, 2] {
            let gflops = peak::gflops_per_thread(threads);
            self.peaks.entry(threads).or_default().push(gflops);
        }
        Ok(())
    }

    /// The two figures people wait for.
    pub(super) fn line(&self) -> String {
        let request = Request {
            work: Work::LookUp,
            levels: Levels::Two,
            threads: 2,
        };
        format!(
            "{:.2} ms per look-up on two cores, tfhe {:.2} ms",
            of(&self.ours, request, WALL, least),
            of(&self.theirs, request, WALL, least)
        )
    }

    /// All figures, with blocks of `block` key bits on our side.
    pub(super) fn report(&self, sizes: &Sizes, block: usize, report: &mut Report) {
        for levels in Levels::ALL {
            for threads in [1, 2] {
                let end = format!("_{threads}t{}", levels.suffix());
                self.report_times(levels, threads, (WALL, least), &end, report);
            }
            self.report_rotation(sizes.rotation_gflop(levels, block), levels, report);
        }
        let request = |work, threads| Request {
            work,
            levels: Levels::Two,
            threads,
        };
        let table_ms = of(&self.ours, request(Work::LookUp, 1), WALL, least);
        let key_switch_ms = of(&self.ours, request(Work::KeySwitch, 1), WALL, least);
        report.put("keyswitch_ms_1t", key_switch_ms);
        report.put(
            "tfhe_keyswitch_ms_1t",
            of(&self.theirs, request(Work::KeySwitch, 1), WALL, least),
        );
        report.put("keyswitch_share", key_switch_ms / table_ms);
        let on_two = of(&self.ours, request(Work::LookUp, 2), WALL, least);
        report.put("speedup_two_cores", table_ms / on_two);
        report.put("peak_gflops", self.peak(1));
        report.put("peak_gflops_2t", self.peak(2));
        self.report_times(Levels::Two, 2, (CORE, least), "_core_time", report);
        self.report_times(Levels::Two, 2, (WALL, median), "_2t_median", report);
        report.put("waiting_share", self.waiting_share());
    }

    /// Times and speed-ups of one kind of look-up.
    fn report_times(
        &self,
        levels: Levels,
        threads: usize,
        (clock, pick): (Clock, Pick),
        end: &str,
        report: &mut Report,
    ) {
        let times = |work| {
            let request = Request {
                work,
                levels,
                threads,
            };
            (
                of(&self.ours, request, clock, pick),
                of(&self.theirs, request, clock, pick),
            )
        };
        let ((table, their_table), (rotation, their_batch)) = (times(Work::LookUp), times(Work::Batch));
        let mut put = |name: &str, value: f64| report.put(&format!("{name}{end}"), value);
        put("table_ms", table);
        put("rotation_ms", rotation);
        put("tfhe_table_ms", their_table);
        put("tfhe_rotation_batch_ms", their_batch);
        put("table_speedup_vs_tfhe_single", their_table / table);
        put("rotation_speedup_vs_tfhe_batch", their_batch / rotation);
    }

    /// Both cores busy is the case that counts; one busy core is reported beside it.
    fn report_rotation(&self, gflop: f64, levels: Levels, report: &mut Report) {
        let end = levels.suffix();
        let request = |threads| Request {
            work: Work::Batch,
            levels,
            threads,
        };
        let (one, two) = (
            of(&self.ours, request(1), WALL, least),
            of(&self.ours, request(2), WALL, least),
        );
        let per_core = [gflop / (one / 1e3), gflop / (two * 2.0 / 1e3)];
        report.put(&format!("rotation_gflop{end}"), gflop);
        report.put(&format!("peak_fraction_1t{end}"), per_core[0] / self.peak(1));
        report.put(&format!("peak_fraction{end}"), per_core[1] / self.peak(2));
        report.put(
            &format!("rotation_speedup_vs_tfhe_batch{end}"),
            of(&self.theirs, request(2), WALL, least) / two,
        );
    }

    fn peak(&self, threads: usize) -> f64 {
        let gflops = self.peaks.get(&threads);
        gflops.into_iter().flatten().copied().fold(0.0, f64::max)
    }

    /// The share of the time in which the machine did something else.
    fn waiting_share(&self) -> f64 {
        let times = self.ours.iter().chain(&self.theirs);
        let spent = times.flat_map(|(request, spent)| spent.iter().map(|spent| (request.threads, spent)));
        #[expect(clippy::cast_precision_loss, reason = "one or two")]
        let sums = spent.fold((0.0, 0.0), |(wall, core), (threads, spent)| {
            (wall + spent.wall_ms * threads as f64, core + spent.cpu_ms)
        });
        (1.0 - sums.1 / sums.0).max(0.0)
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

/// What `request` took, over all rounds.
fn of(times: &BTreeMap<Request, Vec<Spent>>, request: Request, clock: Clock, pick: Pick) -> f64 {
    let mut values: Vec<f64> = times
        .get(&request)
        .map_or_else(Vec::new, |times| times.iter().map(clock).collect());
    pick(&mut values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::standin::StandIn;

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
            // Of three rounds one was disturbed much and one a little.
            let spent = |ms: f64| {
                [1.2, 1.0, 5.0]
                    .map(|slower: f64| Spent {
                        wall_ms: slower * ms / threads,
                        cpu_ms: 0.9 * slower * ms,
                    })
                    .to_vec()
            };
            figures.ours.insert(request, spent(ours));
            figures.theirs.insert(request, spent(theirs));
        }
        figures.peaks = BTreeMap::from([(1, vec![100.0, 50.0]), (2, vec![40.0, 80.0])]);
        let set = StandIn::general().unwrap();
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
        near("table_ms_2t", 1.0);
        near("table_ms_2t_median", 1.2);
        near("table_ms_core_time", 1.8);
        let gflop = json["rotation_gflop"].as_f64().unwrap();
        near("peak_fraction", gflop / 1.8e-3 / 80.0);
        near("peak_fraction_1t", gflop / 1.8e-3 / 100.0);
    }
}
