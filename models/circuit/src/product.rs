//! The blocked product of weights and rows of words.

use crate::Weights;

/// `out[o][w] = sum over t of weights[o][t] * rows[t][w]`, modulo 2^32.
///
/// Shapes: `rows` is `[taps]` slices of `words` words, `None` for zeros; `out` is `[outputs][words]`,
/// row-major. The bias is not added. Runs on the calling thread.
pub fn product_u32(weights: &Weights, rows: &[Option<&[u32]>], words: usize, out: &mut [u32]) {
    for (output, out) in out
        .chunks_exact_mut(words.max(1))
        .enumerate()
        .take(weights.outputs())
    {
        out.fill(0);
        for (weight, row) in weights.row(output).into_iter().zip(rows) {
            for (out, &x) in out.iter_mut().zip(row.unwrap_or_default()) {
                *out = out.wrapping_add(weight.cast_unsigned().wrapping_mul(x));
            }
        }
    }
}

/// The same as [`product_u32`] modulo 2^64.
pub fn product_u64(weights: &Weights, rows: &[Option<&[u64]>], words: usize, out: &mut [u64]) {
    for (output, out) in out
        .chunks_exact_mut(words.max(1))
        .enumerate()
        .take(weights.outputs())
    {
        out.fill(0);
        for (weight, row) in weights.row(output).into_iter().zip(rows) {
            let weight = i64::from(weight).cast_unsigned();
            for (out, &x) in out.iter_mut().zip(row.unwrap_or_default()) {
                *out = out.wrapping_add(weight.wrapping_mul(x));
            }
        }
    }
}
