//! The multiply-add of the product on the instruction sets it is written for: same integers on all.
//!
//! A word of 32 bits is kept as two signed halves, `low + (high << 16)`, and the words of two taps lie side by
//! side, so that one instruction multiplies 16-bit numbers of both taps with their weights and adds.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{__m256i, __m512i};

#[cfg(target_arch = "x86_64")]
use pulp::x86::{V3, V4};

/// Words of a line.
pub(super) const WORDS: usize = 16;

/// One half of a line of words of two taps, the first tap in the lower 16 bits, in one cache line.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(super) struct Line(pub(super) [u32; WORDS]);

/// 64-bit words whose sums are kept side by side.
pub(super) const LONGS: usize = 8;

/// Vectors of 32-bit sums, and of 64-bit sums.
pub(super) trait Lanes: Copy {
    /// A vector of sums, or of pairs of 16-bit numbers.
    type Sums: Copy;
    /// Vectors of a line.
    const PARTS: usize;
    /// The same 32-bit number in all lanes.
    fn splat(self, number: u32) -> Self::Sums;
    /// Vector `part` of a line.
    fn load(self, line: &Line, part: usize) -> Self::Sums;
    /// In each lane `sum + words[0] * weights[0] + words[1] * weights[1]` on signed 16-bit halves.
    fn add_products(self, sum: Self::Sums, words: Self::Sums, weights: Self::Sums) -> Self::Sums;
    /// Writes `low + (high << 16)` to vector `part` of a line.
    fn store(self, words: &mut [u32; WORDS], part: usize, low: Self::Sums, high: Self::Sums);
    /// 64-bit words.
    type Longs: Copy;
    /// The same number in all of them.
    fn splat_longs(self, number: u64) -> Self::Longs;
    /// The words as they lie in memory.
    fn longs(self, words: [u64; LONGS]) -> Self::Longs;
    /// `sum + words * weight` modulo 2^64.
    fn add_long_products(self, sum: Self::Longs, words: Self::Longs, weight: Self::Longs) -> Self::Longs;
    /// The words for the memory.
    fn store_longs(self, longs: Self::Longs) -> [u64; LONGS];
}

#[cfg(target_arch = "x86_64")]
pulp::simd_type! {
    /// AVX-512 with its 16-bit multiply-add (VNNI), into which the compiler joins multiplication and addition.
    pub(super) struct Vnni {
        pub(super) avx512f: "avx512f",
        pub(super) avx512bw: "avx512bw",
        pub(super) avx512dq: "avx512dq",
        pub(super) avx512vl: "avx512vl",
        pub(super) avx512vnni: "avx512vnni",
    }
}

#[cfg(target_arch = "x86_64")]
macro_rules! lanes_512 {
    ($name: ident) => {
        impl Lanes for $name {
            type Sums = __m512i;
            const PARTS: usize = 1;

            #[inline(always)]
            fn splat(self, number: u32) -> __m512i {
                self.avx512f._mm512_set1_epi32(number.cast_signed())
            }

            #[inline(always)]
            fn load(self, line: &Line, _part: usize) -> __m512i {
                pulp::cast(line.0)
            }

            #[inline(always)]
            fn add_products(self, sum: __m512i, words: __m512i, weights: __m512i) -> __m512i {
                self.avx512f
                    ._mm512_add_epi32(sum, self.avx512bw._mm512_madd_epi16(words, weights))
            }

            #[inline(always)]
            fn store(self, words: &mut [u32; WORDS], _part: usize, low: __m512i, high: __m512i) {
                let high = self.avx512f._mm512_slli_epi32::<16>(high);
                *words = pulp::cast(self.avx512f._mm512_add_epi32(low, high));
            }

            type Longs = __m512i;

            #[inline(always)]
            fn splat_longs(self, number: u64) -> __m512i {
                self.avx512f._mm512_set1_epi64(number.cast_signed())
            }

            #[inline(always)]
            fn longs(self, words: [u64; LONGS]) -> __m512i {
                pulp::cast(words)
            }

            #[inline(always)]
            fn add_long_products(self, sum: __m512i, words: __m512i, weight: __m512i) -> __m512i {
                self.avx512f
                    ._mm512_add_epi64(sum, self.avx512dq._mm512_mullo_epi64(words, weight))
            }

            #[inline(always)]
            fn store_longs(self, longs: __m512i) -> [u64; LONGS] {
                pulp::cast(longs)
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
lanes_512!(Vnni);
#[cfg(target_arch = "x86_64")]
lanes_512!(V4);

#[cfg(target_arch = "x86_64")]
impl Lanes for V3 {
    type Sums = __m256i;
    const PARTS: usize = 2;

    #[inline(always)]
    fn splat(self, number: u32) -> __m256i {
        self.avx._mm256_set1_epi32(number.cast_signed())
    }

    #[inline(always)]
    fn load(self, line: &Line, part: usize) -> __m256i {
        let halves: [__m256i; 2] = pulp::cast(line.0);
        halves[part % 2]
    }

    #[inline(always)]
    fn add_products(self, sum: __m256i, words: __m256i, weights: __m256i) -> __m256i {
        self.avx2
            ._mm256_add_epi32(sum, self.avx2._mm256_madd_epi16(words, weights))
    }

    #[inline(always)]
    fn store(self, words: &mut [u32; WORDS], part: usize, low: __m256i, high: __m256i) {
        let high = self.avx2._mm256_slli_epi32::<16>(high);
        let mut halves: [__m256i; 2] = pulp::cast(*words);
        halves[part % 2] = self.avx2._mm256_add_epi32(low, high);
        *words = pulp::cast(halves);
    }

    type Longs = [__m256i; 2];

    #[inline(always)]
    fn splat_longs(self, number: u64) -> Self::Longs {
        [self.avx._mm256_set1_epi64x(number.cast_signed()); 2]
    }

    #[inline(always)]
    fn longs(self, words: [u64; LONGS]) -> Self::Longs {
        pulp::cast(words)
    }

    /// From products of 32-bit halves: there is no multiplication of 64-bit words.
    #[inline(always)]
    fn add_long_products(self, sum: Self::Longs, words: Self::Longs, weight: Self::Longs) -> Self::Longs {
        let avx2 = self.avx2;
        std::array::from_fn(|half| {
            let (x, w) = (words[half], weight[half]);
            let low = avx2._mm256_mul_epu32(x, w);
            let crossed = avx2._mm256_add_epi64(
                avx2._mm256_mul_epu32(avx2._mm256_srli_epi64::<32>(x), w),
                avx2._mm256_mul_epu32(x, avx2._mm256_srli_epi64::<32>(w)),
            );
            let product = avx2._mm256_add_epi64(low, avx2._mm256_slli_epi64::<32>(crossed));
            avx2._mm256_add_epi64(sum[half], product)
        })
    }

    #[inline(always)]
    fn store_longs(self, longs: Self::Longs) -> [u64; LONGS] {
        pulp::cast(longs)
    }
}

/// Plain code.
#[derive(Clone, Copy)]
pub(super) struct Plain;

impl Lanes for Plain {
    type Sums = [u32; 4];
    const PARTS: usize = 4;

    #[inline(always)]
    fn splat(self, number: u32) -> [u32; 4] {
        [number; 4]
    }

    #[inline(always)]
    fn load(self, line: &Line, part: usize) -> [u32; 4] {
        let parts: [[u32; 4]; 4] = pulp::cast(line.0);
        parts[part % 4]
    }

    #[inline(always)]
    fn add_products(self, sum: [u32; 4], words: [u32; 4], weights: [u32; 4]) -> [u32; 4] {
        std::array::from_fn(|lane| {
            let [words, weights]: [[i16; 2]; 2] = [words[lane], weights[lane]].map(pulp::cast);
            let products = [0, 1].map(|tap| i32::from(words[tap]) * i32::from(weights[tap]));
            // Two products of -2^15 with itself sum to 2^31, which wraps as it does in the vectors.
            sum[lane].wrapping_add(products[0].wrapping_add(products[1]).cast_unsigned())
        })
    }

    #[inline(always)]
    fn store(self, words: &mut [u32; WORDS], part: usize, low: [u32; 4], high: [u32; 4]) {
        let words = &mut words.as_chunks_mut::<4>().0[part % 4];
        for ((word, low), high) in words.iter_mut().zip(low).zip(high) {
            *word = low.wrapping_add(high << 16);
        }
    }

    type Longs = [u64; LONGS];

    #[inline(always)]
    fn splat_longs(self, number: u64) -> Self::Longs {
        [number; LONGS]
    }

    #[inline(always)]
    fn longs(self, words: [u64; LONGS]) -> Self::Longs {
        words
    }

    #[inline(always)]
    fn add_long_products(self, sum: Self::Longs, words: Self::Longs, weight: Self::Longs) -> Self::Longs {
        std::array::from_fn(|lane| sum[lane].wrapping_add(words[lane].wrapping_mul(weight[lane])))
    }

    #[inline(always)]
    fn store_longs(self, longs: Self::Longs) -> [u64; LONGS] {
        longs
    }
}
