//! The measured peak of the cores: fused multiply-adds on independent registers, double precision.

use std::{hint::black_box, time::Instant};

use pulp::{Simd, WithSimd};

/// Independent sums: more than two units times their latency, fewer than there are registers.
const SUMS: usize = 12;
/// Rounds of one measurement, about 50 ms.
const ROUNDS: u32 = 20_000_000;

/// Gflop/s of each of `threads` busy threads.
pub(super) fn gflops_per_thread(threads: usize) -> f64 {
    let start = Instant::now();
    let flop = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|_| scope.spawn(|| pulp::Arch::new().dispatch(MultiplyAdd)))
            .collect();
        running
            .into_iter()
            .filter_map(|thread| thread.join().ok())
            .fold(0.0, f64::max)
    });
    flop / start.elapsed().as_secs_f64() / 1e9
}

struct MultiplyAdd;

impl WithSimd for MultiplyAdd {
    /// Operations done, two per multiply-add and lane.
    type Output = f64;

    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "or it is not compiled for the processor that was found"
    )]
    #[expect(clippy::cast_precision_loss, reason = "lanes and sums are few")]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let (factor, term) = (simd.splat_f64s(black_box(0.5)), simd.splat_f64s(black_box(1.0)));
        let mut sums = [term; SUMS];
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                *sum = simd.mul_add_e_f64s(*sum, factor, term);
            }
        }
        let total = sums.into_iter().fold(term, |a, b| simd.add_f64s(a, b));
        black_box(simd.reduce_sum_f64s(total));
        2.0 * (SUMS * S::F64_LANES) as f64 * f64::from(ROUNDS)
    }
}
