//! The product of a public polynomial with a secret binary one, in the ring modulo X^N + 1.

/// Secret bits whose shifted polynomials are summed in one pass over the accumulator.
const BITS: usize = 8;

/// Adds `public * secret` modulo X^N + 1 to `sum`; all three have N coefficients, N a multiple of eight.
///
/// Schoolbook, N^2 masked additions: the additions vectorise, so for the sizes of a GLWE ciphertext this
/// beats Karatsuba, and neither time nor memory access depends on a secret bit.
pub(crate) fn add_product(sum: &mut [u64], public: &[u64], secret: &[u64]) {
    // Negated and plain side by side: each multiplication by X^i is then one contiguous window.
    let doubled: Vec<u64> = public
        .iter()
        .map(|a| a.wrapping_neg())
        .chain(public.iter().copied())
        .collect();
    pulp::Arch::new().dispatch(Product {
        sum,
        doubled: &doubled,
        secret,
    });
}

struct Product<'a> {
    sum: &'a mut [u64],
    doubled: &'a [u64],
    secret: &'a [u64],
}

impl pulp::NullaryFnOnce for Product<'_> {
    type Output = ();

    #[expect(
        clippy::inline_always,
        reason = "otherwise it is not compiled for the processor that was found"
    )]
    #[inline(always)]
    fn call(self) {
        let n = self.sum.len();
        for (pass, bits) in self.secret.as_chunks::<BITS>().0.iter().enumerate() {
            let masks = bits.map(u64::wrapping_neg);
            let windows: [&[u64]; BITS] = std::array::from_fn(|i| &self.doubled[n - pass * BITS - i..][..n]);
            for (j, sum) in self.sum.iter_mut().enumerate() {
                let terms = windows.iter().zip(masks).map(|(window, mask)| window[j] & mask);
                *sum = terms.fold(*sum, u64::wrapping_add);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::add_product;

    /// Coefficient by coefficient, with the sign of X^N = -1.
    fn by_definition(public: &[u64], secret: &[u64]) -> Vec<u64> {
        let n = public.len();
        let mut out = vec![0_u64; n];
        for (i, &s) in secret.iter().enumerate() {
            for (j, &a) in public.iter().enumerate() {
                let term = a.wrapping_mul(s);
                let place = &mut out[(i + j) % n];
                *place = if i + j < n {
                    place.wrapping_add(term)
                } else {
                    place.wrapping_sub(term)
                };
            }
        }
        out
    }

    #[test]
    fn agrees_with_the_definition() {
        let word = |i: u64| {
            i.wrapping_add(1)
                .wrapping_mul(0x9E37_79B9_7F4A_7C15)
                .rotate_left(29)
        };
        for n in [8_u64, 16, 512] {
            let public: Vec<u64> = (0..n).map(word).collect();
            let secret: Vec<u64> = (0..n).map(|i| word(i + n) >> 63).collect();
            let mut sum = vec![7; public.len()];
            add_product(&mut sum, &public, &secret);
            let want: Vec<u64> = by_definition(&public, &secret)
                .iter()
                .map(|w| w.wrapping_add(7))
                .collect();
            assert_eq!(sum, want);
        }
    }
}
