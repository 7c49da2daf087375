//! Drawing secret bits.

use tfhe::core_crypto::{
    commons::math::random::RandomGenerator, prelude::DefaultRandomGenerator, seeders::Seeder as _,
};
use zeroize::{Zeroize as _, Zeroizing};

use crate::entropy::OsSeeder;

/// Fills `bits` with a fresh block-binary secret: in each block of `block` bits at most one is 1, all
/// `block + 1` patterns equally likely. Blocks of one bit make a uniform binary secret.
///
/// `block` divides the number of bits. Which bits are 1 decides neither branch nor memory access; the number
/// of rejected draws, which timing may show, is independent of the accepted ones.
pub(crate) fn block_binary(bits: &mut [u64], block: usize, seeder: &mut OsSeeder) {
    // Each secret has its own seed, so that none follows from another's stream.
    let mut generator = RandomGenerator::<DefaultRandomGenerator>::new(seeder.seed());
    for block in bits.chunks_mut(block.max(1)) {
        let mut pattern = Zeroizing::new(up_to(block.len() as u64, &mut generator));
        for bit in block {
            // Branch-free: 1 exactly where the countdown stands at one.
            let difference = *pattern ^ 1;
            *bit = 1 ^ ((difference | difference.wrapping_neg()) >> 63);
            *pattern = pattern.wrapping_sub(1);
        }
    }
}

/// Whether each block of `block` bits has at most one 1; looks at every bit, whatever it finds.
pub(crate) fn is_block_binary(bits: &[u64], block: usize) -> bool {
    let blocks = bits.chunks(block.max(1)).map(|block| block.iter().sum::<u64>());
    blocks.fold(0, |excess, ones| excess | (ones >> 1)) == 0
}

/// A uniform number in 0..=max, by rejection.
fn up_to(max: u64, generator: &mut RandomGenerator<DefaultRandomGenerator>) -> u64 {
    let mask = u64::MAX >> max.leading_zeros();
    loop {
        let mut draw = generator.random_uniform::<u64>() & mask;
        if draw <= max {
            return draw;
        }
        draw.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(len: usize, block: usize) -> Vec<u64> {
        // Ones everywhere, so that a bit left unwritten shows.
        let mut bits = vec![u64::MAX; len];
        block_binary(&mut bits, block, &mut OsSeeder::new().unwrap());
        bits
    }

    #[test]
    fn patterns_have_at_most_one_bit_and_are_balanced() {
        for block in [1_usize, 2, 3, 4, 7] {
            let blocks = 20_000;
            let mut counts = vec![0_u32; block + 1];
            for pattern in secret(blocks * block, block).chunks(block) {
                assert!(pattern.iter().all(|&bit| bit <= 1));
                assert!(pattern.iter().sum::<u64>() <= 1);
                counts[pattern.iter().position(|&bit| bit == 1).map_or(0, |i| i + 1)] += 1;
            }
            let (total, p) = (20_000.0_f64, 1.0 / f64::from(u32::try_from(block + 1).unwrap()));
            let deviation = (total * p * (1.0 - p)).sqrt();
            for (pattern, &count) in counts.iter().enumerate() {
                let off = (f64::from(count) - total * p) / deviation;
                assert!(
                    off.abs() < 5.0,
                    "block {block}, pattern {pattern}: {off} deviations"
                );
            }
        }
    }

    #[test]
    fn secrets_are_fresh_each_time() {
        assert_ne!(secret(800, 4), secret(800, 4));
        assert_ne!(secret(800, 1), secret(800, 1));
    }
}
