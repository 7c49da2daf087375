//! The command as its users meet it: the real binary, with stand-ins for the processes it starts.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{Mutex, MutexGuard, PoisonError},
};

use obscura_bundle::{Bundle, Meta, Root, manifest::SCHEME_TFHE_1};
use obscura_protocol::identity::{Digest, Identity};
use zeroize::Zeroizing;

const CONFIG: &str = r#"
site = "00000000000000000000000000000000"
name = "device-1"
[box]
name = "box-1"
[broker]
host = "127.0.0.1"
port = 8883
"#;

/// A folder with a copy of the command, a configuration, and whatever stands in for its processes.
///
/// One at a time: while another thread starts a process, a file just written counts as busy.
struct Place(
    tempfile::TempDir,
    #[expect(dead_code, reason = "held")] MutexGuard<'static, ()>,
);

static ONE: Mutex<()> = Mutex::new(());

impl Place {
    fn new() -> Self {
        let alone = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::tempdir().unwrap();
        fs::copy(
            env!("CARGO_BIN_EXE_obscura-agent"),
            folder.path().join("obscura-agent"),
        )
        .unwrap();
        fs::write(folder.path().join("agent.toml"), CONFIG).unwrap();
        Self(folder, alone)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn stand_in(&self, name: &str, script: &str) {
        let path = self.path(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(self.path("obscura-agent"));
        command
            .args(arguments)
            .current_dir(self.0.path())
            .env_remove("OBSCURA_LOG");
        command.stdin(std::process::Stdio::null()).output().unwrap()
    }
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn help_documents_every_exit_code() {
    let place = Place::new();
    for arguments in [
        vec!["--help"],
        vec!["record", "--help"],
        vec!["send-model", "--help"],
    ] {
        let output = place.run(&arguments);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(code(&output), 0);
        for known in ["  0 ", "  2 ", "  3 ", "  4 ", "  5 ", "  6 ", "  7 ", "  70 "] {
            assert!(text.contains(known), "{arguments:?} lacks {known}: {text}");
        }
    }
}

#[test]
fn wrong_usage_is_exit_code_2() {
    let place = Place::new();
    for arguments in [
        vec![],
        vec!["recrod"],
        vec!["record", "--field", "age_years"],
        vec!["record", "--input", "a.json", "--field", "a=1"],
        vec!["record", "--password-fd", "3", "--password-file", "f"],
        vec!["record", "--patience-s", "0"],
        vec!["send-model"],
        vec!["send-model", "a.obb", "b.obb"],
    ] {
        assert_eq!(code(&place.run(&arguments)), 2, "{arguments:?}");
    }
}

#[test]
fn a_missing_configuration_is_named() {
    let place = Place::new();
    let output = place.run(&["status", "--config", "/nonexistent/agent.toml"]);
    assert_eq!(code(&output), 2);
    assert!(
        said(&output).contains("--config: cannot read /nonexistent/agent.toml"),
        "{}",
        said(&output)
    );
}

#[test]
fn a_missing_key_of_the_configuration_is_named() {
    let place = Place::new();
    fs::write(place.path("agent.toml"), CONFIG.replace("port = 8883", "")).unwrap();
    let output = place.run(&["status"]);
    assert_eq!(code(&output), 2);
    assert!(
        said(&output).contains("missing field `port`"),
        "{}",
        said(&output)
    );
}

#[test]
fn a_process_that_is_not_there_is_an_internal_failure() {
    let place = Place::new();
    let output = place.run(&["status"]);
    assert_eq!(code(&output), 70);
    assert!(
        said(&output).contains("the vault process could not be started"),
        "{}",
        said(&output)
    );
}

#[test]
fn a_process_that_dies_is_an_internal_failure() {
    let place = Place::new();
    place.stand_in("obscura-agent-vault", "kill -9 $$");
    let output = place.run(&["status"]);
    assert_eq!(code(&output), 70);
    assert!(
        said(&output).contains("the vault process stopped unexpectedly"),
        "{}",
        said(&output)
    );
    place.stand_in("obscura-agent-vault", "exit 70");
    assert_eq!(code(&place.run(&["status"])), 70);
}

#[test]
fn what_a_process_says_of_its_configuration_or_trust_is_passed_on() {
    let place = Place::new();
    for exit_code in [2, 5] {
        place.stand_in(
            "obscura-agent-vault",
            &format!("echo 'vault: my reason' >&2; exit {exit_code}"),
        );
        let output = place.run(&["fields"]);
        assert_eq!(code(&output), exit_code);
        assert_eq!(said(&output).trim(), "vault: my reason", "said once");
    }
}

#[test]
fn input_that_is_no_record_is_refused_before_a_password_is_asked() {
    let place = Place::new();
    place.stand_in("obscura-agent-vault", "exec cat >/dev/null");
    fs::write(place.path("bad.json"), "[1, 2").unwrap();
    let output = place.run(&["record", "--input", "bad.json"]);
    assert_eq!(code(&output), 3);
    assert!(
        said(&output).contains("bad.json") && said(&output).contains("line 1"),
        "{}",
        said(&output)
    );
    let output = place.run(&["record", "--input", "missing.json"]);
    assert_eq!(code(&output), 2);
}

#[test]
fn the_processes_end_with_the_command() {
    let place = Place::new();
    let marker = place.path("ended");
    place.stand_in(
        "obscura-agent-vault",
        &format!("cat >/dev/null; echo ended > {}", marker.display()),
    );
    fs::write(place.path("bad.json"), "no").unwrap();
    place.run(&["record", "--input", "bad.json"]);
    assert!(Path::new(&marker).exists());
}

fn key(seed: u8) -> Identity {
    Identity::from_seed(&Zeroizing::new([seed; 32]))
}

fn signed(seed: u8) -> Vec<u8> {
    let meta = Meta {
        model_id: "small".to_owned(),
        version: "0.1.0".to_owned(),
        security_counter: 7,
        scheme: SCHEME_TFHE_1.to_owned(),
        min_protocol: 1,
    };
    let files = BTreeMap::from([("card.md".to_owned(), b"card".to_vec())]);
    Bundle::build(&meta, files).unwrap().sign(&[key(seed)])
}

/// Adds what the vault's section says of the root to a place, and a link that leaves a mark when it is started.
fn trusts_key_1(place: &Place) -> PathBuf {
    let root = Root::new(1, 1, vec![key(1).public()]).unwrap().to_bytes();
    let section = format!(
        "[vault]\nroot = \"root.bin\"\nroot_fingerprint = \"{}\"\n",
        Digest::of(&root)
    );
    fs::write(place.path("agent.toml"), CONFIG.to_owned() + &section).unwrap();
    fs::write(place.path("root.bin"), root).unwrap();
    let mark = place.path("started");
    place.stand_in(
        "obscura-agent-link",
        &format!("echo started > {}; exit 70", mark.display()),
    );
    mark
}

#[test]
fn a_model_is_verified_before_anything_is_sent_and_without_a_vault() {
    let place = Place::new();
    let mark = trusts_key_1(&place);
    let mut altered = signed(1);
    *altered.last_mut().unwrap() ^= 1;
    for bad in [signed(2), altered, b"no bundle".to_vec(), Vec::new()] {
        fs::write(place.path("new.obb"), bad).unwrap();
        let output = place.run(&["send-model", "new.obb"]);
        assert_eq!(code(&output), 5, "{}", said(&output));
        assert!(said(&output).contains("nothing was sent"), "{}", said(&output));
        assert!(!mark.exists());
    }
    fs::write(place.path("new.obb"), signed(1)).unwrap();
    assert_eq!(code(&place.run(&["send-model", "new.obb"])), 70, "the link fails");
    assert!(mark.exists());
}

#[test]
fn a_model_that_is_missing_and_a_root_that_is_not_the_pinned_one_are_told_apart() {
    let place = Place::new();
    let mark = trusts_key_1(&place);
    let output = place.run(&["send-model", "missing.obb"]);
    assert_eq!(code(&output), 2, "{}", said(&output));
    assert!(
        said(&output).contains("cannot read missing.obb"),
        "{}",
        said(&output)
    );
    fs::write(place.path("new.obb"), signed(2)).unwrap();
    let other = Root::new(1, 1, vec![key(2).public()]).unwrap().to_bytes();
    fs::write(place.path("root.bin"), other).unwrap();
    let output = place.run(&["send-model", "new.obb"]);
    assert_eq!(code(&output), 5, "{}", said(&output));
    assert!(said(&output).contains("trusts"), "{}", said(&output));
    assert!(!mark.exists());
}
