//! Encrypted tensors of 64-bit words, and sums on them.

use obscura_circuit::{Dense, SumPool, product_u64};

/// LWE ciphertexts under the large secret, mask then body each.
pub(super) struct Tensor {
    /// Words per ciphertext, k N + 1.
    size: usize,
    /// Invariant: a multiple of `size` words.
    words: Vec<u64>,
}

impl Tensor {
    pub(super) fn new(size: usize, words: Vec<u64>) -> Self {
        Self { size, words }
    }

    pub(super) fn ciphertexts(&self) -> impl ExactSizeIterator<Item = &[u64]> {
        self.words.chunks_exact(self.size)
    }

    pub(super) fn words(&self) -> &[u64] {
        &self.words
    }

    fn ciphertext(&self, element: usize) -> Option<&[u64]> {
        self.words.get(element * self.size..)?.get(..self.size)
    }
}

/// The weighted sums of a dense layer or convolution, on phases of `delta` torus units per integer.
///
/// Cost: a wrapping multiply-add of 64-bit words per weight, position and word, no bootstrap. Exact: the only
/// noise is that of the inputs, times the 2-norm of the weights.
pub(super) fn apply(layer: Dense<'_>, x: &Tensor, delta: u64) -> Tensor {
    let (outputs, size) = (layer.weights().outputs(), x.size);
    let mut words = vec![0; layer.output().elements() * size];
    let mut sums = vec![0; outputs * size];
    for position in 0..layer.positions() {
        let taps = layer.taps(position);
        let rows: Vec<Option<&[u64]>> = taps.map(|tap| tap.and_then(|e| x.ciphertext(e))).collect();
        product_u64(layer.weights(), &rows, size, &mut sums);
        for ((channel, sum), bias) in sums
            .chunks_exact_mut(size)
            .enumerate()
            .zip(layer.weights().bias())
        {
            let body = &mut sum[size - 1];
            *body = body.wrapping_add(delta.wrapping_mul(bias.cast_unsigned()));
            words[layer.element(channel, position) * size..][..size].copy_from_slice(sum);
        }
    }
    Tensor::new(size, words)
}

/// The sums of a pool.
pub(super) fn sum(pool: &SumPool, x: &Tensor) -> Tensor {
    let mut words = vec![0_u64; pool.output().elements() * x.size];
    for (element, sum) in words.chunks_exact_mut(x.size).enumerate() {
        for ciphertext in pool.window(element).filter_map(|e| x.ciphertext(e)) {
            for (sum, word) in sum.iter_mut().zip(ciphertext) {
                *sum = sum.wrapping_add(*word);
            }
        }
    }
    Tensor::new(x.size, words)
}
