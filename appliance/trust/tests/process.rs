//! The real `obscura-box-trust` on a real folder: first start, update, verdict, restart, and what ends a start.

#![expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]

use std::{
    fs,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use obscura_bundle::{Bundle, Meta, Root, RootChange};
use obscura_local::{
    Channel,
    appliance::{MAX_FRAME_BYTES, TRUST_SOCKET, TrustReply, TrustRequest, VerifiedModel},
};
use obscura_protocol::identity::Identity;
use tempfile::TempDir;
use zeroize::Zeroizing;

/// How long the process may take to open its socket.
const PATIENCE: Duration = Duration::from_mins(1);

fn key(seed: u8) -> Identity {
    Identity::from_seed(&Zeroizing::new([seed; 32]))
}

fn bundle(counter: u32) -> Vec<u8> {
    let meta = Meta {
        model_id: "model".to_owned(),
        version: "1.0.0".to_owned(),
        security_counter: counter,
        scheme: "tfhe-1".to_owned(),
        min_protocol: 1,
    };
    let files = [("circuit.json".to_owned(), vec![7; 100])].into();
    Bundle::build(&meta, files).unwrap().sign(&[key(1)])
}

/// The folder of a box as provisioning makes it.
struct Folder(TempDir);

impl Folder {
    fn new(trust: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for name in ["run", "models", "state", "state/trust", "state/incoming"] {
            fs::DirBuilder::new()
                .mode(0o700)
                .create(folder.path(name))
                .unwrap();
        }
        let root = Root::new(1, 1, vec![key(1).public()]).unwrap();
        folder.put("root.bin", &root.to_bytes());
        folder.put("receipt.key", "11".repeat(32).as_bytes());
        fs::set_permissions(folder.path("receipt.key"), fs::Permissions::from_mode(0o600)).unwrap();
        folder.put("state/trust/first-start", b"");
        let config = format!(
            "site = \"{}\"\nname = \"box-1\"\n[broker]\n[gate]\n[compute]\n[trust]\nroot = \"root.bin\"\n\
             root_fingerprint = \"{}\"\nreceipt_key = \"receipt.key\"\n{trust}\n",
            "22".repeat(16),
            root.fingerprint()
        );
        folder.put("box.toml", config.as_bytes());
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_obscura-box-trust"));
        command.arg("--config").arg(self.path("box.toml"));
        command
    }

    fn check(&self) -> Output {
        self.command()
            .arg("--check")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    fn start(&self) -> Running {
        let child = self.command().stdin(Stdio::piped()).spawn().unwrap();
        let channel = Channel::connect(&self.path("run").join(TRUST_SOCKET), MAX_FRAME_BYTES, PATIENCE);
        Running {
            child,
            channel: channel.unwrap(),
        }
    }
}

/// Killed when dropped, as by a power cut.
struct Running {
    child: Child,
    channel: Channel,
}

impl Running {
    fn ask(&mut self, request: &TrustRequest) -> TrustReply {
        self.channel.send(request).unwrap();
        self.channel.receive().unwrap()
    }

    fn offered(&mut self) -> Vec<VerifiedModel> {
        match self.ask(&TrustRequest::Models) {
            TrustReply::Models(models) => models,
            other => panic!("{other:?}"),
        }
    }

    /// Finds the offered model good or bad; the counter of what is offered instead.
    fn verdict(&mut self, good: bool) -> Option<u32> {
        let model_hash = self.offered()[0].model_hash;
        match self.ask(&TrustRequest::Verdict { model_hash, good }) {
            TrustReply::Instead(instead) => instead.map(|model| model.security_counter),
            other => panic!("{other:?}"),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn a_box_installs_updates_falls_back_and_remembers_what_it_ran() {
    let folder = Folder::new("floor = \"weak\"");
    folder.put("models/model.obb", &bundle(3));
    assert!(said(&folder.check()).contains("to be installed at the next start"));
    assert!(
        folder.path("state/trust/first-start").exists(),
        "a check changes nothing"
    );
    let mut running = folder.start();
    assert_eq!(running.offered()[0].security_counter, 3);
    assert_eq!(running.verdict(true), None);
    drop(running);
    assert!(!folder.path("models/model.obb").exists() && !folder.path("state/trust/first-start").exists());

    let next = Root::with_revoked(2, 1, vec![key(1).public(), key(2).public()], Vec::new()).unwrap();
    let mut change = RootChange::unsigned(&next);
    change.sign(&key(1)).unwrap();
    folder.put("models/2.obr", &change.to_bytes());
    folder.put("state/incoming/x.obb", &bundle(4));
    let mut running = folder.start();
    assert_eq!(running.offered()[0].security_counter, 4);
    assert_eq!(running.verdict(false), Some(3));
    drop(running);
    assert!(folder.path("state/trust/roots/2").exists());

    let checked = folder.check();
    assert!(checked.status.success());
    assert!(
        said(&checked).contains("rollback floors are weak"),
        "{}",
        said(&checked)
    );
    assert_eq!(folder.start().offered()[0].security_counter, 3);
}

#[test]
fn a_box_whose_floors_are_gone_and_one_with_nowhere_to_keep_them_do_not_start() {
    let folder = Folder::new("floor = \"weak\"");
    folder.put("models/model.obb", &bundle(3));
    drop(folder.start());
    fs::remove_file(folder.path("state/trust/floors")).unwrap();
    let refused = folder.command().stdin(Stdio::null()).output().unwrap();
    assert_eq!(refused.status.code(), Some(5), "{}", said(&refused));
    assert!(
        said(&refused).contains("the rollback floors are missing"),
        "{}",
        said(&refused)
    );
    assert_eq!(folder.check().status.code(), Some(5));

    for (trust, says) in [("", "trust.floor is not set"), ("floor = \"strong\"", "strong")] {
        let refused = Folder::new(trust)
            .command()
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
        assert!(said(&refused).contains(says), "{}", said(&refused));
    }
}
