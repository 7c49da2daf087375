//! The product modulo 2^64, for circuits whose values need it.
//!
//! Words are taken in strips that stay in the second-level cache; sums of eight outputs stay in registers.

use super::{
    Product, Rows,
    lanes::{LONGS, Lanes},
};
use crate::{
    Weights,
    weights::{GROUP, Tile, Values},
};

/// Lines of a strip, at most.
const STRIP_LINES: usize = 16;
/// Words of a strip, at most.
const STRIP: usize = STRIP_LINES * LONGS;
/// Taps of a panel, at most: a strip of it is half of a megabyte.
const PANEL: usize = 512;

/// A product modulo 2^64.
pub(super) struct Wide<'a, R> {
    pub(super) weights: &'a Weights,
    pub(super) rows: &'a R,
    pub(super) words: usize,
    /// `[outputs][words]`.
    pub(super) out: &'a mut [u64],
}

impl<R: Rows<u64>> Product for Wide<'_, R> {
    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        match &self.weights.values {
            Values::I8(tiles) => self.blocks(lanes, tiles),
            Values::I16(tiles) => self.blocks(lanes, tiles),
            Values::I32(tiles) => self.blocks(lanes, tiles),
        }
    }
}

impl<R: Rows<u64>> Wide<'_, R> {
    #[inline(always)]
    fn blocks<L: Lanes, T: Copy + Into<i64>>(self, lanes: L, tiles: &[Tile<T>]) {
        let Self {
            weights,
            rows,
            words,
            out,
        } = self;
        out.fill(0);
        let pairs = weights.taps().div_ceil(2);
        let panel = (2 * pairs).min(PANEL);
        // `[lines][taps]`; the words behind the last one are never read back.
        let mut strip = vec![[0; LONGS]; words.div_ceil(LONGS).min(STRIP_LINES) * panel];
        for start in (0..words).step_by(STRIP) {
            let len = STRIP.min(words - start);
            for first in (0..2 * pairs).step_by(PANEL) {
                let taps = PANEL.min(2 * pairs - first);
                pack(rows, first..first + taps, start..start + len, &mut strip, panel);
                let groups = out.chunks_mut(GROUP * words).zip(tiles.chunks_exact(pairs));
                for (out, tiles) in groups {
                    let tiles = &tiles[first / 2..][..taps / 2];
                    for (line, x) in strip.chunks_exact(panel).take(len.div_ceil(LONGS)).enumerate() {
                        let at = start + line * LONGS;
                        let line = at..words.min(at + LONGS);
                        let sums = multiply(lanes, &x[..taps], tiles);
                        add(&sums, line, words, out);
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn pack(
    rows: &impl Rows<u64>,
    taps: std::ops::Range<usize>,
    words: std::ops::Range<usize>,
    strip: &mut [[u64; LONGS]],
    pitch: usize,
) {
    let mut row = [[0; LONGS]; STRIP_LINES];
    for (place, tap) in taps.enumerate() {
        rows.read(tap, words.start, &mut row.as_flattened_mut()[..words.len()]);
        for (x, line) in strip.chunks_exact_mut(pitch).zip(&row) {
            x[place] = *line;
        }
    }
}

/// Products of one line of a panel with the weights of a group.
#[inline(always)]
fn multiply<L: Lanes, T: Copy + Into<i64>>(
    lanes: L,
    x: &[[u64; LONGS]],
    tiles: &[Tile<T>],
) -> [[u64; LONGS]; GROUP] {
    let mut sums = [lanes.splat_longs(0); GROUP];
    for (x, tile) in x.as_chunks::<2>().0.iter().zip(tiles) {
        let x = x.map(|x| lanes.longs(x));
        for (sum, weights) in sums.iter_mut().zip(tile) {
            for (x, &weight) in x.into_iter().zip(weights) {
                let weight: i64 = weight.into();
                let weight = lanes.splat_longs(weight.cast_unsigned());
                *sum = lanes.add_long_products(*sum, x, weight);
            }
        }
    }
    sums.map(|sum| lanes.store_longs(sum))
}

#[inline(always)]
fn add(sums: &[[u64; LONGS]; GROUP], line: std::ops::Range<usize>, words: usize, out: &mut [u64]) {
    for (out, sums) in out.chunks_exact_mut(words).zip(sums) {
        for (out, &sum) in out[line.clone()].iter_mut().zip(sums) {
            *out = out.wrapping_add(sum);
        }
    }
}
