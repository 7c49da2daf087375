//! The blocked product of integer weights with rows of wrapping words.
//!
//! The words of a row stand side by side: samples of a batch, or the words of a ciphertext. The reference, the
//! simulator and the encrypted evaluation all multiply here. Arithmetic is exact modulo 2^32 or 2^64 and the
//! same on every processor.
//!
//! Failure model: shapes are the caller's; rows that are missing or too short count as zeros, and a result that
//! is too short is filled as far as it goes.
#![expect(
    clippy::inline_always,
    reason = "only what is inlined into the entry function is compiled for the processor that was found"
)]

mod kernel;
mod lanes;
#[cfg(test)]
mod tests;
mod wide;

use kernel::Narrow;
#[cfg(target_arch = "x86_64")]
use lanes::Vnni;
use lanes::{Lanes, Plain};
#[cfg(target_arch = "x86_64")]
use pulp::x86::{V3, V4};
use wide::Wide;

use crate::Weights;

/// `out[o][w] = sum over t of weights[o][t] * rows[t][w]`, modulo 2^32.
///
/// Shapes: `rows` is `[taps]` slices of `words` words, `None` for zeros; `out` is `[outputs][words]`,
/// row-major. The bias is not added. Runs on the calling thread.
///
/// Cost: one 16-bit multiply-add per half word and weight of 16 bits, on as many lanes as the processor has;
/// best with 64 outputs or more, over which the packing of a row is spread, and with some hundred words.
pub fn product_u32(weights: &Weights, rows: &[Option<&[u32]>], words: usize, out: &mut [u32]) {
    multiply_u32(weights, &rows, words, out);
}

/// The same as [`product_u32`] modulo 2^64; about eight times slower.
pub fn product_u64(weights: &Weights, rows: &[Option<&[u64]>], words: usize, out: &mut [u64]) {
    multiply_u64(weights, &rows, words, out);
}

/// The rows of a product.
pub(crate) trait Rows<W> {
    /// Words `start..start + out.len()` of row `tap`, which may lie behind the last row.
    fn read(&self, tap: usize, start: usize, out: &mut [W]);
}

impl<W: Copy + Default> Rows<W> for &[Option<&[W]>] {
    fn read(&self, tap: usize, start: usize, out: &mut [W]) {
        let row = self.get(tap).copied().flatten();
        let words = row.and_then(|row| row.get(start..)).unwrap_or_default();
        let (here, behind) = out.split_at_mut(words.len().min(out.len()));
        here.copy_from_slice(&words[..here.len()]);
        behind.fill(W::default());
    }
}

/// [`product_u32`] of rows of any kind.
pub(crate) fn multiply_u32(weights: &Weights, rows: &impl Rows<u32>, words: usize, out: &mut [u32]) {
    if let Some(level) = Level::available().next() {
        level.run(Narrow {
            weights,
            rows,
            words,
            out,
        });
    }
}

/// [`product_u64`] of rows of any kind.
pub(crate) fn multiply_u64(weights: &Weights, rows: &impl Rows<u64>, words: usize, out: &mut [u64]) {
    if let Some(level) = Level::available().next() {
        level.run(Wide {
            weights,
            rows,
            words,
            out,
        });
    }
}

/// A product as a function of the instruction set it is compiled for.
trait Product {
    fn run<L: Lanes>(self, lanes: L);
}

/// Instruction sets the kernels are written for.
#[derive(Clone, Copy, Debug)]
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

    fn run(self, product: impl Product) {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Vnni(lanes) => lanes.vectorize(On { lanes, product }),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(lanes) => lanes.vectorize(On { lanes, product }),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(lanes) => lanes.vectorize(On { lanes, product }),
            Self::Plain => product.run(Plain),
        }
    }
}

/// A product on an instruction set, as a function object that is compiled for it.
struct On<L, P> {
    lanes: L,
    product: P,
}

impl<L: Lanes, P: Product> pulp::NullaryFnOnce for On<L, P> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.product.run(self.lanes);
    }
}
