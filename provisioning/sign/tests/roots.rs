//! The real `obscura-sign` with roots: thresholds, changes, keys on another machine.

#![expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]

mod common;

use std::fs;

use common::{Desk, refused, stderr, stdout};
use ed25519_dalek::{Signer, SigningKey};
use obscura_bundle::Root;

#[test]
fn a_threshold_of_two_needs_two_different_keys() {
    let desk = Desk::new();
    let new = [
        "root",
        "new",
        "--out",
        "root.bin",
        "--key",
        "root.key",
        "--keys",
        "3",
        "--threshold",
        "2",
        "--password-file",
        "password",
    ];
    assert!(desk.run(&new).status.success());
    refused(
        &desk.bundle(&["--key", "root-1.key"]),
        5,
        "signed by 1 keys of this root, 2 are needed",
    );
    refused(
        &desk.bundle(&["--key", "root-1.key", "--key", "root-1.key"]),
        5,
        "2 are needed",
    );
    let signed = desk.bundle(&["--key", "root-1.key", "--key", "root-3.key"]);
    assert!(signed.status.success(), "{}", stderr(&signed));
    let never = [
        "root",
        "new",
        "--out",
        "n.bin",
        "--key",
        "n.key",
        "--threshold",
        "2",
        "--password-file",
        "password",
    ];
    refused(&desk.run(&never), 2, "asks for 2 of 1 signatures");
    assert!(!desk.path("n.key").exists());
}

/// The public keys of a root document, as people see them.
fn public_keys(desk: &Desk, root: &str) -> Vec<String> {
    let root = Root::from_bytes(&fs::read(desk.path(root)).unwrap()).unwrap();
    root.keys().iter().map(|listed| listed.key.to_string()).collect()
}

#[test]
fn a_stolen_key_is_revoked_by_the_next_root_and_its_bundles_no_longer_verify() {
    let desk = Desk::with_root();
    let password = ["--password-file", "password"];
    let other = ["root", "new", "--out", "new-key.bin", "--key", "new.key"];
    assert!(desk.run(&[&other[..], &password].concat()).status.success());
    let (stolen, fresh) = (
        &public_keys(&desk, "root.bin")[0],
        &public_keys(&desk, "new-key.bin")[0],
    );
    assert!(desk.bundle(&[]).status.success());

    let next = ["root", "next", "--root", "root.bin", "--out", "2.obr"];
    let changes = ["--add", fresh, "--revoke", stolen, "--max-counter", "50"];
    let drafted = desk.run(&[&next[..], &changes].concat());
    assert!(drafted.status.success(), "{}", stderr(&drafted));
    assert!(stdout(&drafted).contains("signed by      nobody yet"));
    let accept = [
        "root",
        "accept",
        "2.obr",
        "--root",
        "root.bin",
        "--out",
        "root-2.bin",
    ];
    refused(
        &desk.run(&accept),
        5,
        "signed by 0 keys of the former one, 1 are needed",
    );
    let sign = |key: &str| desk.run(&[&["root", "sign", "2.obr", "--key", key][..], &password].concat());
    assert!(sign("root.key").status.success());
    refused(&desk.run(&accept), 5, "signed by 0 of its own keys, 1 are needed");
    assert!(sign("new.key").status.success());
    let shown = stdout(&desk.run(&["root", "show", "2.obr"]));
    assert!(
        shown.contains("root version   2") && shown.contains("up to counter 50"),
        "{shown}"
    );
    assert!(desk.run(&accept).status.success());
    refused(&desk.run(&accept), 2, "is there already");

    let inspect = desk.run(&["inspect", "cardio-lr.obb", "--root", "root-2.bin"]);
    refused(&inspect, 5, "signed by 0 keys of this root, 1 are needed");
    // Of two --counter and --root clap takes none: the whole command anew.
    let bundle = |counter: &str| {
        let what = [
            "bundle",
            "--payload",
            "payload",
            "--version",
            "0.1.0",
            "--model-id",
            "cardio-lr",
        ];
        let how = [
            "--counter",
            counter,
            "--key",
            "new.key",
            "--root",
            "root-2.bin",
            "--out",
            "2.obb",
        ];
        desk.run(&[&what[..], &how, &password].concat())
    };
    refused(
        &bundle("51"),
        5,
        "security counter 51, 0 of the keys that signed it",
    );
    assert!(bundle("50").status.success());
    let forget = [
        "root",
        "next",
        "--root",
        "root-2.bin",
        "--out",
        "3.obr",
        "--add",
        stolen,
    ];
    refused(&desk.run(&forget), 2, "lists the revoked key");
}

#[test]
fn a_key_that_stays_on_another_machine_signs_what_is_exported() {
    let desk = Desk::with_root();
    let far = SigningKey::from_bytes(&[7; 32]);
    let far_public = obscura_protocol::identity::PublicKey(far.verifying_key().to_bytes()).to_string();
    let next = [
        "root",
        "next",
        "--root",
        "root.bin",
        "--out",
        "2.obr",
        "--add",
        &far_public,
    ];
    let limits = ["--threshold", "2", "--limit", &format!("{far_public}=9")];
    assert!(desk.run(&[&next[..], &limits].concat()).status.success());
    let export = desk.run(&["root", "sign", "2.obr", "--export", "to-sign"]);
    assert!(export.status.success(), "{}", stderr(&export));
    let signature = far.sign(&fs::read(desk.path("to-sign")).unwrap()).to_bytes();
    let import = || {
        desk.run(&[
            "root",
            "sign",
            "2.obr",
            "--import",
            "signature",
            "--public-key",
            &far_public,
        ])
    };
    fs::write(desk.path("signature"), &signature[..63]).unwrap();
    refused(&import(), 2, "holds 63 bytes");
    let mut altered = signature;
    altered[0] ^= 1;
    fs::write(desk.path("signature"), altered).unwrap();
    refused(&import(), 5, "wrong signature");
    fs::write(desk.path("signature"), signature).unwrap();
    assert!(import().status.success());
    let sign = [
        "root",
        "sign",
        "2.obr",
        "--key",
        "root.key",
        "--password-file",
        "password",
    ];
    assert!(desk.run(&sign).status.success());
    let accept = [
        "root",
        "accept",
        "2.obr",
        "--root",
        "root.bin",
        "--out",
        "root-2.bin",
    ];
    let accepted = desk.run(&accept);
    assert!(accepted.status.success(), "{}", stderr(&accepted));
    assert!(stdout(&accepted).contains("up to counter 9\n"));
    let unknown = [
        "root",
        "next",
        "--root",
        "root.bin",
        "--out",
        "n.obr",
        "--drop",
        &far_public,
    ];
    refused(&desk.run(&unknown), 2, "the root has no key");
}
