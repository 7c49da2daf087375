//! The real `obscura-sign`, from a new root to a signed bundle and back, and every refusal.

#![expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]

mod common;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
};

use common::{Desk, refused, stderr, stdout};
use obscura_bundle::{Contract, Root, TrustedRoot, verify};
use serde_json::{Value, json};

#[test]
fn signs_the_shipped_payload_and_the_bundle_verifies() {
    let desk = Desk::with_root();
    let signed = desk.bundle(&[]);
    assert!(signed.status.success(), "{}", stderr(&signed));
    let root = Root::from_bytes(&fs::read(desk.path("root.bin")).unwrap()).unwrap();
    let root = TrustedRoot::pinned(&root.to_bytes(), root.fingerprint()).unwrap();
    let bundle = verify(&fs::read(desk.path("cardio-lr.obb")).unwrap(), &root).unwrap();
    assert_eq!(bundle.manifest().security_counter, 3);
    assert_eq!(bundle.contract().unwrap().model_id(), "cardio-lr");
    for entry in fs::read_dir(desk.path("payload")).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        assert_eq!(bundle.file(&name).unwrap(), fs::read(entry.path()).unwrap());
    }
    let shown = desk.run(&["inspect", "cardio-lr.obb", "--root", "root.bin"]);
    assert!(shown.status.success());
    assert!(stdout(&shown).contains("model          cardio-lr 0.1.0"));
    assert!(stdout(&shown).contains(&bundle.model_hash().to_string()));
    assert!(stdout(&signed).starts_with(&stdout(&shown)));
}

#[test]
fn payloads_of_images_are_signed_when_their_golden_patches_come_out() {
    for model in ["derm-tiny", "derm-small"] {
        let desk = Desk::with_payload(&format!("stand-in/{model}")).make_root();
        let signed = desk.bundle(&["--model-id", model]);
        assert!(signed.status.success(), "{}", stderr(&signed));
        assert!(stdout(&signed).contains("golden vectors 3, all as expected"));
    }
    let desk = Desk::with_payload("stand-in/derm-tiny").make_root();
    let tiny = ["--model-id", "derm-tiny"];
    let golden = fs::read_to_string(desk.path("payload/golden.json")).unwrap();
    let (head, outputs) = golden.split_once("\"outputs\": [").unwrap();
    let altered = format!("{head}\"outputs\": [1{outputs}");
    fs::write(desk.path("payload/golden.json"), altered).unwrap();
    refused(&desk.bundle(&tiny), 3, "has the wrong outputs");
    fs::copy(
        Desk::new().path("payload/golden.json"),
        desk.path("payload/golden.json"),
    )
    .unwrap();
    refused(
        &desk.bundle(&tiny),
        3,
        "golden.json holds records where the contract reads images",
    );
    fs::write(desk.path("payload/golden.json"), golden).unwrap();
    desk.alter(
        "contract.json",
        "\"output\": \"logits\"",
        "\"output\": \"scores\"",
    );
    refused(
        &desk.bundle(&tiny),
        3,
        "output scores of the circuit has 0 numbers",
    );
    desk.alter("contract.json", "\"scale\": 48", "\"scale\": 49");
    refused(&desk.bundle(&tiny), 3, "the circuit takes");
}

/// The stand-in's payload with a clear head over its seven logits, a licence, and one whole image.
fn payload_with_head(desk: &Desk) {
    let read = |name: &str| -> Value {
        serde_json::from_slice(&fs::read(desk.path("payload").join(name)).unwrap()).unwrap()
    };
    let mut contract = read("contract.json");
    let identity: Vec<Vec<f64>> = (0..7)
        .map(|row| (0..7).map(|column| f64::from(u8::from(row == column))).collect())
        .collect();
    contract["format"] = json!(3);
    contract["licence"] = json!({"name": "CC BY-NC 4.0", "text": "Images.", "non_commercial": true});
    contract["scores"] = json!({
        "kind": "head", "output": "logits", "inputs": 7, "value_per_integer": 8e-5, "temperature": 1.5,
        "pool": {"mean": true, "max": false, "attention": []},
        "classes": {"weights": identity, "bias": vec![0.25; 7]}
    });
    let parsed = Contract::from_json(contract.to_string().as_bytes()).unwrap();
    let outputs: Vec<Vec<i64>> = (0..49)
        .map(|at| (0..7).map(|class| 100 * at * class).collect())
        .collect();
    let scores = parsed.image().unwrap().scores(&outputs).unwrap();
    let mut golden = read("golden.json");
    golden["format"] = json!(3);
    golden["scans"] = json!([{"name": "made up", "outputs": outputs, "probabilities": scores.probabilities}]);
    desk.put("contract.json", &contract);
    desk.put("golden.json", &golden);
}

#[test]
fn a_clear_head_is_signed_when_its_golden_image_comes_out_and_the_licence_is_shown() {
    let desk = Desk::with_payload("stand-in/derm-tiny").make_root();
    let tiny = ["--model-id", "derm-tiny"];
    payload_with_head(&desk);
    let signed = desk.bundle(&tiny);
    assert!(signed.status.success(), "{}", stderr(&signed));
    assert!(stdout(&signed).contains("golden vectors 4, all as expected"));
    let shown = stdout(&desk.run(&["inspect", "cardio-lr.obb", "--root", "root.bin"]));
    let licence = "licence        CC BY-NC 4.0: not for commercial use\n               Images.\n";
    assert!(
        shown.contains(licence) && stdout(&signed).contains(licence),
        "{shown}"
    );

    let contract: Value =
        serde_json::from_slice(&fs::read(desk.path("payload/contract.json")).unwrap()).unwrap();
    let golden: Value = serde_json::from_slice(&fs::read(desk.path("payload/golden.json")).unwrap()).unwrap();
    let refused_with = |alter: &dyn Fn(&mut Value, &mut Value), says: &str| {
        let (mut contract, mut golden) = (contract.clone(), golden.clone());
        alter(&mut contract, &mut golden);
        desk.put("contract.json", &contract);
        desk.put("golden.json", &golden);
        refused(&desk.bundle(&tiny), 3, says);
    };
    let wrong = "golden vector made up has the wrong";
    let probabilities = format!("{wrong} probabilities");
    refused_with(
        &|_, golden| {
            let first = &mut golden["scans"][0]["probabilities"][0];
            *first = json!(first.as_f64().unwrap() + 2e-9);
        },
        &probabilities,
    );
    refused_with(
        &|contract, _| contract["scores"]["temperature"] = json!(1.6),
        &probabilities,
    );
    refused_with(
        &|contract, _| contract["scores"]["classes"]["bias"][3] = json!(0.26),
        &probabilities,
    );
    refused_with(
        &|_, golden| drop(golden["scans"][0]["probabilities"].as_array_mut().unwrap().pop()),
        &probabilities,
    );
    refused_with(
        &|_, golden| drop(golden["scans"][0]["outputs"].as_array_mut().unwrap().pop()),
        &format!("{wrong} number of outputs"),
    );
    refused_with(
        &|_, golden| {
            golden["format"] = json!(2);
            drop(golden.as_object_mut().unwrap().remove("scans"));
        },
        "golden.json has no whole image",
    );
    refused_with(
        &|contract, _| {
            contract["scores"]["inputs"] = json!(6);
            contract["scores"]["classes"]["weights"] = json!(vec![vec![0.5; 6]; 7]);
        },
        "contract reads 6 numbers, output logits of the circuit has 7 numbers",
    );
}

#[test]
fn the_root_is_public_the_key_is_sealed_and_private() {
    let desk = Desk::with_root();
    let mode = |name: &str| fs::metadata(desk.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("root.key"), 0o600);
    let key = fs::read(desk.path("root.key")).unwrap();
    assert!(key.starts_with(b"OBSCSIGN"));
    let root = Root::from_bytes(&fs::read(desk.path("root.bin")).unwrap()).unwrap();
    let shown = desk.run(&["root", "show", "root.bin"]);
    assert!(stdout(&shown).contains(&root.fingerprint().to_string()));
    assert!(stdout(&shown).contains(&root.keys()[0].key.to_string()));
}

#[test]
fn nothing_is_ever_replaced_by_a_new_root() {
    let desk = Desk::with_root();
    let before = (
        fs::read(desk.path("root.bin")).unwrap(),
        fs::read(desk.path("root.key")).unwrap(),
    );
    for (out, key) in [("root.bin", "other.key"), ("other.bin", "root.key")] {
        let again = desk.run(&[
            "root",
            "new",
            "--out",
            out,
            "--key",
            key,
            "--password-file",
            "password",
        ]);
        refused(&again, 2, "is there already");
    }
    let after = (
        fs::read(desk.path("root.bin")).unwrap(),
        fs::read(desk.path("root.key")).unwrap(),
    );
    assert_eq!(before, after);
    assert!(!desk.path("other.bin").exists() && !desk.path("other.key").exists());
}

#[test]
fn a_wrong_password_and_an_altered_key_file_look_the_same() {
    let desk = Desk::with_root();
    fs::write(desk.path("wrong"), "correct house\n").unwrap();
    let wrong = desk.bundle(&["--password-file", "wrong"]);
    refused(&wrong, 4, "the password is wrong or the file was altered");
    let mut key = fs::read(desk.path("root.key")).unwrap();
    *key.last_mut().unwrap() ^= 1;
    fs::write(desk.path("root.key"), key).unwrap();
    let altered = desk.bundle(&[]);
    assert_eq!(stderr(&altered), stderr(&wrong));
    assert!(!desk.path("cardio-lr.obb").exists());
}

#[test]
fn the_password_can_come_through_a_descriptor() {
    let desk = Desk::with_root();
    let script = "exec 7<password; exec \"$0\" bundle --payload payload --counter 3 --version 0.1.0 \
                  --model-id cardio-lr --key root.key --root root.bin --out by-fd.obb --password-fd 7";
    let status = Command::new("bash")
        .current_dir(desk.0.path())
        .args(["-c", script, env!("CARGO_BIN_EXE_obscura-sign")])
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    assert!(desk.path("by-fd.obb").exists());
}

#[test]
fn payloads_that_lack_or_add_a_file_are_refused_by_name() {
    let desk = Desk::with_root();
    let parameters = desk.path("payload/parameters.json");
    fs::rename(&parameters, desk.path("aside")).unwrap();
    refused(&desk.bundle(&[]), 3, "payload has no file parameters.json");
    fs::rename(desk.path("aside"), &parameters).unwrap();
    fs::write(desk.path("payload/notes.txt"), "").unwrap();
    refused(&desk.bundle(&[]), 3, "payload has the unexpected file notes.txt");
    assert!(!desk.path("cardio-lr.obb").exists());
}

#[test]
fn payloads_whose_parts_do_not_parse_or_fit_are_refused() {
    type Case = (&'static str, &'static str, &'static str, &'static str);
    let cases: [Case; 6] = [
        (
            "contract.json",
            "\"scale_bits\": 12",
            "\"scale_bits\": 99",
            "scale_bits is 1 to 24",
        ),
        (
            "contract.json",
            "\"max\": 80",
            "\"max\": 81",
            "for input 0, the circuit takes",
        ),
        (
            "circuit.json",
            "\"linear\"",
            "\"linnear\"",
            "circuit of the payload is refused",
        ),
        (
            "parameters.json",
            "{",
            "{\"surprise\": 1,",
            "parameters.json is refused",
        ),
        (
            "golden.json",
            "\"score\": -",
            "\"score\": -1",
            "has the wrong score",
        ),
        (
            "golden.json",
            "\"age_years\": 35",
            "\"age_years\": 19",
            "age_years is out of range",
        ),
    ];
    for (file, from, to, says) in cases {
        let desk = Desk::with_root();
        desk.alter(file, from, to);
        refused(&desk.bundle(&[]), 3, says);
        assert!(!desk.path("cardio-lr.obb").exists());
    }
    let desk = Desk::with_root();
    refused(
        &desk.bundle(&["--model-id", "other"]),
        3,
        "contract is of model cardio-lr, not of other",
    );
}

#[test]
fn a_key_outside_the_root_does_not_sign() {
    let desk = Desk::with_root();
    let other = [
        "root",
        "new",
        "--out",
        "other.bin",
        "--key",
        "other.key",
        "--password-file",
        "password",
    ];
    assert!(desk.run(&other).status.success());
    refused(&desk.bundle(&["--key", "other.key"]), 5, "is not in the root");
}

#[test]
fn inspect_refuses_altered_foreign_and_unreadable_files() {
    let desk = Desk::with_root();
    assert!(desk.bundle(&[]).status.success());
    let mut bytes = fs::read(desk.path("cardio-lr.obb")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(desk.path("altered.obb"), bytes).unwrap();
    refused(
        &desk.run(&["inspect", "altered.obb", "--root", "root.bin"]),
        5,
        "bundle is refused",
    );
    refused(
        &desk.run(&["inspect", "root.bin", "--root", "root.bin"]),
        5,
        "not a bundle",
    );
    refused(
        &desk.run(&["inspect", "cardio-lr.obb", "--root", "cardio-lr.obb"]),
        2,
        "at most 4096",
    );
    refused(
        &desk.run(&["inspect", "nothing.obb", "--root", "root.bin"]),
        2,
        "cannot read nothing.obb",
    );
}

#[test]
fn help_names_the_exit_codes() {
    let desk = Desk(tempfile::tempdir().unwrap());
    for arguments in [
        &["--help"][..],
        &["root", "new", "--help"],
        &["bundle", "--help"],
        &["inspect", "--help"],
    ] {
        assert!(
            stdout(&desk.run(arguments)).contains("4 wrong password"),
            "{arguments:?}"
        );
    }
    assert_eq!(desk.run(&["sign"]).status.code(), Some(2));
}
