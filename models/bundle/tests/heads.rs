//! The exporter's heads on made-up numbers against the contract code: the same probabilities and maps.
#![expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]

use std::{fs, path::Path};

use obscura_bundle::{Contract, GoldenScan, ImageContract};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Fixture {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    contract: Value,
    scans: Vec<GoldenScan>,
    /// Class, probability and weight of each patch of each scan.
    maps: Vec<Vec<(usize, f64, f64)>>,
}

fn cases() -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/heads.json");
    serde_json::from_slice::<Fixture>(&fs::read(path).unwrap())
        .unwrap()
        .cases
}

fn read(case: &Case) -> ImageContract {
    let contract = Contract::from_json(case.contract.to_string().as_bytes()).unwrap();
    contract.image().unwrap().clone()
}

#[test]
fn every_kind_of_head_gives_the_exporters_probabilities() {
    let cases = cases();
    assert_eq!(cases.len(), 6);
    for case in &cases {
        let contract = read(case);
        for scan in &case.scans {
            scan.check(&contract).unwrap();
        }
        assert_eq!(contract.has_head(), case.name != "largest logit", "{}", case.name);
    }
}

#[test]
fn every_kind_of_head_gives_the_exporters_map() {
    for case in cases() {
        let contract = read(&case);
        for (scan, want) in case.scans.iter().zip(&case.maps) {
            let map = contract.map(&scan.outputs).unwrap();
            assert_eq!(map.patches.len(), want.len());
            assert_eq!(
                map.weighted,
                case.name.contains("attention") || case.name.contains("every")
            );
            for (place, (class, probability, weight)) in map.patches.iter().zip(want) {
                assert_eq!(place.class, *class, "{}", scan.name);
                assert!((place.probability - probability).abs() < 1e-9, "{}", scan.name);
                assert!((place.weight - weight).abs() < 1e-9, "{}", scan.name);
            }
        }
    }
}

#[test]
fn a_golden_image_is_checked_to_a_billionth_and_by_its_name() {
    let case = cases().remove(5);
    let contract = read(&case);
    let with = |alter: &dyn Fn(&mut GoldenScan)| {
        let mut scan = case.scans[0].clone();
        alter(&mut scan);
        scan.check(&contract).map_err(|wrong| wrong.to_string())
    };
    assert_eq!(with(&|scan| scan.probabilities[1] += 0.5e-9), Ok(()));
    let wrong = |part: &str| {
        Err(format!(
            "golden vector {} has the wrong {part}",
            case.scans[0].name
        ))
    };
    assert_eq!(
        with(&|scan| scan.probabilities[1] += 2e-9),
        wrong("probabilities")
    );
    assert_eq!(
        with(&|scan| scan.probabilities[0] = f64::NAN),
        wrong("probabilities")
    );
    assert_eq!(
        with(&|scan| scan.probabilities.truncate(2)),
        wrong("probabilities")
    );
    assert_eq!(with(&|scan| scan.outputs[3][0] += 40), wrong("probabilities"));
    assert_eq!(with(&|scan| drop(scan.outputs.pop())), wrong("number of outputs"));
}
