//! Input contracts, and a record of extreme values against each that loads.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use obscura_bundle::{Contract, FieldValue, Kind};

fuzz_target!(|data: &[u8]| {
    let Ok(contract) = Contract::from_json(data) else {
        return;
    };
    let extreme = |high: bool| -> BTreeMap<String, FieldValue> {
        let value = |kind: &Kind| match kind {
            Kind::Number { min, max } => FieldValue::Number(if high { *max } else { *min }),
            Kind::Code(codes) => FieldValue::Code(codes[0].code().to_owned()),
        };
        contract
            .fields()
            .iter()
            .map(|field| (field.name().to_owned(), value(field.kind())))
            .collect()
    };
    let bounds = contract.input_bounds();
    for high in [false, true] {
        let inputs = contract
            .quantise(&extreme(high))
            .expect("a record within the contract");
        assert_eq!(inputs.len(), contract.input_len());
        assert!(
            inputs
                .iter()
                .zip(&bounds)
                .all(|(x, (low, top))| (low..=top).contains(&x))
        );
    }
    let problems = contract
        .quantise(&BTreeMap::new())
        .expect_err("every field is missing");
    assert_eq!(problems.len(), contract.fields().len());
});
