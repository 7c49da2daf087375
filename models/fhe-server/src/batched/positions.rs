//! The switch from 32-bit words to the 2 N positions of a rotation.

use obscura_fhe_core::ParameterSet;

/// Rounds ciphertexts under the small secret to positions.
///
/// What rounding the mask adds to a phase has a mean that anyone can compute, because the mean of a key bit is
/// known: it is taken off the body before that is rounded, and what is left has the smallest variance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Positions {
    /// Bits dropped of each word.
    dropped: u32,
    /// One over the mean key bit.
    patterns: i64,
}

impl Positions {
    pub(super) fn new(set: &ParameterSet) -> Self {
        Self {
            dropped: 31 - set.polynomial_size.ilog2(),
            patterns: i64::try_from(set.lwe_block + 1).unwrap_or(i64::MAX),
        }
    }

    /// Positions of `ciphertext`, mask then body; `out` has as many elements.
    pub(super) fn switch(self, ciphertext: &[u32], out: &mut [u16]) {
        let (Some((&body, mask)), Some((out_body, out_mask))) =
            (ciphertext.split_last(), out.split_last_mut())
        else {
            return;
        };
        let mut added = 0_i64;
        for (out, &word) in out_mask.iter_mut().zip(mask) {
            let position = self.round(word);
            added += i64::from((position << self.dropped).wrapping_sub(word).cast_signed());
            *out = narrow(position);
        }
        let mean = (added + self.patterns / 2).div_euclid(self.patterns);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "modulo 2^32"
        )]
        let centred = body.wrapping_add(mean as u32);
        *out_body = narrow(self.round(centred));
    }

    fn round(self, word: u32) -> u32 {
        word.wrapping_add(1 << (self.dropped - 1)) >> self.dropped
    }
}

/// A position as it is kept.
fn narrow(position: u32) -> u16 {
    // N is at most 2^14, so that a position has at most 15 bits.
    u16::try_from(position).unwrap_or_default()
}
