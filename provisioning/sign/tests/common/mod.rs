//! A desk at which bundles are signed: the real program in a folder of its own.
#![allow(dead_code, reason = "each test takes what it needs")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// A folder with a root, its sealed key, the password and a copy of the shipped payload.
pub(crate) struct Desk(pub(crate) TempDir);

impl Desk {
    pub(crate) fn new() -> Self {
        Self::with_payload("cardio-lr")
    }

    /// With a copy of the payload in this folder of the shipped models.
    pub(crate) fn with_payload(model: &str) -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        fs::write(desk.path("password"), "correct horse\n").unwrap();
        fs::create_dir(desk.path("payload")).unwrap();
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/shipped");
        let shipped = shipped.join(model).join("payload");
        for entry in fs::read_dir(shipped).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), desk.path("payload").join(entry.file_name())).unwrap();
        }
        desk
    }

    pub(crate) fn with_root() -> Self {
        Self::new().make_root()
    }

    pub(crate) fn make_root(self) -> Self {
        let desk = self;
        let made = desk.run(&[
            "root",
            "new",
            "--out",
            "root.bin",
            "--key",
            "root.key",
            "--password-file",
            "password",
        ]);
        assert!(made.status.success(), "{}", stderr(&made));
        desk
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_obscura-sign"))
            .current_dir(self.0.path())
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    pub(crate) fn bundle(&self, more: &[&str]) -> Output {
        let usual = [
            "bundle",
            "--payload",
            "payload",
            "--counter",
            "3",
            "--version",
            "0.1.0",
            "--root",
            "root.bin",
            "--out",
            "cardio-lr.obb",
        ];
        let mut arguments = usual.to_vec();
        arguments.extend_from_slice(more);
        if !more.contains(&"--model-id") {
            arguments.extend(["--model-id", "cardio-lr"]);
        }
        if !more.contains(&"--key") {
            arguments.extend(["--key", "root.key"]);
        }
        if !more.contains(&"--password-file") {
            arguments.extend(["--password-file", "password"]);
        }
        self.run(&arguments)
    }

    pub(crate) fn put(&self, file: &str, value: &Value) {
        fs::write(self.path("payload").join(file), value.to_string()).unwrap();
    }

    pub(crate) fn alter(&self, file: &str, from: &str, to: &str) {
        let path = self.path("payload").join(file);
        let text = fs::read_to_string(&path).unwrap();
        let altered = text.replacen(from, to, 1);
        assert_ne!(text, altered);
        fs::write(path, altered).unwrap();
    }
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
pub(crate) fn refused(output: &Output, code: i32, says: &str) {
    assert_eq!(output.status.code(), Some(code), "{}", stderr(output));
    assert!(stderr(output).contains(says), "{}", stderr(output));
    assert!(output.stdout.is_empty());
}
