//! The key switch as a blocked product.
//!
//! The key is cut into panels of rows, these into strips of columns and these into pieces. A panel's digits of
//! the whole batch stay in the second-level cache, one piece of a strip in the first-level cache while the
//! batch passes; sums stay in registers over a piece. The key is read from memory once per batch, front to
//! back.

use super::{
    digits::{Decomposition, GROUP},
    lanes::{Lanes, Line, WORDS},
};

/// Row pairs of a panel, at most: 512 KiB of digits for a batch of 256.
const PANEL_PAIRS: usize = 512;
/// Row pairs of a piece, at most: 16 KiB of key.
const PIECE_PAIRS: usize = 128;

/// Sums of a strip for eight ciphertexts, whole cache lines.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Sums([[u32; WORDS]; GROUP]);

/// Shape of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// Mask words of an input, an even number.
    pub(super) inputs: usize,
    /// Words of an output, mask and body.
    pub(super) outputs: usize,
    /// How mask words are cut.
    pub(super) decomposition: Decomposition,
}

impl Shape {
    /// Levels.
    pub(super) fn levels(self) -> usize {
        self.decomposition.levels as usize
    }

    /// Strips of output words.
    pub(super) fn strips(self) -> usize {
        self.outputs.div_ceil(WORDS)
    }

    /// First words of the pairs of a full panel: word i is paired with word i + inputs / 2.
    pub(super) fn panel_words(self) -> usize {
        1 << (PANEL_PAIRS / self.levels()).max(1).ilog2()
    }
}

/// One batch.
pub(super) struct Switch<'a> {
    /// Shape of the key.
    pub(super) shape: Shape,
    /// `[panels][strips][words of the panel][levels][low, high]`.
    pub(super) key: &'a [[Line; 2]],
    /// `[batch][inputs + 1]`.
    pub(super) input: &'a [u32],
    /// `[batch][outputs]`.
    pub(super) out: &'a mut [u32],
}

impl Switch<'_> {
    #[inline(always)]
    pub(super) fn run<L: Lanes>(self, lanes: L) {
        let shape = self.shape;
        let input_size = shape.inputs + 1;
        for (out, input) in self
            .out
            .chunks_exact_mut(shape.outputs)
            .zip(self.input.chunks_exact(input_size))
        {
            let (mask, body) = input.split_at(shape.inputs);
            out.fill(0);
            out[shape.outputs - 1] = body[0].wrapping_add(shape.decomposition.mean_rounding(mask));
        }
        let batch = self.input.len() / input_size;
        let (half, levels) = (shape.inputs / 2, shape.levels());
        let mut digits = vec![[0; GROUP]; batch.div_ceil(GROUP) * shape.panel_words() * levels];
        let mut sums = vec![Sums([[0; WORDS]; GROUP]); batch.div_ceil(GROUP)];
        let mut rest = self.key;
        for start in (0..half).step_by(shape.panel_words()) {
            let words = shape.panel_words().min(half - start);
            let pairs = words * levels;
            let (panel, behind) = rest.split_at(pairs * shape.strips());
            rest = behind;
            let groups = self.input.chunks(GROUP * input_size);
            for (digits, input) in digits.chunks_exact_mut(pairs).zip(groups) {
                decompose(shape, start, input, digits);
            }
            for (strip, key) in panel.chunks_exact(pairs).enumerate() {
                multiply_strip(lanes, key, &digits, &mut sums);
                let outs = self.out.chunks_mut(GROUP * shape.outputs);
                for (sums, out) in sums.iter().zip(outs) {
                    add(&sums.0, strip, shape.outputs, out);
                }
            }
        }
    }
}

/// Products of one strip of a panel with the digits of all ciphertexts, piece by piece.
#[inline(always)]
fn multiply_strip<L: Lanes>(lanes: L, key: &[[Line; 2]], digits: &[[u32; GROUP]], sums: &mut [Sums]) {
    sums.fill(Sums([[0; WORDS]; GROUP]));
    for (piece, piece_key) in key.chunks(PIECE_PAIRS).enumerate() {
        let start = piece * PIECE_PAIRS;
        for (digits, sums) in digits.chunks_exact(key.len()).zip(&mut *sums) {
            multiply(
                lanes,
                piece_key,
                &digits[start..start + piece_key.len()],
                &mut sums.0,
            );
        }
    }
}

/// Digits of a panel of words from `start` on, for up to eight ciphertexts.
#[inline(always)]
fn decompose(shape: Shape, start: usize, input: &[u32], out: &mut [[u32; GROUP]]) {
    let (half, size) = (shape.inputs / 2, shape.inputs + 1);
    let absent: &[u32] = &[];
    let mut ciphertexts = [absent; GROUP];
    for (slot, ciphertext) in ciphertexts.iter_mut().zip(input.chunks_exact(size)) {
        *slot = ciphertext;
    }
    for (word, out) in (start..).zip(out.chunks_exact_mut(shape.levels())) {
        let at = |word: usize| ciphertexts.map(|c| c.get(word).copied().unwrap_or(0));
        shape.decomposition.digits([at(word), at(word + half)], out);
    }
}

/// Adds the products of one piece with the digits of eight ciphertexts to their sums.
#[inline(always)]
fn multiply<L: Lanes>(lanes: L, key: &[[Line; 2]], digits: &[[u32; GROUP]], out: &mut [[u32; WORDS]; GROUP]) {
    for part in 0..L::PARTS {
        for (chunk, out) in out.chunks_exact_mut(L::SHARE).enumerate() {
            let mut sums = [[lanes.splat(0); 2]; GROUP];
            for ([low, high], digits) in key.iter().zip(digits) {
                let (low, high) = (lanes.load(low, part), lanes.load(high, part));
                for i in 0..L::SHARE {
                    let digit = lanes.splat(digits[chunk * L::SHARE + i]);
                    sums[i][0] = lanes.add_products(sums[i][0], low, digit);
                    sums[i][1] = lanes.add_products(sums[i][1], high, digit);
                }
            }
            for (out, [low, high]) in out.iter_mut().zip(sums) {
                lanes.add_to(out, part, low, high);
            }
        }
    }
}

/// Adds the words of a strip to those of up to eight outputs.
#[inline(always)]
fn add(words: &[[u32; WORDS]; GROUP], strip: usize, outputs: usize, out: &mut [u32]) {
    let start = strip * WORDS;
    let end = outputs.min(start + WORDS);
    for (out, words) in out.chunks_exact_mut(outputs).zip(words) {
        for (out, &word) in out[start..end].iter_mut().zip(words) {
            *out = out.wrapping_add(word);
        }
    }
}
