//! What loads, what is refused and by which name, which hash a set has.

use super::*;

const SHIPPED: &str = include_str!("../../parameters/record-2048.json");
const IMAGE: &str = include_str!("../../parameters/image-1024.json");

#[test]
fn the_shipped_sets_have_at_least_the_stated_security() {
    for (json, bits) in [(SHIPPED, 132.0), (IMAGE, 130.1)] {
        let set = ParameterSet::from_json(json.as_bytes()).unwrap();
        assert!(set.security_bits() >= bits, "{}", set.security_bits());
        let stated: serde_json::Value = serde_json::from_str(json).unwrap();
        assert!(stated["security"]["bits"].as_f64().unwrap() <= set.security_bits());
    }
}

/// Keys in the field are stored under this hash: do not change this test.
#[test]
fn the_hash_of_a_set_without_blocks_is_that_of_version_0_1() {
    let set = ParameterSet::from_json(SHIPPED.as_bytes()).unwrap();
    let hash = u128::from_be_bytes(set.hash()[..16].try_into().unwrap());
    assert_eq!(hash, 0xc741_22ea_f83d_d021_de2f_8fc8_453d_54e0);
    assert_eq!(
        (set.lwe_block, &set.packing, set.words()),
        (1, &None, WordSize::Bits64)
    );
}

#[test]
fn blocks_choose_the_words_and_the_mean_key_bit() {
    let set = ParameterSet::from_json(IMAGE.as_bytes()).unwrap();
    assert_eq!(set.words(), WordSize::Bits32);
    assert!((set.mean_small_bit() - 0.2).abs() < 1e-12);
}

#[test]
fn names_what_blocks_and_packing_do_not_allow() {
    let refusals = [
        ("\"lwe_block\": 4", "\"lwe_block\": 3", "lwe_block"),
        ("\"lwe_block\": 4", "\"lwe_block\": 0", "lwe_block"),
        ("\"glwe_dimension\": 2", "\"glwe_dimension\": 3", "glwe_dimension"),
        (
            "\"rotation_levels\": 2",
            "\"rotation_levels\": 4",
            "rotation_levels",
        ),
        (
            "\"key_switch_levels\": 8",
            "\"key_switch_levels\": 17",
            "key_switch_levels",
        ),
        (
            "\"polynomial_size\": 256",
            "\"polynomial_size\": 255",
            "packing.polynomial_size",
        ),
        (
            "\"glwe_dimension\": 8",
            "\"glwe_dimension\": 65",
            "packing.glwe_dimension",
        ),
        (
            "\"base_log2\": 15,\n    ",
            "\"base_log2\": 27,\n    ",
            "packing.levels",
        ),
    ];
    for (good, bad, want) in refusals {
        let json = IMAGE
            .replace(good, bad)
            .replace("15,\n  \"rotation_levels\": 4", "13,\n  \"rotation_levels\": 4");
        assert_ne!(json, IMAGE, "{want}");
        let error = ParameterSet::from_json(json.as_bytes()).unwrap_err();
        assert!(
            matches!(error, ParameterError::OutOfRange { name, .. } if name == want),
            "{error}"
        );
    }
}

#[test]
fn refuses_secrets_without_an_estimate_by_name() {
    let weak = [
        ("\"lwe_block\": 4", "\"lwe_block\": 1", "small"),
        ("\"lwe_block\": 4", "\"lwe_block\": 8", "small"),
        (
            "\"noise_log2\": -48.32,\n    ",
            "\"noise_log2\": -50.0,\n    ",
            "packing",
        ),
        ("\"glwe_dimension\": 8", "\"glwe_dimension\": 7", "packing"),
    ];
    for (good, bad, want) in weak {
        let error = ParameterSet::from_json(IMAGE.replace(good, bad).as_bytes()).unwrap_err();
        assert!(
            matches!(error, ParameterError::Insecure { secret, .. } if secret == want),
            "{error}"
        );
    }
}

#[test]
fn refuses_less_noise_than_recorded_whatever_the_file_claims() {
    let weak = SHIPPED.replace("-19.744", "-24.0").replace("132.4", "300.0");
    let error = ParameterSet::from_json(weak.as_bytes()).unwrap_err();
    assert!(
        matches!(
            error,
            ParameterError::Insecure {
                secret: "small",
                dimension: 900,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn names_the_parameter_out_of_range() {
    let odd = SHIPPED.replace("\"polynomial_size\": 2048", "\"polynomial_size\": 2047");
    let error = ParameterSet::from_json(odd.as_bytes()).unwrap_err();
    assert!(matches!(
        error,
        ParameterError::OutOfRange {
            name: "polynomial_size",
            ..
        }
    ));
}

#[test]
fn the_hash_changes_with_every_parameter() {
    let set = ParameterSet::from_json(SHIPPED.as_bytes()).unwrap();
    let mut other = set.clone();
    other.table_answer_bits += 1;
    assert_ne!(set.hash(), other.hash());
}
