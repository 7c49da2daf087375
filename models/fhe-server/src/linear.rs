//! Encrypted tensors and dense layers on them.

use obscura_circuit::Linear;

/// LWE ciphertexts under the large secret, mask then body each.
pub(crate) struct Tensor {
    /// Words per ciphertext, k N + 1.
    size: usize,
    /// Invariant: a multiple of `size` words.
    words: Vec<u64>,
}

impl Tensor {
    pub(crate) fn new(size: usize, words: Vec<u64>) -> Self {
        Self { size, words }
    }

    pub(crate) fn ciphertexts(&self) -> impl ExactSizeIterator<Item = &[u64]> {
        self.words.chunks_exact(self.size)
    }
}

/// `y[o] = sum over i of w[o][i] * x[i] + bias[o]`, on phases of `delta` torus units per integer.
///
/// Cost: `n_out * n_in * (k N + 1)` wrapping multiply-adds of 64-bit words, no bootstrap. Exact: the only
/// noise is that of the inputs, times the 2-norm of the weights.
pub(crate) fn apply(layer: &Linear, x: &Tensor, delta: u64) -> Tensor {
    let mut words = Vec::with_capacity(layer.outputs() * x.size);
    for (weights, bias) in layer.rows() {
        let start = words.len();
        words.resize(start + x.size, 0_u64);
        let sum = &mut words[start..];
        for (&weight, ciphertext) in weights.iter().zip(x.ciphertexts()) {
            let weight = i64::from(weight).cast_unsigned();
            for (s, &c) in sum.iter_mut().zip(ciphertext) {
                *s = s.wrapping_add(weight.wrapping_mul(c));
            }
        }
        if let Some(body) = sum.last_mut() {
            *body = body.wrapping_add(delta.wrapping_mul(bias.cast_unsigned()));
        }
    }
    Tensor::new(x.size, words)
}
