//! How a circuit's integers lie on the torus, and the noise its encrypted evaluation adds.

/// Scales and noise of an encrypted evaluation, as a plan predicts them; what the simulator adds.
///
/// Every sigma is a standard deviation in units of the torus (1 is a full turn).
#[derive(Clone, Debug, PartialEq)]
pub struct NoiseFigures {
    /// Torus units (2^-64) per integer of each tensor, the input first.
    pub delta: Vec<u64>,
    /// Noise of the encrypted inputs.
    pub input_sigma: f64,
    /// One per layer, `Some` for tables.
    pub tables: Vec<Option<TableNoise>>,
    /// Noise added to outputs on their way out: rounding of the answer, and its packing.
    pub output_sigma: f64,
}

/// A table look-up on the torus and its noise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TableNoise {
    /// Noise added before the look-up: key switch, and the switch to the rotation's positions.
    pub before_sigma: f64,
    /// Noise of the result: the rotation's.
    pub after_sigma: f64,
    /// Added to the input, torus units (2^-64): shifts the table's origin to phase 0.
    pub input_shift: u64,
    /// Torus units (2^-64) per integer of the result; an even number.
    pub output_delta: u64,
    /// Sum of the tables' extremes, twice the value that phase 0 stands for.
    pub twice_centre: i64,
}
