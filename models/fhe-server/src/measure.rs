//! For tests and benchmarks only: the kernels one at a time, where an evaluation spends its time, and the
//! ciphertexts between its layers.
//!
//! Nothing here decrypts; only somebody with the secret key learns anything from a ciphertext.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use obscura_circuit::Circuit;
use obscura_fhe_core::Plan;
use rayon::prelude::*;

use crate::{Control, EvaluationKeys, ServerError, keys::Kernel};

/// Look-ups of one key switch.
const SWITCH_BATCH: usize = 256;
/// Look-ups of one rotation.
const ROTATION_BATCH: usize = 32;

/// Time that all threads together spent on the three parts of a layer.
#[derive(Debug, Default)]
pub struct Times {
    /// Nanoseconds, as the others.
    linear: AtomicU64,
    key_switch: AtomicU64,
    rotation: AtomicU64,
}

/// A part of a layer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    Linear,
    KeySwitch,
    Rotation,
}

impl Times {
    /// Products with weights.
    pub fn linear(&self) -> Duration {
        Duration::from_nanos(self.linear.load(Ordering::Relaxed))
    }

    /// Key switches and switches to positions.
    pub fn key_switch(&self) -> Duration {
        Duration::from_nanos(self.key_switch.load(Ordering::Relaxed))
    }

    /// Blind rotations.
    pub fn rotation(&self) -> Duration {
        Duration::from_nanos(self.rotation.load(Ordering::Relaxed))
    }

    /// Adds what `threads` threads have spent on `part` since `start`.
    pub(crate) fn add(&self, part: Part, start: Instant, threads: usize) {
        let nanos = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let threads = u64::try_from(threads).unwrap_or(u64::MAX);
        let counter = match part {
            Part::Linear => &self.linear,
            Part::KeySwitch => &self.key_switch,
            Part::Rotation => &self.rotation,
        };
        counter.fetch_add(nanos.saturating_mul(threads), Ordering::Relaxed);
    }
}

/// Hears number of a layer, number of an element of its result, and its ciphertext, from any thread.
pub type Inspect<'a> = &'a (dyn Fn(usize, usize, &[u32]) + Sync);

/// What is measured during an evaluation; by default nothing.
#[derive(Clone, Copy, Default)]
pub struct Watch<'a> {
    /// Where the time is added up.
    pub times: Option<&'a Times>,
    /// Who looks at the ciphertexts between layers.
    pub inspect: Option<Inspect<'a>>,
}

impl std::fmt::Debug for Watch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch")
            .field("times", &self.times)
            .finish_non_exhaustive()
    }
}

impl Watch<'_> {
    /// Does `work`, and adds its time for `threads` threads.
    pub(crate) fn timed<T>(&self, part: Part, threads: usize, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        if let Some(times) = self.times {
            times.add(part, start, threads);
        }
        result
    }

    /// Shows a ciphertext whose body lacks `shift`.
    pub(crate) fn show(&self, layer: usize, element: usize, ciphertext: &[u32], shift: u32) {
        if let Some(inspect) = self.inspect {
            let mut ciphertext = ciphertext.to_vec();
            if let Some(body) = ciphertext.last_mut() {
                *body = body.wrapping_add(shift);
            }
            inspect(layer, element, &ciphertext);
        }
    }
}

/// [`crate::evaluate`], measured; only evaluations in batches are.
///
/// # Errors
/// As [`crate::evaluate`].
pub fn evaluate(
    plan: &Plan,
    circuit: &Circuit,
    keys: &EvaluationKeys,
    item: &[u8],
    control: &Control<'_>,
    watch: &Watch<'_>,
) -> Result<Vec<u8>, ServerError> {
    crate::evaluate::evaluate_watched(plan, circuit, keys, item, control, watch)
}

/// Key switch of ciphertexts `[count][k N + 1]` to `[count][n + 1]`, on the current rayon pool.
///
/// Empty for keys of the other kernel.
pub fn key_switch(keys: &EvaluationKeys, large: &[u32]) -> Vec<u32> {
    let Kernel::Batched(kernel) = &keys.kernel else {
        return Vec::new();
    };
    let size = keys.parameters().large_dimension() + 1;
    let small = keys.parameters().lwe_dimension + 1;
    let count = large.len() / size;
    let batch = SWITCH_BATCH.min(count.div_ceil(rayon::current_num_threads()).max(1));
    let mut out = vec![0; count * small];
    large
        .par_chunks(batch * size)
        .zip(out.par_chunks_mut(batch * small))
        .for_each(|(large, out)| kernel.switch(large, out));
    out
}

/// Looks ciphertexts `[count][n + 1]` up in one table, `[N]` torus elements: `[count][k N + 1]`.
///
/// Empty for keys of the other kernel.
pub fn rotate(keys: &EvaluationKeys, small: &[u32], table: &[f64]) -> Vec<u32> {
    let Kernel::Batched(kernel) = &keys.kernel else {
        return Vec::new();
    };
    let (size, width) = (
        keys.parameters().large_dimension() + 1,
        keys.parameters().lwe_dimension + 1,
    );
    let mut out = vec![0; small.len() / width * size];
    small
        .par_chunks(ROTATION_BATCH * width)
        .zip(out.par_chunks_mut(ROTATION_BATCH * size))
        .for_each(|(small, out)| kernel.rotate(small, table, out));
    out
}

/// [`key_switch`], then [`rotate`].
pub fn look_up(keys: &EvaluationKeys, large: &[u32], table: &[f64]) -> Vec<u32> {
    rotate(keys, &key_switch(keys, large), table)
}
