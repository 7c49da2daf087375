//! Table look-ups: key switch, switch to the rotation's positions, blind rotation, extraction.

use obscura_circuit::Lut;
use obscura_fhe_core::{ParameterSet, TablePlan};
use rayon::prelude::*;
use tfhe::core_crypto::prelude::{
    CiphertextModulus, CiphertextModulusLog, GlweCiphertext, GlweDimension, LweCiphertext, LweDimension,
    MonomialDegree, PolynomialSize, blind_rotate_assign, extract_lwe_sample_from_glwe_ciphertext,
    keyswitch_lwe_ciphertext, lwe_ciphertext_centered_binary_modulus_switch,
};

use super::{SingleKeys, linear::Tensor};
use crate::{ServerError, control::Watch};

/// Looks every element of `x` up in its table, on all cores.
///
/// Cost: one key switch and one blind rotation per element.
pub(super) fn apply(
    lut: &Lut,
    table: &TablePlan,
    x: &Tensor,
    keys: &SingleKeys,
    watch: &Watch<'_>,
) -> Result<Tensor, ServerError> {
    let size = keys.parameters.large_dimension() + 1;
    let elements: Vec<(usize, &[u64])> = x.ciphertexts().enumerate().collect();
    let look_up = |(element, ciphertext): (usize, &[u64])| {
        watch.check()?;
        let polynomial = table.polynomial(lut, lut.channel_of(element), keys.parameters.polynomial_size);
        let result = look_up(ciphertext, &polynomial, table, keys);
        watch.looked_up(1);
        Ok(result)
    };
    let results: Result<Vec<Vec<u64>>, ServerError> = elements.into_par_iter().map(look_up).collect();
    Ok(Tensor::new(size, results?.concat()))
}

fn look_up(ciphertext: &[u64], polynomial: &[u64], table: &TablePlan, keys: &SingleKeys) -> Vec<u64> {
    let set = &keys.parameters;
    let mut input = ciphertext.to_vec();
    shift_body(&mut input, table.input_shift);
    let input = LweCiphertext::from_container(input, CiphertextModulus::new_native());
    let small_size = LweDimension(set.lwe_dimension).to_lwe_size();
    let mut small = LweCiphertext::new(0_u64, small_size, CiphertextModulus::new_native());
    keyswitch_lwe_ciphertext(&keys.key_switch, &input, &mut small);
    let mut output = rotate(small, polynomial, set, keys);
    shift_body(&mut output, table.output_shift());
    output
}

/// Rotates the polynomial by the ciphertext's phase and extracts its constant coefficient.
fn rotate(
    small: LweCiphertext<Vec<u64>>,
    polynomial: &[u64],
    set: &ParameterSet,
    keys: &SingleKeys,
) -> Vec<u64> {
    let polynomial_size = PolynomialSize(set.polynomial_size);
    let positions = CiphertextModulusLog(1 + set.polynomial_size.ilog2() as usize);
    let switched = lwe_ciphertext_centered_binary_modulus_switch::<u64, usize, _>(small, positions);
    let glwe_size = GlweDimension(set.glwe_dimension).to_glwe_size();
    let mut accumulator =
        GlweCiphertext::new(0_u64, glwe_size, polynomial_size, CiphertextModulus::new_native());
    accumulator.get_mut_body().as_mut().copy_from_slice(polynomial);
    blind_rotate_assign(&switched, &mut accumulator, &keys.bootstrap);
    let large_size = LweDimension(set.large_dimension()).to_lwe_size();
    let mut output = LweCiphertext::new(0_u64, large_size, CiphertextModulus::new_native());
    extract_lwe_sample_from_glwe_ciphertext(&accumulator, &mut output, MonomialDegree(0));
    output.into_container()
}

fn shift_body(ciphertext: &mut [u64], shift: u64) {
    if let Some(body) = ciphertext.last_mut() {
        *body = body.wrapping_add(shift);
    }
}
