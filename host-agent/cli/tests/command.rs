//! The command as its users meet it: the real binary, with stand-ins for the processes it starts.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{Mutex, MutexGuard, PoisonError},
};

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
    for arguments in [vec!["--help"], vec!["record", "--help"], vec!["init", "--help"]] {
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
