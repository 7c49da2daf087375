//! `obscura-provision` as a technician uses it: what it writes, what it refuses, what it survives.
#![expect(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use obscura_bundle::{Bundle, Meta, Root, manifest::SCHEME_TFHE_1};
use obscura_protocol::identity::Identity;
use zeroize::Zeroizing;

struct Bench {
    temp: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let key = Identity::from_seed(&Zeroizing::new([7; 32])).public();
        fs::write(
            temp.path().join("root.bin"),
            Root::new(1, 1, vec![key]).unwrap().to_bytes(),
        )
        .unwrap();
        Self { temp }
    }

    fn site(&self) -> PathBuf {
        self.temp.path().join("site")
    }

    fn provision(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_obscura-provision"));
        command
            .args(arguments)
            .current_dir(self.temp.path())
            .output()
            .unwrap()
    }

    fn new_site(&self) -> Output {
        self.provision(&["new-site", "--dir", "site", "--root", "root.bin"])
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn all_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            assert_eq!(mode(&path), 0o700, "{}", path.display());
            found.extend(all_files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

#[test]
fn a_new_site_has_every_file_and_keys_only_their_owner_can_read() {
    let bench = Bench::new();
    let output = bench.new_site();
    assert!(output.status.success(), "{}", said(&output));
    let site = bench.site();
    let mut files: Vec<String> = all_files(&site)
        .iter()
        .map(|path| path.strip_prefix(&site).unwrap().to_str().unwrap().to_owned())
        .collect();
    files.sort();
    let expected = [
        "authority/ca.key.pem",
        "authority/ca.pem",
        "authority/site.toml",
        "box/box.toml",
        "box/ca.pem",
        "box/envelope.key",
        "box/mqtt.key.pem",
        "box/mqtt.pem",
        "box/receipt.key",
        "box/root.bin",
        "box/roster.toml",
        "box/state/trust/first-start",
        "broker/acl",
        "broker/ca.pem",
        "broker/mosquitto.conf",
        "broker/server.key.pem",
        "broker/server.pem",
        "device-1/agent.toml",
        "device-1/ca.pem",
        "device-1/envelope.key",
        "device-1/mqtt.key.pem",
        "device-1/mqtt.pem",
        "device-1/root.bin",
    ];
    assert_eq!(files, expected);
    for key in files.iter().filter(|name| name.contains("key")) {
        assert_eq!(mode(&site.join(key)), 0o600, "{key}");
    }
    assert!(site.join("box/models").is_dir() && site.join("box/state").is_dir());
    assert_eq!(mode(&site), 0o700);
}

#[test]
fn output_and_public_files_hold_no_secret() {
    let bench = Bench::new();
    let shown = said(&bench.new_site());
    let site = bench.site();
    for secret in ["box/envelope.key", "box/receipt.key", "device-1/envelope.key"] {
        let secret = fs::read_to_string(site.join(secret)).unwrap();
        assert_eq!(secret.len(), 65);
        let holders: Vec<PathBuf> = all_files(&site)
            .into_iter()
            .filter(|path| String::from_utf8_lossy(&fs::read(path).unwrap()).contains(secret.trim()))
            .collect();
        assert_eq!(holders.len(), 1, "{holders:?}");
        assert!(!shown.contains(secret.trim()));
    }
}

#[test]
fn two_sites_share_nothing() {
    let (one, two) = (Bench::new(), Bench::new());
    one.new_site();
    two.new_site();
    for name in [
        "box/envelope.key",
        "box/receipt.key",
        "device-1/envelope.key",
        "authority/ca.key.pem",
    ] {
        assert_ne!(
            fs::read(one.site().join(name)).unwrap(),
            fs::read(two.site().join(name)).unwrap(),
            "{name}"
        );
    }
}

#[test]
fn an_existing_site_is_refused_and_left_alone() {
    let bench = Bench::new();
    bench.new_site();
    let before = fs::read(bench.site().join("authority/ca.pem")).unwrap();
    let again = bench.new_site();
    assert_eq!(again.status.code(), Some(2));
    assert!(said(&again).contains("exists already"), "{}", said(&again));
    assert_eq!(fs::read(bench.site().join("authority/ca.pem")).unwrap(), before);
}

#[test]
fn what_a_stopped_run_left_does_not_stand_in_the_way() {
    let bench = Bench::new();
    let leftover = bench.temp.path().join(".site.partial");
    fs::create_dir_all(leftover.join("authority")).unwrap();
    fs::write(leftover.join("authority/ca.key.pem"), "half").unwrap();
    let output = bench.new_site();
    assert!(output.status.success(), "{}", said(&output));
    assert!(!leftover.exists());
}

#[test]
fn bad_names_addresses_and_roots_are_refused_with_code_2() {
    let bench = Bench::new();
    fs::write(bench.temp.path().join("bad.bin"), "not a root").unwrap();
    let cases: [&[&str]; 6] = [
        &["--root", "root.bin", "--box-name", "Box 1"],
        &["--root", "root.bin", "--box-name", "one", "--device", "one"],
        &["--root", "root.bin", "--device", "broker"],
        &["--root", "root.bin", "--address", "a b"],
        &["--root", "bad.bin"],
        &["--root", "missing.bin"],
    ];
    for extra in cases {
        let output = bench.provision(&[&["new-site", "--dir", "site"], extra].concat());
        assert_eq!(output.status.code(), Some(2), "{extra:?}: {}", said(&output));
        assert!(!bench.site().exists(), "{extra:?}");
    }
}

#[test]
fn a_device_is_added_once_and_listed() {
    let bench = Bench::new();
    bench.new_site();
    let add = || bench.provision(&["add-device", "--site", "site", "--name", "device-2"]);
    let output = add();
    assert!(output.status.success(), "{}", said(&output));
    let roster = fs::read_to_string(bench.site().join("box/roster.toml")).unwrap();
    assert_eq!(roster.matches("[[device]]").count(), 2);
    assert!(bench.site().join("device-2/agent.toml").is_file());
    assert_eq!(mode(&bench.site().join("device-2")), 0o700);
    let shown = said(&bench.provision(&["show", "--site", "site"]));
    assert!(
        shown.contains("device device-1") && shown.contains("device device-2"),
        "{shown}"
    );
    assert_eq!(add().status.code(), Some(2));
}

#[test]
fn a_device_may_send_models_only_when_that_was_asked_for() {
    let bench = Bench::new();
    bench.new_site();
    let add = |more: &[&str]| {
        let output = bench.provision(&[&["add-device", "--site", "site"], more].concat());
        assert!(output.status.success(), "{}", said(&output));
    };
    add(&["--name", "device-2", "--may-send-models"]);
    add(&["--name", "device-3"]);
    let roster = fs::read_to_string(bench.site().join("box/roster.toml")).unwrap();
    let allowed: Vec<&str> = roster
        .lines()
        .filter(|line| line.starts_with("may_send_models"))
        .collect();
    let (no, yes) = ("may_send_models = false", "may_send_models = true");
    assert_eq!(allowed, [no, yes, no]);
    let shown = said(&bench.provision(&["show", "--site", "site"]));
    assert!(shown.contains("device device-2 (may send models)\n"), "{shown}");
    assert!(shown.contains("device device-3\n"), "{shown}");
}

#[test]
fn a_device_whose_roster_entry_was_not_written_is_completed() {
    let bench = Bench::new();
    bench.new_site();
    let roster = bench.site().join("box/roster.toml");
    let before = fs::read(&roster).unwrap();
    let add = || bench.provision(&["add-device", "--site", "site", "--name", "device-2"]);
    add();
    let after = fs::read(&roster).unwrap();
    fs::write(&roster, before).unwrap();
    assert!(add().status.success());
    assert_eq!(fs::read(&roster).unwrap(), after);
}

#[test]
fn adding_a_device_to_something_else_says_what_is_missing() {
    let bench = Bench::new();
    let output = bench.provision(&["add-device", "--site", "nowhere", "--name", "device-2"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("authority/site.toml"), "{}", said(&output));
}

/// A signed bundle of nothing but a contract: that of a stand-in, in format 3 with this licence.
fn bundle(key: [u8; 32], non_commercial: bool) -> Vec<u8> {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../models/shipped/stand-in/derm-tiny/payload/contract.json");
    let contract = fs::read_to_string(shipped).unwrap();
    let licence = format!(
        r#""format": 3, "licence": {{"name": "CC BY-NC 4.0", "text": "Images of a clinic.", "non_commercial": {non_commercial}}}"#
    );
    let contract = contract.replacen(r#""format": 2"#, &licence, 1).replacen(
        r#""aggregate": "max""#,
        r#""kind": "max""#,
        1,
    );
    let meta = Meta {
        model_id: "derm-tiny".to_owned(),
        version: "0.1.0".to_owned(),
        security_counter: 4,
        scheme: SCHEME_TFHE_1.to_owned(),
        min_protocol: 1,
    };
    let files = [("contract.json".to_owned(), contract.into_bytes())].into();
    let unsigned = Bundle::build(&meta, files).unwrap();
    unsigned.sign(&[Identity::from_seed(&Zeroizing::new(key))])
}

#[test]
fn inspect_shows_the_licence_of_a_model_the_root_vouches_for_and_nothing_of_another() {
    let bench = Bench::new();
    let inspect = |bytes: &[u8]| {
        fs::write(bench.temp.path().join("model.obb"), bytes).unwrap();
        bench.provision(&["inspect", "model.obb", "--root", "root.bin"])
    };
    let shown = inspect(&bundle([7; 32], true));
    assert!(shown.status.success(), "{}", said(&shown));
    for part in [
        "model          derm-tiny 0.1.0\n",
        "counter        4\n",
        "licence        CC BY-NC 4.0: not for commercial use\n               Images of a clinic.\n",
        "(verified)\n",
    ] {
        assert!(said(&shown).contains(part), "{part} in {}", said(&shown));
    }
    let free = said(&inspect(&bundle([7; 32], false)));
    assert!(free.contains("licence        CC BY-NC 4.0\n"), "{free}");
    let foreign = inspect(&bundle([8; 32], true));
    assert_eq!(foreign.status.code(), Some(5));
    assert!(foreign.stdout.is_empty() && said(&foreign).contains("the model is refused"));
    let nothing = bench.provision(&["inspect", "nothing.obb", "--root", "root.bin"]);
    assert_eq!(nothing.status.code(), Some(2));
    fs::write(bench.temp.path().join("large"), [0; 4097]).unwrap();
    let large = bench.provision(&["inspect", "model.obb", "--root", "large"]);
    assert_eq!(large.status.code(), Some(2), "{}", said(&large));
    assert!(said(&large).contains("more than 4096 bytes"), "{}", said(&large));
}
