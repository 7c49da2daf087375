//! Key switch of batches of ciphertexts of 32-bit words from the large secret to the small one.
//!
//! Arithmetic is exact modulo 2^32 and the same on every processor; the noise is that of the key, cut to
//! 32-bit words, and of the words' rounding to the bits the digits cover.
//!
//! Failure model: shapes are checked when a key is made; a switch of well-shaped batches cannot fail.
#![expect(
    clippy::inline_always,
    reason = "only what is inlined into the entry function is compiled for the processor that was found"
)]

mod digits;
mod kernel;
mod lanes;
#[cfg(test)]
mod tests;

use digits::Decomposition;
use kernel::{Shape, Switch};
#[cfg(target_arch = "x86_64")]
use lanes::Vnni;
use lanes::{Lanes, Line, Plain, WORDS};
#[cfg(target_arch = "x86_64")]
use pulp::x86::{V3, V4};
use rayon::prelude::*;

/// The key-switching key, laid out for the kernel.
pub(crate) struct KeySwitchKey {
    shape: Shape,
    lines: Vec<[Line; 2]>,
}

/// Instruction sets the kernel is written for.
#[derive(Clone, Copy)]
enum Level {
    #[cfg(target_arch = "x86_64")]
    Vnni(Vnni),
    #[cfg(target_arch = "x86_64")]
    Avx512(V4),
    #[cfg(target_arch = "x86_64")]
    Avx2(V3),
    Plain,
}

impl Level {
    /// What this processor has, the fastest first.
    fn available() -> impl Iterator<Item = Self> {
        #[cfg(target_arch = "x86_64")]
        let vectors = [
            Vnni::try_new().map(Self::Vnni),
            V4::try_new().map(Self::Avx512),
            V3::try_new().map(Self::Avx2),
        ];
        #[cfg(not(target_arch = "x86_64"))]
        let vectors = [None];
        vectors.into_iter().flatten().chain([Self::Plain])
    }

    fn run(self, switch: Switch<'_>) {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Vnni(simd) => simd.vectorize(On { lanes: simd, switch }),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(simd) => simd.vectorize(On { lanes: simd, switch }),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(simd) => simd.vectorize(On { lanes: simd, switch }),
            Self::Plain => switch.run(Plain),
        }
    }
}

/// A batch on an instruction set, as a function object that is compiled for it.
struct On<'a, L> {
    lanes: L,
    switch: Switch<'a>,
}

impl<L: Lanes> pulp::NullaryFnOnce for On<'_, L> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.switch.run(self.lanes);
    }
}

impl KeySwitchKey {
    /// Lays out a key of 64-bit words `[inputs][levels][outputs]` in tfhe's order, the finest level first.
    ///
    /// `None` for shapes the kernel does not know: an odd number of inputs, digits of no or more than 8 bits,
    /// digits over more than 32 bits, or a key of another length.
    pub(crate) fn new(
        inputs: usize,
        outputs: usize,
        base_log2: u32,
        levels: u32,
        standard: &[u64],
    ) -> Option<Self> {
        let fits = (1..=8).contains(&base_log2) && (1..=32 / base_log2).contains(&levels);
        let len = inputs.checked_mul(levels as usize)?.checked_mul(outputs)?;
        if !fits || outputs == 0 || !inputs.is_multiple_of(2) || standard.len() != len {
            return None;
        }
        let decomposition = Decomposition { base_log2, levels };
        let shape = Shape {
            inputs,
            outputs,
            decomposition,
        };
        let (levels, half) = (shape.levels(), inputs / 2);
        let mut lines = vec![[Line([0; 2 * WORDS]); 2]; half * levels * shape.strips()];
        lines
            .par_chunks_mut(shape.panel_words() * levels * shape.strips())
            .enumerate()
            .for_each(|(panel, lines)| {
                let start = panel * shape.panel_words();
                let pairs = lines.len() / shape.strips();
                for (index, line) in lines.iter_mut().enumerate() {
                    let (strip, pair) = (index / pairs, index % pairs);
                    let first = start * levels + pair;
                    *line = lay_out([first, first + half * levels], strip, outputs, standard);
                }
            });
        Some(Self { shape, lines })
    }

    /// Switches `input`, `[batch][inputs + 1]`, into `out`, `[batch][outputs]`, mask then body.
    ///
    /// Runs on the calling thread. Ciphertexts are taken in groups of eight; the key is read from memory once
    /// per call, so that calls of some hundred cost least per ciphertext.
    pub(crate) fn switch(&self, input: &[u32], out: &mut [u32]) {
        if let Some(level) = Level::available().next() {
            self.switch_on(level, input, out);
        }
    }

    fn switch_on(&self, level: Level, input: &[u32], out: &mut [u32]) {
        level.run(Switch {
            shape: self.shape,
            key: &self.lines,
            input,
            out,
        });
    }

    /// Words of a switched ciphertext, n + 1.
    pub(crate) fn outputs(&self) -> usize {
        self.shape.outputs
    }

    /// What [`Self::memory_bytes`] of a key of this shape will be.
    pub(crate) fn predicted_bytes(inputs: usize, outputs: usize, levels: usize) -> usize {
        inputs / 2 * levels * outputs.div_ceil(WORDS) * size_of::<[Line; 2]>()
    }

    /// Memory the key holds, bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        size_of_val(self.lines.as_slice())
    }
}

/// The words of two rows in one strip, rounded to 32 bits; zeros behind the last column.
fn lay_out(rows: [usize; 2], strip: usize, outputs: usize, standard: &[u64]) -> [Line; 2] {
    let [mut low, mut high] = [[0_i16; 2 * WORDS]; 2];
    for (side, row) in rows.into_iter().enumerate() {
        let row = &standard[row * outputs..][..outputs];
        for (word, &value) in row.iter().skip(strip * WORDS).take(WORDS).enumerate() {
            let rounded = (value.wrapping_add(1 << 31) >> 32) as u32;
            let below = rounded as u16;
            low[2 * word + side] = below.cast_signed();
            // The low half counts as signed, so the high half makes up for its sign.
            high[2 * word + side] = ((rounded >> 16) as u16).wrapping_add(below >> 15).cast_signed();
        }
    }
    [Line(low), Line(high)]
}
