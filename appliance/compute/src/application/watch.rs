//! Watches one evaluation: a word to gate now and then, a line in the log for every layer.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use obscura_local::appliance::ComputeReply;
use obscura_protocol::identity::JobId;

use crate::{
    domain::{Pace, Progress},
    ports::Clock,
};

/// Time between two words inside a layer.
const INTERVAL: Duration = Duration::from_millis(500);
/// A layer that takes this long is worth a line in everybody's log.
const LONG: Duration = Duration::from_secs(1);

/// Where replies go.
pub(super) type Reply<'a> = dyn FnMut(ComputeReply) + Send + 'a;

/// Listens to an engine, from any of its threads.
pub(super) struct Watch<'a> {
    job: JobId,
    item: u32,
    clock: &'a dyn Clock,
    layer_name: &'a (dyn Fn(u32) -> String + Sync),
    state: Mutex<State<'a>>,
}

struct State<'a> {
    pace: Pace,
    /// When the present layer began, and what was done by then.
    began: (Duration, Progress),
    reply: &'a mut Reply<'a>,
}

impl<'a> Watch<'a> {
    pub(super) fn new(
        (job, item): (JobId, u32),
        clock: &'a dyn Clock,
        layer_name: &'a (dyn Fn(u32) -> String + Sync),
        reply: &'a mut Reply<'a>,
    ) -> Self {
        let state = State {
            pace: Pace::new(INTERVAL),
            began: (clock.now(), Progress::default()),
            reply,
        };
        Self {
            job,
            item,
            clock,
            layer_name,
            state: Mutex::new(state),
        }
    }

    /// Hears of a step.
    pub(super) fn moved(&self, progress: Progress) {
        let now = self.clock.now();
        // Counters stay right wherever a thread ended.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.pace.due(now, progress) {
            return;
        }
        let (began, before) = state.began;
        if progress.layers_done > before.layers_done {
            self.log(progress, before, now.saturating_sub(began));
            state.began = (now, progress);
        }
        let (done, of) = progress.units();
        let (job, item) = (self.job, self.item);
        (state.reply)(ComputeReply::Progress { job, item, done, of });
    }

    /// One line per layer; layers of short evaluations would drown everything else.
    fn log(&self, progress: Progress, before: Progress, took: Duration) {
        let Progress {
            layers_done: layer,
            layers,
            ..
        } = progress;
        let name = (self.layer_name)(layer - 1);
        let look_ups = progress.look_ups_done - before.look_ups_done.min(progress.look_ups_done);
        let seconds = took.as_secs_f64();
        let (job, item) = (format_args!("{:.8}", self.job), self.item);
        if took >= LONG {
            tracing::info!(%job, item, layer, layers, name, look_ups, seconds, "layer done");
        } else {
            tracing::debug!(%job, item, layer, layers, name, look_ups, seconds, "layer done");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::Clock;

    struct Stopped;

    impl Clock for Stopped {
        fn now(&self) -> Duration {
            Duration::ZERO
        }
    }

    #[test]
    fn tells_layer_ends_and_asks_for_the_name_of_the_layer_that_ended() {
        let names = Mutex::new(Vec::new());
        let name = |layer| {
            names.lock().unwrap().push(layer);
            "conv".to_owned()
        };
        let mut told = Vec::new();
        let mut reply = |reply| told.push(reply);
        let job = JobId([1; 16]);
        let watch = Watch::new((job, 4), &Stopped, &name, &mut reply);
        for (layers_done, look_ups_done) in [(0, 0), (0, 5), (1, 10), (1, 15), (3, 20)] {
            watch.moved(Progress {
                layers_done,
                look_ups_done,
                layers: 3,
                look_ups: 20,
            });
        }
        let progress = |done| ComputeReply::Progress {
            job,
            item: 4,
            done,
            of: 20,
        };
        assert_eq!(told, [progress(0), progress(10), progress(20)]);
        assert_eq!(*names.lock().unwrap(), [0, 2]);
    }
}
