//! The product against its definition, on every instruction set of this processor.
#![expect(
    clippy::cast_possible_truncation,
    reason = "32-bit words are the lower halves of 64-bit ones"
)]

use proptest::prelude::*;

use super::*;

/// Weights within `bits` bits and words, both from a seed; now and then extremes.
struct Case {
    weights: Vec<i32>,
    rows: Vec<Option<Vec<u64>>>,
}

impl Case {
    fn new(outputs: usize, taps: usize, words: usize, bits: u32, seed: u64) -> Self {
        let mut state = seed | 1;
        let mut next = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.wrapping_mul(0x2545_f491_4f6c_dd1d)
        };
        let mut weight = || match next() % 5 {
            0 => i32::MIN >> (32 - bits),
            1 => i32::MAX >> (32 - bits),
            _ => ((next() >> 32) as u32).cast_signed() >> (32 - bits),
        };
        let weights = (0..outputs * taps).map(|_| weight()).collect();
        let mut word = || match next() % 4 {
            0 => 0x8000_8000_8000_8000,
            1 => 0x7fff_7fff_7fff_7fff,
            _ => next(),
        };
        let rows = (0..taps)
            .map(|tap| (tap % 4 != 1).then(|| (0..words).map(|_| word()).collect()))
            .collect();
        Self { weights, rows }
    }

    /// The definition, modulo 2^64.
    fn product(&self, outputs: usize, words: usize) -> Vec<u64> {
        let taps = self.rows.len();
        let mut out = vec![0_u64; outputs * words];
        for (index, out) in out.iter_mut().enumerate() {
            let (output, word) = (index / words, index % words);
            for (tap, row) in self.rows.iter().enumerate() {
                let weight = i64::from(self.weights[output * taps + tap]).cast_unsigned();
                let x = row.as_ref().map_or(0, |row| row[word]);
                *out = out.wrapping_add(weight.wrapping_mul(x));
            }
        }
        out
    }
}

fn check(outputs: usize, taps: usize, words: usize, bits: u32, seed: u64) {
    let case = Case::new(outputs, taps, words, bits, seed);
    let want = case.product(outputs, words);
    let want_low: Vec<u32> = want.iter().map(|&x| x as u32).collect();
    let weights = Weights::new(taps, &case.weights, vec![0; outputs]).unwrap();
    let low = |row: &Option<Vec<u64>>| row.as_ref().map(|row| row.iter().map(|&x| x as u32).collect());
    let low_rows: Vec<Option<Vec<u32>>> = case.rows.iter().map(low).collect();
    let low_rows: Vec<Option<&[u32]>> = low_rows.iter().map(Option::as_deref).collect();
    let rows: Vec<Option<&[u64]>> = case.rows.iter().map(Option::as_deref).collect();
    for level in Level::available() {
        // What was there before must not matter.
        let mut out = vec![7; want.len()];
        level.run(Narrow {
            weights: &weights,
            rows: &low_rows.as_slice(),
            words,
            out: &mut out,
        });
        assert!(
            out == want_low,
            "{level:?}: {outputs} outputs, {taps} taps, {words} words, {bits} bits"
        );
        let mut out = vec![7; want.len()];
        level.run(Wide {
            weights: &weights,
            rows: &rows.as_slice(),
            words,
            out: &mut out,
        });
        assert!(
            out == want,
            "{level:?}: {outputs} outputs, {taps} taps, {words} words, {bits} bits, wide"
        );
    }
    let mut out = vec![7; want.len()];
    product_u32(&weights, &low_rows, words, &mut out);
    assert_eq!(out, want_low);
    let mut out = vec![7; want.len()];
    product_u64(&weights, &rows, words, &mut out);
    assert_eq!(out, want);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn every_instruction_set_gives_the_defined_integers(
        outputs in 1_usize..30,
        taps in 1_usize..40,
        words in 1_usize..70,
        bits in prop::sample::select(vec![5_u32, 8, 9, 16, 17, 24, 32]),
        seed in any::<u64>(),
    ) {
        check(outputs, taps, words, bits, seed);
    }
}

#[test]
fn blocks_join_without_a_seam() {
    // Around the ends of strips (256 and 128 words) and panels (512 taps).
    for (outputs, taps, words, bits) in [
        (9, 513, 17, 8),
        (8, 512, 256, 16),
        (3, 1_025, 257, 32),
        (17, 511, 129, 8),
        (1, 1, 2_049, 16),
        (7, 1_024, 1, 5),
    ] {
        check(outputs, taps, words, bits, 99);
    }
}

#[test]
fn short_rows_count_as_zeros_and_short_results_are_filled_as_far_as_they_go() {
    let weights = Weights::new(2, &[3, 5, 7, 11], vec![0, 0]).unwrap();
    let mut out = [9; 6];
    product_u32(&weights, &[Some(&[1, 2]), None], 3, &mut out);
    assert_eq!(out, [3, 6, 0, 7, 14, 0]);
    let mut out = [9; 3];
    product_u32(&weights, &[Some(&[1, 2, 3])], 3, &mut out);
    assert_eq!(out, [3, 6, 9]);
    product_u32(&weights, &[], 0, &mut []);
    product_u64(&weights, &[], 0, &mut []);
}
