//! Balanced digits of 32-bit words, for eight ciphertexts side by side.

/// Ciphertexts whose digits lie side by side, and which share each load of a key element.
pub(super) const GROUP: usize = 8;

/// How a word is cut into digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decomposition {
    /// Bits of a digit, 1 to 8.
    pub(super) base_log2: u32,
    /// Digits of a word; `base_log2 * levels` is at most 32.
    pub(super) levels: u32,
}

impl Decomposition {
    /// What rounding these words to the bits the digits cover adds to them, in the mean over a uniform binary
    /// secret they are multiplied with: half of it, because half of the secret's bits are one.
    ///
    /// Added to the body it leaves errors of mean zero. Inputs that share a ciphertext share mask words in
    /// shifted places, and errors around another mean would add up over neighbours.
    #[inline(always)]
    pub(super) fn mean_rounding(self, words: &[u32]) -> u32 {
        let sum: i64 = words.iter().map(|&word| i64::from(self.rounding(word))).sum();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "modulo 2^32"
        )]
        let mean = (sum >> 1) as u32;
        mean
    }

    /// What rounding a word to the bits the digits cover adds to it.
    #[inline(always)]
    fn rounding(self, word: u32) -> i32 {
        let below = (1 << self.dropped()) - 1;
        let half = self.half();
        (half.wrapping_sub(word.wrapping_add(half) & below)).cast_signed()
    }

    /// Bits of a word the digits do not cover, 0 to 31.
    #[inline(always)]
    fn dropped(self) -> u32 {
        32 - self.base_log2 * self.levels
    }

    /// Half of the last bit the digits cover.
    #[inline(always)]
    fn half(self) -> u32 {
        (1 << self.dropped()) >> 1
    }

    /// The digits of two words in each of eight ciphertexts, the finest level first, negated because the key
    /// switch subtracts, as 16-bit numbers in one 32-bit number: the first word's in the low half.
    ///
    /// A word is rounded to the bits the digits cover. Digits lie in `-base/2..=base/2`; which of the two ends
    /// is taken depends on the bits above, as in tfhe, and at the top on the word's lowest bit: the mean is
    /// zero, and the noise of a key's rows adds no constant to all results.
    #[inline(always)]
    pub(super) fn digits(self, words: [[u32; GROUP]; 2], out: &mut [[u32; GROUP]]) {
        let (dropped, half) = (self.dropped(), self.half());
        let above = 32 - dropped + self.base_log2 - 1;
        let coin = if above < 32 { (1, above) } else { (0, 0) };
        let start = |w: u32| (w.wrapping_add(half) >> dropped) | ((w & coin.0) << coin.1);
        let mut states = words.map(|words| words.map(start));
        for out in out {
            let [first, second] = &mut states;
            for lane in 0..GROUP {
                let low = self.next(&mut first[lane]);
                let high = self.next(&mut second[lane]);
                out[lane] = (low & 0xFFFF) | (high << 16);
            }
        }
    }

    /// Takes the lowest digit off `state`; the result is negated.
    #[inline(always)]
    fn next(self, state: &mut u32) -> u32 {
        let digit = *state & ((1 << self.base_log2) - 1);
        *state >>= self.base_log2;
        // 1 for digits over half the base, and for half of it when the digit above is at least that.
        let carry = ((digit.wrapping_sub(1) | *state) & digit) >> (self.base_log2 - 1);
        *state = state.wrapping_add(carry);
        (carry << self.base_log2).wrapping_sub(digit)
    }
}
