//! Integer weights of a dense layer, as small as their range allows, laid out for the blocked product.

/// Outputs computed side by side.
pub(crate) const GROUP: usize = 8;

/// The weights of `GROUP` outputs for two taps, `[output][tap]`.
pub(crate) type Tile<T> = [[T; 2]; GROUP];

/// Weights `[outputs][taps]` and a bias per output.
#[derive(Clone)]
pub struct Weights {
    outputs: usize,
    taps: usize,
    pub(crate) values: Values,
    /// Invariant: `outputs` elements.
    bias: Vec<i64>,
}

/// Tiles `[groups of outputs][pairs of taps]`; zeros behind the last output and the last tap.
#[derive(Clone)]
pub(crate) enum Values {
    I8(Vec<Tile<i8>>),
    I16(Vec<Tile<i16>>),
    I32(Vec<Tile<i32>>),
}

impl std::fmt::Debug for Weights {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Weights")
            .field("outputs", &self.outputs)
            .field("taps", &self.taps)
            .finish_non_exhaustive()
    }
}

impl Weights {
    /// Weights row-major `[outputs][taps]`, where `outputs` is the length of `bias`.
    ///
    /// `None` when the lengths do not fit or there is no output or no tap.
    pub fn new(taps: usize, row_major: &[i32], bias: Vec<i64>) -> Option<Self> {
        let outputs = bias.len();
        if outputs.checked_mul(taps)? != row_major.len() || row_major.is_empty() {
            return None;
        }
        let (min, max) = row_major
            .iter()
            .fold((0, 0), |(min, max), &w| (w.min(min), w.max(max)));
        let fits = |low: i32, high: i32| low <= min && max <= high;
        let values = if fits(i8::MIN.into(), i8::MAX.into()) {
            Values::I8(tiles(taps, row_major))
        } else if fits(i16::MIN.into(), i16::MAX.into()) {
            Values::I16(tiles(taps, row_major))
        } else {
            Values::I32(tiles(taps, row_major))
        };
        Some(Self {
            outputs,
            taps,
            values,
            bias,
        })
    }

    /// Number of outputs.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Weights of one output.
    pub fn taps(&self) -> usize {
        self.taps
    }

    /// Bias of each output.
    pub fn bias(&self) -> &[i64] {
        &self.bias
    }

    /// The weights of output `output`, by tap.
    pub fn row(&self, output: usize) -> Vec<i32> {
        match &self.values {
            Values::I8(tiles) => row(tiles, self.taps, output),
            Values::I16(tiles) => row(tiles, self.taps, output),
            Values::I32(tiles) => row(tiles, self.taps, output),
        }
    }

    /// Weights and bias of each output, in order.
    pub fn rows(&self) -> impl Iterator<Item = (Vec<i32>, i64)> {
        (0..self.outputs).map(|output| (self.row(output), self.bias[output]))
    }

    /// 2-norm of each output's weights, by which the layer multiplies independent noise.
    pub fn row_norms2(&self) -> Vec<f64> {
        let norm = |row: Vec<i32>| row.into_iter().map(|w| f64::from(w).powi(2)).sum::<f64>().sqrt();
        self.rows().map(|(row, _)| norm(row)).collect()
    }

    /// The largest of [`Weights::row_norms2`].
    pub fn max_norm2(&self) -> f64 {
        self.row_norms2().into_iter().fold(0.0, f64::max)
    }

    /// Memory the weights hold, bytes.
    pub fn memory_bytes(&self) -> usize {
        let values = match &self.values {
            Values::I8(tiles) => size_of_val(&tiles[..]),
            Values::I16(tiles) => size_of_val(&tiles[..]),
            Values::I32(tiles) => size_of_val(&tiles[..]),
        };
        values + size_of_val(&self.bias[..])
    }
}

fn tiles<T: Copy + Default + TryFrom<i32>>(taps: usize, row_major: &[i32]) -> Vec<Tile<T>> {
    let (outputs, pairs) = (row_major.len() / taps, taps.div_ceil(2));
    let mut tiles = vec![[[T::default(); 2]; GROUP]; outputs.div_ceil(GROUP) * pairs];
    for (output, row) in row_major.chunks_exact(taps).enumerate() {
        let group = &mut tiles[output / GROUP * pairs..][..pairs];
        for (tile, pair) in group.iter_mut().zip(row.chunks(2)) {
            for (slot, &weight) in tile[output % GROUP].iter_mut().zip(pair) {
                // The caller chose a type that holds them all.
                *slot = T::try_from(weight).unwrap_or_default();
            }
        }
    }
    tiles
}

fn row<T: Copy + Into<i32>>(tiles: &[Tile<T>], taps: usize, output: usize) -> Vec<i32> {
    let pairs = taps.div_ceil(2);
    let group = tiles.iter().skip(output / GROUP * pairs).take(pairs);
    group
        .flat_map(|tile| tile[output % GROUP])
        .map(Into::into)
        .take(taps)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_rows_back_in_the_smallest_type() {
        for (taps, top, bytes) in [
            (3, 127, 1),
            (4, 128, 2),
            (1, -128, 1),
            (5, 40_000, 4),
            (2, i32::MIN, 4),
        ] {
            let outputs = 11;
            let row_major: Vec<i32> = (0..)
                .take(outputs * taps)
                .map(|i| if i == 1 { top } else { i % 7 - 3 })
                .collect();
            let bias: Vec<i64> = (0..11).collect();
            let weights = Weights::new(taps, &row_major, bias).unwrap();
            for (output, (row, bias)) in weights.rows().enumerate() {
                assert_eq!(row, row_major[output * taps..][..taps]);
                assert_eq!(bias, i64::try_from(output).unwrap());
            }
            let tiles = 2 * taps.div_ceil(2) * 2 * GROUP;
            assert_eq!(weights.memory_bytes(), tiles * bytes + 8 * outputs);
        }
        assert!(Weights::new(2, &[1, 2, 3], vec![0]).is_none());
        assert!(Weights::new(0, &[], vec![]).is_none());
        assert!(Weights::new(usize::MAX, &[1], vec![0, 0]).is_none());
    }

    #[test]
    fn norms_are_those_of_the_rows() {
        let weights = Weights::new(2, &[3, -4, 5, 12], vec![0, 0]).unwrap();
        let norms = weights.row_norms2();
        assert!((norms[0] - 5.0).abs() < 1e-12 && (norms[1] - 13.0).abs() < 1e-12);
        assert!((weights.max_norm2() - 13.0).abs() < 1e-12);
    }
}
