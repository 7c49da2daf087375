//! The shipped parameters, for this crate's tests.

use obscura_fhe_core::ParameterSet;

pub(crate) fn parameters() -> ParameterSet {
    let json = include_bytes!("../../fhe-core/parameters/record-2048.json");
    ParameterSet::from_json(json).unwrap()
}
