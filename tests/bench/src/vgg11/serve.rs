//! The server's side: evaluates items it cannot read, and says what that took.

use std::{
    sync::{Mutex, PoisonError},
    time::Instant,
};

use obscura_fhe_server::{
    Control, EvaluationKeys, Progress,
    measure::{self, Times, Watch},
};

use super::{
    exchange::{Exchange, Run, Stretch},
    samples::Recorder,
};
use crate::{
    BenchError,
    standin::{StandIn, read, write},
    timing::{Spent, time_ms},
};

/// Evaluates the items of an exchange: network, number of items, folder.
///
/// # Errors
/// [`BenchError`].
pub(crate) fn serve(arguments: &[String]) -> Result<String, BenchError> {
    let usage = BenchError::Usage {
        usage: "obscura-bench vgg11-server NETWORK COUNT FOLDER",
    };
    let [network, count, folder] = arguments else {
        return Err(usage);
    };
    let Ok(count) = count.parse() else {
        return Err(usage);
    };
    let (network, exchange) = (StandIn::load(network)?, Exchange::open(folder));
    // The bytes are let go of before the first item, as the box does.
    let load = || {
        Ok::<_, BenchError>(EvaluationKeys::from_bytes(
            &network.parameters,
            &read(&exchange.keys())?,
        )?)
    };
    let (load_keys_ms, keys) = time_ms(load)?;
    for patch in 0..count {
        eprintln!("patch {} of {count}", patch + 1);
        let run = evaluate(&network, &keys, &exchange, patch)?;
        let run = Run {
            load_keys_s: load_keys_ms / 1e3,
            peak_rss_mib: peak_rss_mib(),
            ..run
        };
        run.write(&exchange.run(patch))?;
    }
    Ok(String::new())
}

fn evaluate(
    network: &StandIn,
    keys: &EvaluationKeys,
    exchange: &Exchange,
    patch: usize,
) -> Result<Run, BenchError> {
    let item = read(&exchange.item(patch))?;
    let recorder = Recorder::new(&exchange.samples(patch), &network.circuit)?;
    let names = network.circuit.layer_names();
    let (times, clock) = (Times::default(), Clock::new(&names));
    let inspect =
        |layer: usize, element: usize, ciphertext: &[u32]| recorder.offer(layer, element, ciphertext);
    let progress = |progress: Progress| clock.hear(progress);
    let control = Control {
        progress: Some(&progress),
        ..Control::default()
    };
    let watch = Watch {
        times: Some(&times),
        inspect: Some(&inspect),
    };
    let (spent, answer) =
        Spent::on(|| measure::evaluate(&network.plan, &network.circuit, keys, &item, &control, &watch));
    write(&exchange.answer(patch), &answer?)?;
    Ok(Run {
        wall_s: spent.wall_ms / 1e3,
        cpu_s: spent.cpu_ms / 1e3,
        stretches: clock.stretches(),
        linear_s: times.linear().as_secs_f64(),
        key_switch_s: times.key_switch().as_secs_f64(),
        rotation_s: times.rotation().as_secs_f64(),
        ..Run::default()
    })
}

/// Turns progress into time per stretch of layers.
struct Clock<'a> {
    names: &'a [&'a str],
    state: Mutex<State>,
}

struct State {
    /// When the current stretch began.
    since: Instant,
    done: usize,
    stretches: Vec<Stretch>,
}

impl<'a> Clock<'a> {
    fn new(names: &'a [&'a str]) -> Self {
        Self {
            names,
            state: Mutex::new(State {
                since: Instant::now(),
                done: 0,
                stretches: Vec::new(),
            }),
        }
    }

    fn hear(&self, progress: Progress) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let done = progress.layer as usize;
        if done <= state.done {
            return;
        }
        let wall_s = state.since.elapsed().as_secs_f64();
        let (first, last) = (state.done, done - 1);
        let name = |layer: usize| self.names.get(layer).copied().unwrap_or_default();
        eprintln!(
            "  {} to {}: {wall_s:.2} s, {} of {} look-ups",
            name(first),
            name(last),
            progress.look_ups_done,
            progress.look_ups
        );
        state.stretches.push(Stretch { first, last, wall_s });
        (state.done, state.since) = (done, Instant::now());
    }

    fn stretches(&self) -> Vec<Stretch> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.stretches.clone()
    }
}

/// Most memory this process ever held, as Linux counts it; 0 where it does not say.
fn peak_rss_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    parse_peak_kib(&status).map_or(0.0, |kib| kib / 1024.0)
}

fn parse_peak_kib(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_peak_from_the_kernels_words() {
        assert_eq!(
            parse_peak_kib("VmPeak:\t9 kB\nVmHWM:\t  20480 kB\n"),
            Some(20480.0)
        );
        assert_eq!(parse_peak_kib("VmPeak:\t9 kB\n"), None);
    }

    #[test]
    fn layers_that_end_together_are_one_stretch() {
        let names = ["conv1", "act1", "pool1", "conv2"];
        let clock = Clock::new(&names);
        for layer in [0, 0, 3, 3, 4] {
            clock.hear(Progress {
                layer,
                layers: 4,
                look_ups_done: 0,
                look_ups: 9,
            });
        }
        let ends: Vec<_> = clock.stretches().iter().map(|s| (s.first, s.last)).collect();
        assert_eq!(ends, [(0, 2), (3, 3)]);
    }
}
