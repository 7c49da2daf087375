//! One transform plan per polynomial size, fixed before the first key of that size is transformed.
//!
//! tfhe would choose the plan by a timing of 10 ms at start, and two plans round differently: two processes
//! would answer one item with different bytes.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use tfhe::core_crypto::fft_impl::fft64::math::fft::setup_custom_fft_plan;
use tfhe_fft::{
    ordered::FftAlgo,
    unordered::{Method, Plan},
};

/// Sizes whose plan is fixed; a second setting would invalidate keys transformed under the first.
static FIXED: Mutex<BTreeSet<usize>> = Mutex::new(BTreeSet::new());

/// Fixes the plan for polynomials of `polynomial_size` coefficients, a power of two of at least 512.
pub(crate) fn fix_plan(polynomial_size: usize) {
    let mut fixed = FIXED.lock().unwrap_or_else(PoisonError::into_inner);
    if fixed.insert(polynomial_size) {
        setup_custom_fft_plan(Plan::new(polynomial_size / 2, method(polynomial_size / 2)));
    }
}

/// The plan that a timing chose most often on a processor with AVX-512, for a transform of `size` points.
fn method(size: usize) -> Method {
    let (base_algo, base_n) = match size {
        0..=256 => (FftAlgo::Dif16, size),
        257..=512 => (FftAlgo::Dif8, size),
        513..=1024 => (FftAlgo::Dif4, size),
        _ => (FftAlgo::Dif8, 512),
    };
    Method::UserProvided { base_algo, base_n }
}
