//! The key switch against its definition, on every instruction set, and what it refuses.

use super::*;

/// Knuth's MMIX generator: any words serve.
fn words(mut state: u64) -> impl FnMut() -> u64 {
    move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        state ^ (state >> 29)
    }
}

fn random(count: usize, seed: u64) -> Vec<u64> {
    let mut next = words(seed);
    (0..count).map(|_| next()).collect()
}

/// Balanced digits by definition, the finest level first; what is dropped is rounded.
fn digits(word: u32, base_log2: u32, levels: u32) -> Vec<i64> {
    let dropped = 32 - base_log2 * levels;
    let mut rest = (i64::from(word) + ((1_i64 << dropped) >> 1)) >> dropped;
    let (base, mut out) = (1_i64 << base_log2, Vec::new());
    for level in 0..levels {
        let mut digit = rest.rem_euclid(base);
        let above = rest.div_euclid(base).rem_euclid(base);
        let up = if level + 1 < levels {
            above >= base / 2
        } else {
            word % 2 == 1 && base_log2 * (levels + 1) <= 32
        };
        if digit > base / 2 || (digit == base / 2 && up) {
            digit -= base;
        }
        rest = (rest - digit) / base;
        out.push(digit);
    }
    out
}

/// What rounding a word to the bits of its digits adds to it.
fn rounding(word: u32, base_log2: u32, levels: u32) -> i64 {
    let unit = 1_i64 << (32 - base_log2 * levels);
    let word = i64::from(word);
    (word + unit / 2).div_euclid(unit) * unit - word
}

/// The switch of one ciphertext, word by word.
fn by_definition(input: &[u32], outputs: usize, base_log2: u32, levels: u32, standard: &[u64]) -> Vec<u32> {
    let (body, mask) = input.split_last().unwrap();
    let mut out = vec![0_u32; outputs];
    // A bit of the secret is one half in the mean.
    let rounded: i64 = mask.iter().map(|&word| rounding(word, base_log2, levels)).sum();
    let mean = u32::try_from(rounded.div_euclid(2).rem_euclid(1 << 32)).unwrap();
    out[outputs - 1] = body.wrapping_add(mean);
    let mut rows = standard.chunks_exact(outputs);
    for &word in mask {
        for (digit, row) in digits(word, base_log2, levels).into_iter().zip(&mut rows) {
            let digit = u32::try_from(digit.rem_euclid(1 << 32)).unwrap();
            for (out, &key) in out.iter_mut().zip(row) {
                let key = (key.wrapping_add(1 << 31) >> 32) as u32;
                *out = out.wrapping_sub(key.wrapping_mul(digit));
            }
        }
    }
    out
}

#[test]
fn every_instruction_set_gives_the_integers_of_the_definition() {
    // Odd shapes: panels, pieces, strips and groups that are not full.
    let shapes = [
        (2, 1, 2, 16, 1),
        (6, 17, 3, 3, 9),
        (600, 16, 2, 8, 3),
        (1026, 35, 4, 4, 8),
        (40, 33, 6, 5, 17),
        (70, 48, 8, 4, 2),
        (1100, 5, 5, 2, 16),
    ];
    for (inputs, outputs, base_log2, levels, batch) in shapes {
        let standard = random(inputs * levels as usize * outputs, 1);
        let key = KeySwitchKey::new(inputs, outputs, base_log2, levels, &standard).unwrap();
        let mut input: Vec<u32> = random(batch * (inputs + 1), 2)
            .iter()
            .map(|w| (w >> 32) as u32)
            .collect();
        // Words at the edges of rounding and of balanced digits.
        for (word, edge) in input
            .iter_mut()
            .zip([0, u32::MAX, 1 << 31, (1 << 31) - 1, 0x8888_8888, 0x7FFF])
        {
            *word = edge;
        }
        let want: Vec<u32> = input
            .chunks_exact(inputs + 1)
            .flat_map(|input| by_definition(input, outputs, base_log2, levels, &standard))
            .collect();
        let mut sets = 0;
        for level in Level::available() {
            let mut out = vec![1; batch * outputs];
            key.switch_on(level, &input, &mut out);
            assert!(
                out == want,
                "shape {inputs}, {outputs}, 2^{base_log2} x {levels}, set {sets}"
            );
            sets += 1;
        }
        assert!(sets >= 1);
    }
}

#[test]
fn refuses_shapes_it_is_not_written_for() {
    let of = |inputs, outputs, base_log2, levels, len| {
        KeySwitchKey::new(inputs, outputs, base_log2, levels, &vec![0; len]).is_some()
    };
    assert!(of(2, 3, 2, 8, 48));
    assert!(!of(2, 3, 2, 8, 47));
    assert!(!of(3, 3, 2, 8, 72));
    assert!(!of(2, 0, 2, 8, 0));
    assert!(!of(2, 3, 0, 8, 48));
    assert!(!of(2, 3, 9, 2, 12));
    assert!(!of(2, 3, 4, 9, 54));
}

#[test]
fn digits_have_mean_zero() {
    // A mean digit would turn the noise of the key's rows into a constant of all results.
    let decomposition = Decomposition {
        base_log2: 2,
        levels: 8,
    };
    let mut sums = [0_i32; 8];
    let all = random(8 * 20_000, 3);
    for words in all.as_chunks::<8>().0 {
        let mut out = [[0; 8]; 8];
        decomposition.digits([words.map(|w| (w >> 32) as u32), [0; 8]], &mut out);
        for (sum, digits) in sums.iter_mut().zip(out) {
            *sum += digits
                .iter()
                .map(|&d| i32::from(u16::try_from(d & 0xFFFF).unwrap().cast_signed()))
                .sum::<i32>();
        }
    }
    // 160,000 digits of variance 1.5: eight deviations.
    assert!(sums.iter().all(|sum| sum.abs() < 8 * 490), "{sums:?}");
}
