//! Rounding torus words to their top bits and packing those.
//!
//! Rounding a public word is post-processing and leaks nothing; it adds at most half a unit of the last
//! kept bit.

/// Bytes of `count` words of `bits` bits, the last byte filled with zeros.
pub fn packed_len(count: usize, bits: u32) -> usize {
    (count * bits as usize).div_ceil(8)
}

/// Rounds each word to its top `bits` (1 to 64) and packs them, least significant bit first.
///
/// Rounding is to nearest, ties up, modulo the torus.
pub fn pack(words: impl ExactSizeIterator<Item = u64>, bits: u32) -> Vec<u8> {
    let mut out = Vec::with_capacity(packed_len(words.len(), bits) + 16);
    let drop = 64 - bits;
    let half = if drop == 0 { 0 } else { 1_u64 << (drop - 1) };
    let (mut buffer, mut filled) = (0_u128, 0_u32);
    for word in words {
        buffer |= u128::from(word.wrapping_add(half) >> drop) << filled;
        filled += bits;
        while filled >= 8 {
            out.push(buffer.to_le_bytes()[0]);
            buffer >>= 8;
            filled -= 8;
        }
    }
    if filled > 0 {
        out.push(buffer.to_le_bytes()[0]);
    }
    out
}

/// Reverses [`pack`]: `count` words with their low `64 - bits` bits zero.
///
/// `None` unless `bytes` has exactly the packed length and its filling bits are zero.
pub fn unpack(bytes: &[u8], count: usize, bits: u32) -> Option<Vec<u64>> {
    if !(1..=64).contains(&bits) || bytes.len() != count.checked_mul(bits as usize)?.div_ceil(8) {
        return None;
    }
    let mut out = Vec::with_capacity(count);
    let (mut buffer, mut filled) = (0_u128, 0_u32);
    let mut bytes = bytes.iter();
    let mask = (1_u128 << bits) - 1;
    for _ in 0..count {
        while filled < bits {
            buffer |= u128::from(*bytes.next()?) << filled;
            filled += 8;
        }
        let word = u64::try_from(buffer & mask).ok()?;
        out.push(word << (64 - bits));
        buffer >>= bits;
        filled -= bits;
    }
    (buffer == 0).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn unpacks_what_was_packed_within_half_a_unit(words in prop::collection::vec(any::<u64>(), 0..70), bits in 1_u32..=64) {
            let bytes = pack(words.iter().copied(), bits);
            prop_assert_eq!(bytes.len(), packed_len(words.len(), bits));
            let back = unpack(&bytes, words.len(), bits).unwrap();
            let half = if bits == 64 { 0 } else { 1_u64 << (63 - bits) };
            for (a, b) in words.iter().zip(&back) {
                prop_assert!(a.wrapping_sub(*b).wrapping_add(half) <= half.saturating_mul(2));
            }
        }

        #[test]
        fn refuses_other_lengths(len in 0_usize..40, count in 0_usize..20, bits in 1_u32..=64) {
            prop_assert_eq!(unpack(&vec![0; len], count, bits).is_some(), len == packed_len(count, bits));
        }
    }

    #[test]
    fn refuses_set_filling_bits() {
        assert!(unpack(&[0b0000_1111], 1, 4).is_some());
        assert!(unpack(&[0b0001_1111], 1, 4).is_none());
    }
}
