//! Each formula against figures known from measurements, and against draws in the clear.

use super::*;

/// A generator for tests (SplitMix64).
struct Draw(u64);

impl Draw {
    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn words(&mut self, count: usize) -> Vec<u64> {
        (0..count).map(|_| self.word()).collect()
    }

    fn below(&mut self, end: u64) -> u64 {
        self.word() % end
    }

    /// Torus noise of deviation `2^sigma_log2`, uniform.
    fn noise(&mut self, sigma_log2: f64) -> u64 {
        let unit = to_f64(usize::try_from(self.below(1 << 20)).unwrap()) * (-20.0_f64).exp2() - 0.5;
        #[expect(clippy::cast_possible_truncation, reason = "far below 2^63")]
        let noise = (unit * (12.0_f64).sqrt() * (sigma_log2 + 64.0).exp2()) as i64;
        noise.cast_unsigned()
    }

    fn bits(&mut self, count: usize) -> Vec<u64> {
        (0..count).map(|_| self.word() >> 63).collect()
    }

    /// A secret with at most one 1 per block, all patterns equally likely.
    fn blocks(&mut self, count: usize, block: usize) -> Vec<u64> {
        let mut secret = vec![0; count];
        for block in secret.chunks_mut(block) {
            let pattern = self.below(block.len() as u64 + 1);
            if let Some(bit) = block.get_mut(usize::try_from(pattern).unwrap()) {
                *bit = 1;
            }
        }
        secret
    }
}

/// The value and the balanced digits, finest first, of `word` rounded to what the digits cover.
fn decompose(word: u64, base_log2: u32, levels: u32) -> (u64, Vec<i64>) {
    let dropped = 64 - base_log2 * levels;
    let rounded = word.wrapping_add(1 << (dropped - 1)) >> dropped;
    let (mut state, mask) = (rounded, (1_u64 << base_log2) - 1);
    let digits = (0..levels)
        .map(|_| {
            let digit = state & mask;
            state >>= base_log2;
            let half = 1 << (base_log2 - 1);
            let carry = u64::from(digit > half || (digit == half && state & half != 0));
            state += carry;
            digit.cast_signed() - (carry << base_log2).cast_signed()
        })
        .collect();
    (rounded << dropped, digits)
}

fn to_torus(word: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a deviation needs three digits")]
    let signed = word.cast_signed() as f64;
    signed * (-64.0_f64).exp2()
}

fn deviation(errors: &[f64]) -> f64 {
    (errors.iter().map(|e| e * e).sum::<f64>() / to_f64(errors.len())).sqrt()
}

fn near(measured: f64, predicted: f64, tolerance: f64) {
    let ratio = measured / predicted;
    assert!(
        (ratio - 1.0).abs() < tolerance,
        "2^{:.3} where 2^{:.3} is predicted, {ratio} times",
        measured.log2(),
        predicted.log2()
    );
}

fn image() -> ParameterSet {
    ParameterSet::from_json(include_bytes!("../../parameters/image-1024.json")).unwrap()
}

/// Too small to be secure, large enough to measure.
fn toy() -> ParameterSet {
    ParameterSet {
        polynomial_size: 32,
        glwe_dimension: 2,
        glwe_noise_log2: -40.0,
        lwe_dimension: 48,
        lwe_noise_log2: -20.0,
        key_body_bits: 64,
        rotation_base_log2: 8,
        rotation_levels: 2,
        ..image()
    }
}

#[test]
fn rotations_have_the_noise_known_from_measurements() {
    let two = Noise::rotation(&image()).sigma().log2();
    assert!((-22.3..-22.1).contains(&two), "{two}");
    let one_level = ParameterSet {
        rotation_base_log2: 23,
        rotation_levels: 1,
        ..image()
    };
    let one = Noise::rotation(&one_level).sigma().log2();
    assert!((-15.05..-14.7).contains(&one), "{one}");
}

#[test]
fn switches_have_the_noise_known_from_measurements() {
    let set = image();
    let positions = Noise::rotation_switch(&set).sigma() * 2048.0;
    assert!((positions - 3.28).abs() < 0.01, "{positions}");
    let sigmas = Noise::key_switch(&set).sigma() / set.lwe_noise_log2.exp2();
    assert!((7.15..7.3).contains(&sigmas.log2()), "2^{}", sigmas.log2());
    // 8.0 bits for digits of 4 bits on 3 levels, 9.5 for 2 bits on 7.
    for (base, levels, want) in [(4, 3, -8.0), (2, 7, -9.5)] {
        let set = ParameterSet {
            key_switch_base_log2: base,
            key_switch_levels: levels,
            ..image()
        };
        let got = Noise::key_switch(&set).sigma().log2();
        assert!((got - want).abs() < 0.15, "{got} for {base} x {levels}");
    }
}

#[test]
fn the_record_set_keeps_its_figures() {
    let set = ParameterSet::from_json(include_bytes!("../../parameters/record-2048.json")).unwrap();
    let total = Noise::key_switch(&set).plus(Noise::rotation_switch(&set));
    assert!(
        (total.sigma() * 512.0 - 0.55).abs() < 0.01,
        "{}",
        total.sigma() * 512.0
    );
    assert_eq!(Noise::word_rounding(&set), Noise::default());
}

#[test]
fn digits_have_the_stated_second_moment() {
    let mut draw = Draw(1);
    for (base, levels) in [(1, 9), (2, 8), (4, 3), (11, 2), (15, 2)] {
        let samples = 20_000;
        let digits: Vec<f64> = draw
            .words(samples)
            .into_iter()
            .flat_map(|word| decompose(word, base, levels).1)
            .map(|digit| f64::from(i32::try_from(digit).unwrap()))
            .collect();
        let sum = digits.iter().map(|d| d * d).sum::<f64>();
        near(sum / to_f64(samples), digit_moments(base, levels), 0.03);
    }
}

#[test]
fn the_decomposition_of_these_tests_is_one() {
    let mut draw = Draw(2);
    for word in draw.words(1000) {
        let (value, digits) = decompose(word, 5, 4);
        let sum = digits.iter().zip(0..).fold(0_u64, |sum, (digit, level)| {
            sum.wrapping_add(digit.cast_unsigned().wrapping_shl(44 + 5 * level))
        });
        assert_eq!(sum, value);
        assert!(word.wrapping_sub(value).wrapping_add(1 << 43) <= 1 << 44);
    }
}

#[test]
fn switching_positions_is_centred_at_the_mean_key_bit() {
    let mut draw = Draw(3);
    for (block, lwe_dimension) in [(4, 800), (6, 810), (1, 900)] {
        let set = ParameterSet {
            lwe_block: block,
            lwe_dimension,
            ..image()
        };
        let log2 = 1 + set.polynomial_size.ilog2();
        let errors: Vec<f64> = (0..4000)
            .map(|_| {
                let secret = draw.blocks(lwe_dimension, block);
                let mut error = 0.0;
                let mut centring = 0.0;
                for s in secret {
                    let mask = draw.word();
                    let rounded = mask.wrapping_add(1 << (63 - log2)) >> (64 - log2) << (64 - log2);
                    let dropped = to_torus(mask.wrapping_sub(rounded));
                    centring += dropped * set.mean_small_bit();
                    error += dropped * to_f64(usize::try_from(s).unwrap());
                }
                let body = to_torus(draw.word() >> log2) - (-f64::from(log2) - 1.0).exp2();
                error - centring + body
            })
            .collect();
        near(deviation(&errors), Noise::rotation_switch(&set).sigma(), 0.06);
    }
}

#[test]
fn a_key_switch_adds_the_stated_noise() {
    let mut draw = Draw(4);
    // The key's noise rules, then what the digits drop.
    for (base, levels) in [(2, 8), (3, 2)] {
        let set = ParameterSet {
            key_switch_base_log2: base,
            key_switch_levels: levels,
            ..toy()
        };
        let errors: Vec<f64> = (0..4000)
            .map(|_| {
                let secret = draw.bits(set.large_dimension());
                let mut error = 0_u64;
                for s in secret {
                    let mask = draw.word();
                    let (value, digits) = decompose(mask, base, levels);
                    let dropped = mask.wrapping_sub(value).cast_signed();
                    let centred = dropped * s.cast_signed() - dropped / 2;
                    error = error.wrapping_add(centred.cast_unsigned());
                    for digit in digits {
                        error = error.wrapping_add(draw.noise(-20.0).wrapping_mul(digit.cast_unsigned()));
                    }
                }
                to_torus(error)
            })
            .collect();
        near(deviation(&errors), Noise::key_switch(&set).sigma(), 0.06);
    }
}

#[test]
fn packing_adds_the_stated_noise() {
    let mut draw = Draw(5);
    for (base_log2, levels, used) in [(6, 2, 16), (6, 2, 3), (12, 1, 16), (2, 2, 16)] {
        let packing = Packing {
            polynomial_size: 16,
            glwe_dimension: 4,
            noise_log2: -24.0,
            base_log2,
            levels,
        };
        let set = toy();
        let secret = draw.bits(set.large_dimension());
        let mut errors = Vec::new();
        for _ in 0..60 {
            let mut sum = vec![0_u64; 16];
            for place in 0..used {
                for &s in &secret {
                    let mask = draw.word();
                    let (value, digits) = decompose(mask, base_log2, levels);
                    let dropped = mask.wrapping_sub(value).wrapping_mul(s);
                    sum[place] = sum[place].wrapping_add(dropped);
                    for digit in digits {
                        // A row's noise is a polynomial: shifting it to the place changes signs only.
                        for sum in &mut sum {
                            let term = draw.noise(packing.noise_log2).wrapping_mul(digit.cast_unsigned());
                            *sum = sum.wrapping_add(term);
                        }
                    }
                }
            }
            errors.extend(sum[..used].iter().map(|&word| to_torus(word)));
        }
        near(
            deviation(&errors),
            Noise::packing(&set, &packing, used).sigma(),
            0.2,
        );
    }
}

/// Adds `a * b` modulo X^N + 1 to `sum`.
fn add_product(sum: &mut [u64], a: &[u64], b: &[u64]) {
    let n = sum.len();
    for (i, &b) in b.iter().enumerate().filter(|(_, b)| **b != 0) {
        for (j, &a) in a.iter().enumerate() {
            let (place, wraps) = ((i + j) % n, i + j >= n);
            let term = if wraps { a.wrapping_neg() } else { a }.wrapping_mul(b);
            sum[place] = sum[place].wrapping_add(term);
        }
    }
}

/// A GLWE ciphertext of `message`, `[k + 1][N]`.
fn encrypt(draw: &mut Draw, set: &ParameterSet, secret: &[u64], message: &[u64]) -> Vec<u64> {
    let size = set.polynomial_size;
    let mask = draw.words(secret.len());
    let mut body: Vec<u64> = message
        .iter()
        .map(|m| m.wrapping_add(draw.noise(set.glwe_noise_log2)))
        .collect();
    for (mask, secret) in mask.chunks(size).zip(secret.chunks(size)) {
        add_product(&mut body, mask, secret);
    }
    [mask, body].concat()
}

fn phase(secret: &[u64], ciphertext: &[u64], size: usize) -> Vec<u64> {
    let (mask, body) = ciphertext.split_at(secret.len());
    let mut negated: Vec<u64> = body.iter().map(|b| b.wrapping_neg()).collect();
    for (mask, secret) in mask.chunks(size).zip(secret.chunks(size)) {
        add_product(&mut negated, mask, secret);
    }
    negated.iter().map(|p| p.wrapping_neg()).collect()
}

/// One rotation of a random polynomial by random exponents, in exact arithmetic: the errors of its phase.
fn rotation_errors(draw: &mut Draw, set: &ParameterSet) -> Vec<f64> {
    let (size, columns) = (set.polynomial_size, set.glwe_dimension + 1);
    let large = draw.bits(set.large_dimension());
    let small = draw.blocks(set.lwe_dimension, set.lwe_block);
    let table = draw.words(size);
    let mut accumulator = encrypt(draw, set, &large, &table);
    let mut want = phase(&large, &accumulator, size);
    for block in small.chunks(set.lwe_block) {
        let digits: Vec<Vec<i64>> = accumulator
            .iter()
            .map(|&word| decompose(word, set.rotation_base_log2, set.rotation_levels).1)
            .collect();
        let mut sum = vec![0_u64; accumulator.len()];
        for &bit in block {
            let mut factor = vec![0; size];
            let exponent = usize::try_from(draw.below(2 * size as u64)).unwrap();
            let sign: i64 = if exponent < size { 1 } else { -1 };
            factor[exponent % size] = sign.cast_unsigned();
            factor[0] = factor[0].wrapping_sub(1);
            let mut product = vec![0; accumulator.len()];
            for row in 0..columns {
                for level in 0..set.rotation_levels {
                    let weight = bit << (64 - set.rotation_base_log2 * (set.rotation_levels - level));
                    let mut message = vec![0; size];
                    match large.chunks(size).nth(row) {
                        Some(secret) => message
                            .iter_mut()
                            .zip(secret)
                            .for_each(|(m, s)| *m = weight.wrapping_mul(*s).wrapping_neg()),
                        None => message[0] = weight,
                    }
                    let key = encrypt(draw, set, &large, &message);
                    let digit: Vec<u64> = digits[row * size..][..size]
                        .iter()
                        .map(|digits| digits[level as usize].cast_unsigned())
                        .collect();
                    for (product, key) in product.chunks_mut(size).zip(key.chunks(size)) {
                        add_product(product, key, &digit);
                    }
                }
            }
            for (sum, product) in sum.chunks_mut(size).zip(product.chunks(size)) {
                add_product(sum, product, &factor);
            }
            if bit == 1 {
                let old = want.clone();
                add_product(&mut want, &old, &factor);
            }
        }
        for (word, sum) in accumulator.iter_mut().zip(sum) {
            *word = word.wrapping_add(sum);
        }
    }
    let got = phase(&large, &accumulator, size);
    got.iter()
        .zip(want)
        .map(|(got, want)| to_torus(got.wrapping_sub(want)))
        .collect()
}

#[test]
fn a_rotation_in_blocks_adds_the_stated_noise() {
    let mut draw = Draw(6);
    // The key's noise rules twice, then what the decomposition drops.
    for (block, noise_log2, base, levels) in [
        (4, -30.0, 8, 3),
        (2, -30.0, 8, 3),
        (4, -50.0, 9, 2),
        (3, -50.0, 9, 2),
    ] {
        let set = ParameterSet {
            lwe_block: block,
            glwe_noise_log2: noise_log2,
            rotation_base_log2: base,
            rotation_levels: levels,
            ..toy()
        };
        let errors: Vec<f64> = (0..60).flat_map(|_| rotation_errors(&mut draw, &set)).collect();
        near(deviation(&errors), Noise::rotation(&set).sigma(), 0.15);
    }
}
