//! Input contracts, and a record or an image of extreme values against each that loads.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use obscura_bundle::{Contract, FieldValue, ImageContract, Kind, Reads, RecordContract};

fuzz_target!(|data: &[u8]| {
    let Ok(contract) = Contract::from_json(data) else {
        return;
    };
    let bounds = contract.input_bounds();
    match contract.reads() {
        Reads::Record(contract) => record(contract, &bounds),
        Reads::Image(contract) => image(contract, &bounds),
    }
});

fn within(inputs: &[i64], bounds: &[(i64, i64)]) -> bool {
    let mut pairs = inputs.iter().zip(bounds);
    inputs.len() == bounds.len() && pairs.all(|(x, (low, top))| (low..=top).contains(&x))
}

fn image(contract: &ImageContract, bounds: &[(i64, i64)]) {
    for level in [0, 255] {
        let patches = contract
            .quantise(&vec![level; contract.pixel_bytes()])
            .expect("as many levels as the contract asks for");
        assert!(patches.iter().all(|inputs| within(inputs, bounds)));
        let outputs = vec![vec![i64::from(level) << 20; contract.output_len()]; patches.len()];
        let scores = contract
            .scores(&outputs)
            .expect("as many outputs as the contract asks for");
        assert!(scores.class < contract.classes().len());
        if contract.has_head() {
            let sum: f64 = scores.probabilities.iter().sum();
            assert!((sum - 1.0).abs() < 1e-6, "bounded numbers give probabilities");
            let map = contract
                .map(&outputs)
                .expect("as many outputs as the contract asks for");
            assert!(map.patches.iter().all(|place| place.weight.is_finite()));
        }
        assert!(contract.scores(&outputs[1..]).is_err() && contract.quantise(&[]).is_err());
    }
}

fn record(contract: &RecordContract, bounds: &[(i64, i64)]) {
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
    for high in [false, true] {
        let inputs = contract
            .quantise(&extreme(high))
            .expect("a record within the contract");
        assert!(inputs.len() == contract.input_len() && within(&inputs, bounds));
    }
    let problems = contract
        .quantise(&BTreeMap::new())
        .expect_err("every field is missing");
    assert_eq!(problems.len(), contract.fields().len());
}
