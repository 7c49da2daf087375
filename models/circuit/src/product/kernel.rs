//! The product modulo 2^32.
//!
//! Words are taken in strips and taps in panels. A strip of a panel's rows is packed once and stays in the
//! second-level cache while every group of eight outputs passes over it; a group's weights are widened to
//! 16 bits for a panel and stay in the first-level cache while the lines of the strip pass; sums stay in
//! registers over the taps of a panel.

use super::{
    Product, Rows,
    lanes::{Lanes, Line, WORDS},
};
use crate::{
    Weights,
    weights::{GROUP, Tile, Values},
};

/// Lines of a strip, at most.
const STRIP_LINES: usize = 16;
/// Words of a strip, at most.
const STRIP: usize = STRIP_LINES * WORDS;
/// Pairs of taps of a panel, at most: a strip of it is half of a megabyte.
const PANEL: usize = 256;

/// A weight as signed halves of 16 bits, `low + (high << 16)`.
trait Weight: Copy {
    /// Whether the high half can be other than zero.
    const WIDE: bool;
    fn low(self) -> i16;
    fn high(self) -> i16;
}

impl Weight for i8 {
    const WIDE: bool = false;

    #[inline(always)]
    fn low(self) -> i16 {
        self.into()
    }

    #[inline(always)]
    fn high(self) -> i16 {
        0
    }
}

impl Weight for i16 {
    const WIDE: bool = false;

    #[inline(always)]
    fn low(self) -> i16 {
        self
    }

    #[inline(always)]
    fn high(self) -> i16 {
        0
    }
}

impl Weight for i32 {
    const WIDE: bool = true;

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
    fn low(self) -> i16 {
        self as i16
    }

    #[inline(always)]
    fn high(self) -> i16 {
        // The low half counts as signed, so the high half makes up for its sign.
        (self.wrapping_add(1 << 15) >> 16) as i16
    }
}

/// Weights of eight outputs for a pair of taps, the first tap in the lower 16 bits.
type Pair = [u32; GROUP];

/// A product modulo 2^32.
pub(super) struct Narrow<'a, R> {
    pub(super) weights: &'a Weights,
    pub(super) rows: &'a R,
    pub(super) words: usize,
    /// `[outputs][words]`.
    pub(super) out: &'a mut [u32],
}

impl<R: Rows<u32>> Product for Narrow<'_, R> {
    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        match &self.weights.values {
            Values::I8(tiles) => self.blocks(lanes, tiles),
            Values::I16(tiles) => self.blocks(lanes, tiles),
            Values::I32(tiles) => self.blocks(lanes, tiles),
        }
    }
}

impl<R: Rows<u32>> Narrow<'_, R> {
    #[inline(always)]
    fn blocks<L: Lanes, T: Weight>(self, lanes: L, tiles: &[Tile<T>]) {
        let Self {
            weights,
            rows,
            words,
            out,
        } = self;
        out.fill(0);
        let pairs = weights.taps().div_ceil(2);
        let panel = pairs.min(PANEL);
        // One line more than a panel needs, or the lines of a pair would share a set of the cache.
        let pitch = panel + 1;
        let mut strip = vec![[Line([0; WORDS]); 2]; words.div_ceil(WORDS).min(STRIP_LINES) * pitch];
        let mut low = vec![[0; GROUP]; panel];
        let mut high = vec![[0; GROUP]; if T::WIDE { panel } else { 0 }];
        for start in (0..words).step_by(STRIP) {
            let len = STRIP.min(words - start);
            for first in (0..pairs).step_by(PANEL) {
                let count = PANEL.min(pairs - first);
                pack(
                    rows,
                    2 * first..2 * (first + count),
                    start..start + len,
                    &mut strip,
                    pitch,
                );
                let groups = out.chunks_mut(GROUP * words).zip(tiles.chunks_exact(pairs));
                for (out, tiles) in groups {
                    widen(&tiles[first..first + count], &mut low, &mut high);
                    for (line, x) in strip.chunks_exact(pitch).take(len.div_ceil(WORDS)).enumerate() {
                        let mut sums = [[0; WORDS]; GROUP];
                        let (x, low) = (&x[..count], &low[..count]);
                        match L::PARTS {
                            // With 32 registers all eight outputs fit, else four.
                            1 => multiply::<L, T, 1>(lanes, x, low, &high, &mut sums),
                            _ => multiply::<L, T, 2>(lanes, x, low, &high, &mut sums),
                        }
                        let at = start + line * WORDS;
                        add(&sums, at..words.min(at + WORDS), words, out);
                    }
                }
            }
        }
    }
}

/// Packs a strip of pairs of rows, `[lines][pitch][low, high]`.
#[inline(always)]
fn pack(
    rows: &impl Rows<u32>,
    taps: std::ops::Range<usize>,
    words: std::ops::Range<usize>,
    strip: &mut [[Line; 2]],
    pitch: usize,
) {
    let mut pair = [[[0; WORDS]; STRIP_LINES]; 2];
    for (place, first) in taps.step_by(2).enumerate() {
        for (row, tap) in pair.iter_mut().zip(first..) {
            rows.read(tap, words.start, &mut row.as_flattened_mut()[..words.len()]);
        }
        let [a, b] = &pair;
        for ((x, a), b) in strip.chunks_exact_mut(pitch).zip(a).zip(b) {
            let [low, high] = &mut x[place];
            for word in 0..WORDS {
                let (a, b) = (a[word], b[word]);
                low.0[word] = (a & 0xffff) | (b << 16);
                // Low halves count as signed, so high halves make up for their sign.
                let (a, b) = (a.wrapping_add(1 << 15), b.wrapping_add(1 << 15));
                high.0[word] = (a >> 16) | (b & 0xffff_0000);
            }
        }
    }
}

/// Widens the weights of a group.
#[inline(always)]
fn widen<T: Weight>(tiles: &[Tile<T>], low: &mut [Pair], high: &mut [Pair]) {
    for (low, tile) in low.iter_mut().zip(tiles) {
        *low = join(tile, T::low);
    }
    for (high, tile) in high.iter_mut().zip(tiles) {
        *high = join(tile, T::high);
    }
}

/// The halves of a tile as they lie in memory: one instruction for a tile of bytes.
#[inline(always)]
fn join<T: Weight>(tile: &Tile<T>, half: impl Fn(T) -> i16) -> Pair {
    let weights = tile.as_flattened();
    let halves: [i16; 2 * GROUP] = std::array::from_fn(|i| half(weights[i]).to_le());
    let pairs: Pair = pulp::cast(halves);
    pairs.map(u32::from_le)
}

/// Products of one line of a panel with a group's weights, the group taken in `PASSES` passes.
#[inline(always)]
fn multiply<L: Lanes, T: Weight, const PASSES: usize>(
    lanes: L,
    x: &[[Line; 2]],
    low: &[Pair],
    high: &[Pair],
    out: &mut [[u32; WORDS]; GROUP],
) {
    for part in 0..L::PARTS {
        for pass in 0..PASSES {
            match PASSES {
                1 => multiply_part::<L, T, GROUP>(lanes, part, 0, x, low, high, out),
                _ => multiply_part::<L, T, { GROUP / 2 }>(lanes, part, pass, x, low, high, out),
            }
        }
    }
}

/// One vector of a line times the weights of `OUTPUTS` outputs, the `pass`-th of the group.
#[inline(always)]
fn multiply_part<L: Lanes, T: Weight, const OUTPUTS: usize>(
    lanes: L,
    part: usize,
    pass: usize,
    x: &[[Line; 2]],
    low: &[Pair],
    high: &[Pair],
    out: &mut [[u32; WORDS]; GROUP],
) {
    let mut sums = [[lanes.splat(0); 2]; OUTPUTS];
    for ([x_low, x_high], weights) in x.iter().zip(low) {
        let (x_low, x_high) = (lanes.load(x_low, part), lanes.load(x_high, part));
        let weights = &weights.as_chunks::<OUTPUTS>().0[pass];
        for (sums, &weight) in sums.iter_mut().zip(weights) {
            let weight = lanes.splat(weight);
            sums[0] = lanes.add_products(sums[0], x_low, weight);
            sums[1] = lanes.add_products(sums[1], x_high, weight);
        }
    }
    if T::WIDE {
        for ([x_low, _], weights) in x.iter().zip(high) {
            let x_low = lanes.load(x_low, part);
            let weights = &weights.as_chunks::<OUTPUTS>().0[pass];
            for (sums, &weight) in sums.iter_mut().zip(weights) {
                sums[1] = lanes.add_products(sums[1], x_low, lanes.splat(weight));
            }
        }
    }
    let out = &mut out.as_chunks_mut::<OUTPUTS>().0[pass];
    for (out, [low, high]) in out.iter_mut().zip(sums) {
        lanes.store(out, part, low, high);
    }
}

/// Adds the sums of a line to the words `line` of a group's outputs.
#[inline(always)]
fn add(sums: &[[u32; WORDS]; GROUP], line: std::ops::Range<usize>, words: usize, out: &mut [u32]) {
    for (out, sums) in out.chunks_exact_mut(words).zip(sums) {
        for (out, &sum) in out[line.clone()].iter_mut().zip(sums) {
            *out = out.wrapping_add(sum);
        }
    }
}
