//! Prints how fast the blocked product multiplies, in billions of multiply-adds per second of a thread's processor time.
#![expect(clippy::print_stdout, reason = "it prints its measurements")]

use obscura_circuit::{Weights, product_u32, product_u64};

fn main() {
    println!("outputs   taps  words   32-bit words   64-bit words, G/s");
    for (outputs, taps, words) in [
        (64, 27, 2_049),
        (64, 576, 2_049),
        (512, 4_608, 256),
        (512, 4_608, 100),
    ] {
        for top in [15, 15_000, 15_000_000] {
            let row_major: Vec<i32> = (0..)
                .take(outputs * taps)
                .map(|i: i32| i.wrapping_mul(7_919) % top)
                .collect();
            let Some(weights) = Weights::new(taps, &row_major, vec![0; outputs]) else {
                return;
            };
            let narrow = vec![0x1234_5678_u32; taps * words];
            let rows: Vec<Option<&[u32]>> = narrow.chunks_exact(words).map(Some).collect();
            let mut out = vec![0; outputs * words];
            let narrow = speed(outputs * taps * words, || {
                product_u32(&weights, &rows, words, &mut out);
            });
            let wide = vec![0x1234_5678_9abc_def0_u64; taps * words];
            let rows: Vec<Option<&[u64]>> = wide.chunks_exact(words).map(Some).collect();
            let mut out = vec![0; outputs * words];
            let wide = speed(outputs * taps * words, || {
                product_u64(&weights, &rows, words, &mut out);
            });
            println!("{outputs:7} {taps:6} {words:6} {narrow:14.1} {wide:14.1}   weights below {top}");
        }
    }
}

/// Billions of multiply-adds per second over some runs.
fn speed(products: usize, mut run: impl FnMut()) -> f64 {
    let count = (4_000_000_000 / products).max(4);
    run();
    let start = thread_seconds();
    for _ in 0..count {
        run();
    }
    #[expect(clippy::cast_precision_loss, reason = "a figure of three digits")]
    let billions = (products * count) as f64 / 1e9;
    billions / (thread_seconds() - start)
}

/// Time the processor has spent on this thread, whatever else runs on the machine; 0 where Linux is not.
fn thread_seconds() -> f64 {
    let spent = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = spent.split(' ').next().and_then(|ns| ns.parse::<f64>().ok());
    nanoseconds.unwrap_or(0.0) / 1e9
}
