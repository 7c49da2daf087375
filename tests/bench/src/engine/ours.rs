//! Our own kernels, measured on request.

use obscura_fhe_client::{SecretKeys, measure::large_phase};
use obscura_fhe_core::ParameterSet;
use obscura_fhe_server::{EvaluationKeys, measure};
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::sizes::{BATCH, Request, Work};
use crate::{
    BenchError,
    timing::{Spent, time_ms},
};

/// Batches each thread works on in one measurement.
const BATCHES: usize = 2;
/// Most threads measured.
const THREADS: usize = 2;
/// Largest value of the table, in units of the torus.
const TABLE_END: f64 = 0.125;
/// How far a result may lie from the table, in units of the torus: over eight predicted deviations.
const TOLERANCE: f64 = 0.01;

/// Keys of one parameter set and ciphertexts to work on.
pub(super) struct Ours {
    secret: SecretKeys,
    keys: EvaluationKeys,
    /// `[count][k N + 1]` under the large secret, of random phases.
    large: Vec<u32>,
    /// `[count][n + 1]` under the small secret, the same phases.
    small: Vec<u32>,
    /// `[N]`, in units of the torus.
    table: Vec<f64>,
    /// One pool per number of threads.
    pools: Vec<ThreadPool>,
    pub(super) keygen_s: f64,
}

impl Ours {
    /// Generates keys of `set`.
    ///
    /// # Errors
    /// [`BenchError`].
    pub(super) fn generate(set: &ParameterSet) -> Result<Self, BenchError> {
        let generate = || {
            let secret = SecretKeys::generate(set)?;
            let wire = secret.evaluation_keys(&mut |_, _| {})?;
            Ok::<_, BenchError>((secret, wire))
        };
        let (keygen_ms, (secret, wire)) = time_ms(generate)?;
        let keys = EvaluationKeys::from_bytes(set, &wire)?;
        let count = BATCH * BATCHES * THREADS;
        let large = random_words(count * (set.large_dimension() + 1));
        let small = measure::key_switch(&keys, &large);
        let pool = |threads| ThreadPoolBuilder::new().num_threads(threads).build();
        let pools = (1..=THREADS).map(pool).collect::<Result<_, _>>();
        let ours = Self {
            table: triangle(set.polynomial_size),
            pools: pools.map_err(|_source| BenchError::NoThreads)?,
            keygen_s: keygen_ms / 1e3,
            secret,
            keys,
            large,
            small,
        };
        ours.check()?;
        Ok(ours)
    }

    /// Memory of the expanded keys.
    pub(super) fn key_memory_bytes(&self) -> usize {
        self.keys.memory_bytes()
    }

    /// Time per ciphertext.
    pub(super) fn measure(&self, request: Request) -> Spent {
        let count = BATCH * BATCHES * request.threads;
        let (large, small) = (first(&self.large, count), first(&self.small, count));
        let (spent, words) = self.pools[request.threads.clamp(1, THREADS) - 1].install(|| {
            Spent::on(|| match request.work {
                Work::LookUp => measure::look_up(&self.keys, large, &self.table),
                Work::Batch => measure::rotate(&self.keys, small, &self.table),
                Work::KeySwitch => measure::key_switch(&self.keys, large),
            })
        });
        std::hint::black_box(words);
        spent.each_of(count)
    }

    /// Fails unless look-ups give the table's values.
    fn check(&self) -> Result<(), BenchError> {
        let size = self.keys.parameters().large_dimension() + 1;
        let out = measure::look_up(&self.keys, &self.large, &self.table);
        for (input, output) in self.large.chunks_exact(size).zip(out.chunks_exact(size)) {
            let want = wave(large_phase(&self.secret, input)?);
            let got = large_phase(&self.secret, output)?;
            if (got - want).abs() > TOLERANCE {
                return Err(BenchError::WrongLookUp { got, want });
            }
        }
        Ok(())
    }
}

/// The first `count` ciphertexts.
fn first(words: &[u32], count: usize) -> &[u32] {
    &words[..words.len() / (BATCH * BATCHES * THREADS) * count]
}

/// A ramp from one end to the other; by the negacyclic rule it goes on as a triangular wave without a jump.
#[expect(clippy::cast_precision_loss, reason = "thousands at most")]
fn triangle(size: usize) -> Vec<f64> {
    (0..size).map(|at| wave(at as f64 / (2 * size) as f64)).collect()
}

/// The wave at a phase in units of the torus.
fn wave(phase: f64) -> f64 {
    let phase = phase.rem_euclid(1.0);
    let rising = if phase < 0.5 { phase } else { 1.0 - phase };
    TABLE_END * (4.0 * rising - 1.0)
}

/// Words of ciphertexts of random phases: the arithmetic takes the same time for any.
fn random_words(count: usize) -> Vec<u32> {
    let mut state = 1_u64;
    let next = || {
        // Knuth's 64-bit linear congruential generator; its upper half is good enough here.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        u32::try_from(state >> 32).unwrap_or(0)
    };
    std::iter::repeat_with(next).take(count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_goes_on_negacyclically_without_a_jump() {
        let table = triangle(1024);
        assert!((table[0] + TABLE_END).abs() < 1e-9);
        assert!((wave(0.5) - TABLE_END).abs() < 1e-9);
        for phase in [0.01, 0.2, 0.37] {
            assert!((wave(phase) + wave(phase + 0.5)).abs() < 1e-9, "{phase}");
        }
    }
}
