//! The kernel against definitions, on every vector width this processor has.

use pulp::{Scalar, Simd, WithSimd};

use super::{
    RotationInput, RotationKey, Shape,
    kernel::Rotate,
    key::to_torus,
    transform::{Accumulate, BeginEighth, FinishEighth, First, Transform, bit_reverse},
};

/// xorshift64*, enough for test data.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }
}

/// Runs `work` with each vector width there is.
fn on_every_width<W: WithSimd<Output = ()>>(work: impl Fn() -> W) {
    work().with_simd(Scalar);
    #[cfg(target_arch = "x86_64")]
    {
        if let Some(simd) = pulp::x86::V3::try_new() {
            Simd::vectorize(simd, work());
        }
        if let Some(simd) = pulp::x86::V4::try_new() {
            Simd::vectorize(simd, work());
        }
    }
}

/// Transforms a polynomial, compares with its values at the roots, and comes back.
struct RoundTrip {
    size: usize,
}

impl WithSimd for RoundTrip {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (size, points) = (self.size, self.size / 2);
        let transform = &Transform::new(size);
        let lanes = S::F64_LANES;
        let mut random = Random(size as u64);
        let coefficients: Vec<f64> = (0..size).map(|_| to_torus(random.next())).collect();
        let polynomial: Vec<f64> = coefficients.iter().flat_map(|&c| vec![c; lanes]).collect();
        let mut values = vec![0.0; size * lanes];
        First {
            transform,
            polynomial: &polynomial,
            values: &mut values,
        }
        .with_simd(simd);
        for values in values.chunks_exact_mut(size * lanes / 8) {
            FinishEighth { transform, values }.with_simd(simd);
        }
        for position in [0, 1, 7, points / 2 + 3, points - 1] {
            let root = bit_reverse(position, points.ilog2());
            let (mut re, mut im) = (0.0, 0.0);
            for (j, c) in coefficients.iter().enumerate() {
                let turns = (j * (4 * size - 4 * root + 1)) % (2 * size);
                #[expect(clippy::cast_precision_loss, reason = "both are below 2^20")]
                let angle = std::f64::consts::PI * turns as f64 / size as f64;
                re += c * angle.cos();
                im += c * angle.sin();
            }
            let (got_re, got_im) = (values[2 * position * lanes], values[(2 * position + 1) * lanes]);
            assert!(
                (got_re - re).abs() < 1e-9 && (got_im - im).abs() < 1e-9,
                "{size} at {position}"
            );
        }
        for values in values.chunks_exact_mut(size * lanes / 8) {
            BeginEighth { transform, values }.with_simd(simd);
        }
        let mut back = vec![0.0; size * lanes];
        Accumulate {
            transform,
            values: &values,
            polynomial: &mut back,
        }
        .with_simd(simd);
        for (got, want) in back.chunks_exact(lanes).zip(&coefficients) {
            assert!(got.iter().all(|g| (g - want).abs() < 1e-12), "{size}");
        }
    }
}

#[test]
fn transforms_agree_with_their_definition_and_come_back() {
    for size in [256, 512, 1024, 2048, 4096] {
        on_every_width(|| RoundTrip { size });
    }
}

/// A key without noise whose masks have two coefficients each, so that it can be made by hand.
struct HandMade {
    shape: Shape,
    small: Vec<u64>,
    large: Vec<Vec<u64>>,
    words: Vec<u64>,
}

impl HandMade {
    fn new(shape: Shape, random: &mut Random) -> Self {
        let size = shape.polynomial_size;
        let mut small = vec![0; shape.lwe_dimension];
        for block in small.chunks_exact_mut(shape.block) {
            let one = random.below(shape.block + 1);
            if let Some(bit) = block.get_mut(one) {
                *bit = 1;
            }
        }
        let large: Vec<Vec<u64>> = (0..shape.glwe_dimension)
            .map(|_| (0..size).map(|_| random.next() >> 63).collect())
            .collect();
        let mut key = Self {
            shape,
            small,
            large,
            words: Vec::new(),
        };
        for bit in 0..shape.lwe_dimension {
            for level in (1..=shape.levels).rev() {
                for row in 0..=shape.glwe_dimension {
                    key.push_row(bit, level, row, random);
                }
            }
        }
        key
    }

    fn push_row(&mut self, bit: usize, level: usize, row: usize, random: &mut Random) {
        let size = self.shape.polynomial_size;
        let weight = self.small[bit] << (64 - self.shape.base_log2 as usize * level);
        let mut body = vec![0_u64; size];
        for secret in &self.large {
            let mut mask = vec![0_u64; size];
            for _ in 0..2 {
                let (at, value) = (random.below(size), random.next());
                mask[at] = mask[at].wrapping_add(value);
                for (j, s) in secret.iter().enumerate() {
                    let (to, term) = ((at + j) % size, value.wrapping_mul(*s));
                    let sign = if at + j < size { term } else { term.wrapping_neg() };
                    body[to] = body[to].wrapping_add(sign);
                }
            }
            self.words.extend(mask);
        }
        match self.large.get(row) {
            Some(secret) => {
                for (b, s) in body.iter_mut().zip(secret) {
                    *b = b.wrapping_sub(weight.wrapping_mul(*s));
                }
            }
            None => body[0] = body[0].wrapping_add(weight),
        }
        self.words.extend(body);
    }

    /// Phase of an answer, in units of the torus.
    fn phase(&self, ciphertext: &[u32]) -> f64 {
        let (body, mask) = ciphertext.split_last().unwrap();
        let mut phase = *body;
        for (a, s) in mask.iter().zip(self.large.iter().flatten()) {
            phase = phase.wrapping_sub(a.wrapping_mul(u32::try_from(*s).unwrap()));
        }
        f64::from(phase.cast_signed()) / 4_294_967_296.0
    }
}

struct Case<'a> {
    key: &'a HandMade,
    rotation: &'a RotationKey,
    count: usize,
    bound: f64,
}

impl WithSimd for Case<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let shape = self.key.shape;
        let size = shape.polynomial_size;
        let mut random = Random(99);
        let table: Vec<f64> = (0..size).map(|_| to_torus(random.next()) * 0.4).collect();
        let masks: Vec<Vec<u16>> = (0..self.count)
            .map(|_| {
                let position = |_| u16::try_from(random.below(2 * size)).unwrap();
                (0..shape.lwe_dimension).map(position).collect()
            })
            .collect();
        let inputs: Vec<RotationInput<'_>> = masks
            .iter()
            .enumerate()
            .map(|(i, mask)| RotationInput {
                mask,
                body: u16::try_from((i * 977 + 5) % (2 * size)).unwrap(),
                table: &table,
            })
            .collect();
        let words = shape.glwe_dimension * size + 1;
        let mut out = vec![0; self.count * words];
        Rotate {
            key: self.rotation,
            inputs: &inputs,
            out: &mut out,
        }
        .with_simd(simd);
        for (input, answer) in inputs.iter().zip(out.chunks_exact(words)) {
            let mut position = usize::from(input.body);
            for (a, s) in input.mask.iter().zip(&self.key.small) {
                position += 2 * size - usize::from(*a) * usize::try_from(*s).unwrap();
            }
            let position = position % (2 * size);
            let want = if position < size {
                table[position]
            } else {
                -table[position - size]
            };
            let error = self.key.phase(answer) - want;
            let error = error - error.round();
            assert!(error.abs() < self.bound, "{shape:?}: {error} at {position}");
        }
    }
}

#[test]
fn looks_up_what_the_phase_says_for_every_shape_and_width() {
    let shape = |polynomial_size, glwe_dimension, block, base_log2, levels| Shape {
        polynomial_size,
        glwe_dimension,
        lwe_dimension: 6 * block,
        block,
        base_log2,
        levels,
    };
    // Dropped digits and transforms leave less than these; a wrong rotation is off by about a tenth.
    let cases = [
        (shape(256, 1, 1, 10, 2), 2e-3),
        (shape(512, 2, 3, 15, 2), 1e-5),
        (shape(1024, 2, 4, 15, 2), 1e-5),
        (shape(1024, 2, 4, 23, 1), 1e-3),
        (shape(1024, 2, 5, 12, 3), 1e-5),
        (shape(2048, 1, 6, 15, 2), 1e-5),
        (shape(2048, 1, 8, 23, 1), 1e-3),
        (shape(512, 1, 2, 12, 3), 1e-5),
    ];
    for (shape, bound) in cases {
        let key = HandMade::new(shape, &mut Random(7));
        let rotation = RotationKey::new(shape, &key.words).unwrap();
        on_every_width(|| Case {
            key: &key,
            rotation: &rotation,
            count: 11,
            bound,
        });
    }
}

#[test]
fn a_ciphertext_answers_alike_in_every_lane_and_batch() {
    let shape = Shape {
        polynomial_size: 512,
        glwe_dimension: 2,
        lwe_dimension: 24,
        block: 4,
        base_log2: 15,
        levels: 2,
    };
    let key = HandMade::new(shape, &mut Random(3));
    let rotation = RotationKey::new(shape, &key.words).unwrap();
    let mut random = Random(4);
    let mask: Vec<u16> = (0..24)
        .map(|_| u16::try_from(random.below(1024)).unwrap())
        .collect();
    let table: Vec<f64> = (0..512).map(|_| to_torus(random.next())).collect();
    let input = RotationInput {
        mask: &mask,
        body: 77,
        table: &table,
    };
    let mut alone = vec![0; 1025];
    rotation.rotate(&[input], &mut alone);
    let mut batch = vec![0; 19 * 1025];
    rotation.rotate(&[input; 19], &mut batch);
    assert!(batch.chunks_exact(1025).all(|answer| answer == alone));
}

#[test]
fn refuses_shapes_and_keys_it_is_not_made_for() {
    let shape = Shape {
        polynomial_size: 512,
        glwe_dimension: 1,
        lwe_dimension: 4,
        block: 2,
        base_log2: 15,
        levels: 1,
    };
    let words = vec![0; 4 * 4 * 512];
    assert!(RotationKey::new(shape, &words).is_some());
    assert!(RotationKey::new(shape, &words[1..]).is_none());
    for bad in [
        Shape {
            polynomial_size: 500,
            ..shape
        },
        Shape {
            glwe_dimension: 3,
            ..shape
        },
        Shape {
            lwe_dimension: 5,
            ..shape
        },
        Shape { block: 0, ..shape },
        Shape { levels: 4, ..shape },
    ] {
        assert!(RotationKey::new(bad, &words).is_none(), "{bad:?}");
    }
}
