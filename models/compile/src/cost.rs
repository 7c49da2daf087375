//! What a look-up costs under a parameter set: multiply-adds, weighted by how fast the kernel does each kind.
//!
//! The weights are ratios of measured times of the three parts on one processor with AVX-512; only their
//! proportion decides, and `cargo xtask bench engine` measures it again.

use obscura_fhe_core::ParameterSet;

/// Relative time of one butterfly operation of a transform, decomposition and accumulation included.
const TRANSFORM: f64 = 1.6;
/// Relative time of one floating-point operation of a product with the key: the unit.
const PRODUCT: f64 = 1.0;
/// Relative time of one multiply-add of 32-bit words in the key switch.
const KEY_SWITCH: f64 = 0.55;

/// Predicted cost of one look-up, in units of a floating-point operation of a product with the key.
pub fn look_up_cost(set: &ParameterSet) -> f64 {
    let (n, size) = (number(set.lwe_dimension), number(set.polynomial_size));
    let blocks = n / number(set.lwe_block.max(1));
    let columns = number(set.glwe_dimension + 1);
    let rows = columns * f64::from(set.rotation_levels);
    let points = size / 2.0;
    let transforms = blocks * (rows + columns) * 5.0 * points * points.log2();
    // Eight operations per complex multiply-add: rows times columns products and one factor per column.
    let products = n * (rows * columns + columns) * points * 8.0;
    let switch = number(set.large_dimension()) * f64::from(set.key_switch_levels) * (n + 1.0);
    TRANSFORM * transforms + PRODUCT * products + KEY_SWITCH * switch
}

fn number(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}
