//! The multiply-add of the key switch on the instruction sets it is written for: same integers on all.
//!
//! A key word of 32 bits is kept as two signed halves, `low + (high << 16)`, and the words of two rows lie
//! side by side, so that one instruction multiplies 16-bit numbers of both rows with their digits and adds.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{__m256i, __m512i};

#[cfg(target_arch = "x86_64")]
use pulp::x86::{V3, V4};

/// Words of a column strip.
pub(super) const WORDS: usize = 16;

/// One half of the words of a strip in two rows, `[word][row]`, in one cache line.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(super) struct Line(pub(super) [i16; 2 * WORDS]);

/// Vectors of 32-bit sums.
pub(super) trait Lanes: Copy {
    /// A vector of sums, or of pairs of 16-bit numbers.
    type Sums: Copy;
    /// Vectors of a line.
    const PARTS: usize;
    /// Ciphertexts that share a load of the key, as many as there are registers for; divides eight.
    const SHARE: usize;
    /// The same 32-bit number in all lanes.
    fn splat(self, number: u32) -> Self::Sums;
    /// Vector `part` of a line.
    fn load(self, line: &Line, part: usize) -> Self::Sums;
    /// In each lane `sum + key[0] * digits[0] + key[1] * digits[1]` on signed 16-bit halves.
    fn add_products(self, sum: Self::Sums, key: Self::Sums, digits: Self::Sums) -> Self::Sums;
    /// Adds `low + (high << 16)` to vector `part` of a strip.
    fn add_to(self, words: &mut [u32; WORDS], part: usize, low: Self::Sums, high: Self::Sums);
}

#[cfg(target_arch = "x86_64")]
pulp::simd_type! {
    /// AVX-512 with its 16-bit multiply-add (VNNI), into which the compiler joins multiplication and addition.
    pub(super) struct Vnni {
        pub(super) avx512f: "avx512f",
        pub(super) avx512bw: "avx512bw",
        pub(super) avx512vnni: "avx512vnni",
    }
}

#[cfg(target_arch = "x86_64")]
macro_rules! lanes_512 {
    ($name: ident) => {
        impl Lanes for $name {
            type Sums = __m512i;
            const PARTS: usize = 1;
            const SHARE: usize = 8;

            #[inline(always)]
            fn splat(self, number: u32) -> __m512i {
                self.avx512f._mm512_set1_epi32(number.cast_signed())
            }

            #[inline(always)]
            fn load(self, line: &Line, _part: usize) -> __m512i {
                pulp::cast(line.0)
            }

            #[inline(always)]
            fn add_products(self, sum: __m512i, key: __m512i, digits: __m512i) -> __m512i {
                self.avx512f
                    ._mm512_add_epi32(sum, self.avx512bw._mm512_madd_epi16(key, digits))
            }

            #[inline(always)]
            fn add_to(self, words: &mut [u32; WORDS], _part: usize, low: __m512i, high: __m512i) {
                let high = self.avx512f._mm512_slli_epi32::<16>(high);
                let sum = self.avx512f._mm512_add_epi32(low, high);
                *words = pulp::cast(self.avx512f._mm512_add_epi32(pulp::cast(*words), sum));
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
    const SHARE: usize = 4;

    #[inline(always)]
    fn splat(self, number: u32) -> __m256i {
        self.avx._mm256_set1_epi32(number.cast_signed())
    }

    #[inline(always)]
    fn load(self, line: &Line, part: usize) -> __m256i {
        pulp::cast(line.0.as_chunks::<WORDS>().0[part % 2])
    }

    #[inline(always)]
    fn add_products(self, sum: __m256i, key: __m256i, digits: __m256i) -> __m256i {
        self.avx2
            ._mm256_add_epi32(sum, self.avx2._mm256_madd_epi16(key, digits))
    }

    #[inline(always)]
    fn add_to(self, words: &mut [u32; WORDS], part: usize, low: __m256i, high: __m256i) {
        let words = &mut words.as_chunks_mut::<8>().0[part % 2];
        let sum = self
            .avx2
            ._mm256_add_epi32(low, self.avx2._mm256_slli_epi32::<16>(high));
        *words = pulp::cast(self.avx2._mm256_add_epi32(pulp::cast(*words), sum));
    }
}

/// Plain code.
#[derive(Clone, Copy)]
pub(super) struct Plain;

impl Lanes for Plain {
    type Sums = [u32; 4];
    const PARTS: usize = 4;
    const SHARE: usize = 4;

    #[inline(always)]
    fn splat(self, number: u32) -> [u32; 4] {
        [number; 4]
    }

    #[inline(always)]
    fn load(self, line: &Line, part: usize) -> [u32; 4] {
        pulp::cast(line.0.as_chunks::<8>().0[part % 4])
    }

    #[inline(always)]
    fn add_products(self, mut sum: [u32; 4], key: [u32; 4], digits: [u32; 4]) -> [u32; 4] {
        let [key, digits]: [[i16; 8]; 2] = [pulp::cast(key), pulp::cast(digits)];
        for (lane, sum) in sum.iter_mut().enumerate() {
            let product = |row: usize| i32::from(key[2 * lane + row]) * i32::from(digits[2 * lane + row]);
            *sum = sum.wrapping_add(product(0).wrapping_add(product(1)).cast_unsigned());
        }
        sum
    }

    #[inline(always)]
    fn add_to(self, words: &mut [u32; WORDS], part: usize, low: [u32; 4], high: [u32; 4]) {
        let words = &mut words.as_chunks_mut::<4>().0[part % 4];
        for ((word, low), high) in words.iter_mut().zip(low).zip(high) {
            *word = word.wrapping_add(low).wrapping_add(high << 16);
        }
    }
}
