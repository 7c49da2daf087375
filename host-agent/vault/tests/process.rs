//! The vault process with the shipped model and real keys.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{
    collections::BTreeMap,
    fs,
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use obscura_bundle::{Bundle, Meta, Root, Unverified, file_name};
use obscura_local::{
    Channel,
    agent::{MAX_FRAME_BYTES, Record, Secret, Value, VaultFault, VaultReply, VaultRequest},
};
use obscura_protocol::{
    identity::{Digest, Identity},
    job::{FloorKind, Receipt, Signed},
};
use zeroize::Zeroizing;

fn identity(seed: u8) -> Identity {
    Identity::from_seed(&Zeroizing::new([seed; 32]))
}

/// A device's folder with a bundle signed for this test.
struct Device(tempfile::TempDir);

impl Device {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let payload = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/shipped/cardio-lr/payload");
        let files: BTreeMap<_, _> = file_name::ALL
            .into_iter()
            .map(|name| (name.to_owned(), fs::read(payload.join(name)).unwrap()))
            .collect();
        let meta = Meta {
            model_id: "cardio-lr".into(),
            version: "0.1.0".into(),
            security_counter: 1,
            scheme: "tfhe-1".into(),
            min_protocol: 1,
        };
        let root = Root::new(1, 1, vec![identity(1).public()]).unwrap();
        let device = Self(folder);
        let bundle = Bundle::<Unverified>::build(&meta, files)
            .unwrap()
            .sign(&[identity(1)]);
        fs::write(device.path("model.obb"), bundle).unwrap();
        fs::write(device.path("root.bin"), root.to_bytes()).unwrap();
        device.configure(&root.fingerprint().to_string(), "");
        device
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn configure(&self, root_fingerprint: &str, more: &str) {
        let key = identity(2).public();
        let text = format!(
            "site = \"{:032}\"\nname = \"device-1\"\n\
             [box]\nname = \"box-1\"\nenvelope_public_key = \"{key}\"\nreceipt_public_key = \"{key}\"\n\
             [broker]\n[link]\n\
             [vault]\nfile = \"vault.obk\"\nroot = \"root.bin\"\nbundle = \"model.obb\"\n\
             root_fingerprint = \"{root_fingerprint}\"\n{more}",
            0
        );
        fs::write(self.path("agent.toml"), text).unwrap();
    }

    fn start(&self) -> Vault {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_obscura-agent-vault"))
            .arg("--config")
            .arg(self.path("agent.toml"))
            .env_remove("OBSCURA_LOG")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let channel = Channel::new(ours, MAX_FRAME_BYTES);
        Vault { child, channel }
    }

    /// Exit code and words of a vault that cannot start.
    fn refused(&self) -> (i32, String) {
        let vault = self.start();
        let output = vault.child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code().unwrap(), said)
    }
}

struct Vault {
    child: Child,
    channel: Channel,
}

impl Vault {
    fn ask(&mut self, request: &VaultRequest) -> VaultReply {
        self.channel.send(request).unwrap();
        loop {
            match self.channel.receive().unwrap() {
                VaultReply::KeyProgress { .. } => {}
                reply => return reply,
            }
        }
    }

    fn open(&mut self, password: &str, create: bool) -> VaultReply {
        let password = Secret(Zeroizing::new(password.as_bytes().to_vec()));
        self.ask(&VaultRequest::Open { password, create })
    }

    /// Ends with its socket, with exit code 0.
    fn end(mut self) {
        drop(self.channel);
        assert!(self.child.wait().unwrap().success());
    }
}

/// A record of the golden file, as the command line would read it.
fn golden_record() -> Record {
    let number = |name: &str, value: f64| (name.to_owned(), Value::Number(value));
    let code = |name: &str, word: &str| (name.to_owned(), Value::Code(word.to_owned()));
    Record(vec![
        number("age_years", 61.0),
        code("sex", "male"),
        code("smoking", "former"),
        number("bmi_kgm2", 29.5),
        number("hdl_mgdl", 48.0),
        number("egfr_mlmin173", 80.0),
        code("diabetes", "no"),
        code("bp_medicine", "yes"),
    ])
}

#[test]
fn real_keys_survive_a_restart_and_an_unfit_answer_tells_nothing() {
    let device = Device::new();
    let mut vault = device.start();
    assert!(matches!(vault.open("pw", true), VaultReply::Status(_)));
    let VaultReply::Keys(object) = vault.ask(&VaultRequest::GenerateKeys { replace: false }) else {
        panic!("no keys")
    };
    let record = golden_record();
    let VaultReply::Reference(_) = vault.ask(&VaultRequest::Reference {
        record: record.clone(),
    }) else {
        panic!("no reference")
    };
    vault.end();
    let mut vault = device.start();
    let VaultReply::Failed { fault, text } = vault.open("wrong", false) else {
        panic!("opened")
    };
    assert_eq!(fault, VaultFault::WrongPassword);
    assert!(
        text.ends_with("wrong password, or the file was altered"),
        "{text}"
    );
    let VaultReply::Status(status) = vault.open("pw", false) else {
        panic!("not opened")
    };
    assert_eq!(status.keys, Some(object));
    let VaultReply::KeyChunk(first) = vault.ask(&VaultRequest::KeyChunk { index: 0 }) else {
        panic!("no chunk")
    };
    assert_eq!(first.len(), 256 * 1024);
    let label = "r".to_owned();
    let encrypt = VaultRequest::Encrypt { label, record };
    let (VaultReply::Encrypted { ticket, item }, VaultReply::Encrypted { item: again, .. }) =
        (vault.ask(&encrypt), vault.ask(&encrypt))
    else {
        panic!("not encrypted")
    };
    assert_ne!(item, again, "every encryption is fresh");
    let answer = b"not an answer".to_vec();
    let receipt = Receipt {
        job: ticket.job,
        item: 0,
        input_hash: Digest::of(&item),
        answer_hash: Digest::of(&answer),
        model_id: "cardio-lr".into(),
        model_hash: ticket.model_hash,
        security_counter: 1,
        floor: FloorKind::None,
        parameter_hash: object.parameter_hash,
        key_fingerprint: object.digest,
        box_name: "box-1".parse().unwrap(),
    };
    let receipt = Signed::sign(receipt, &identity(2)).as_bytes().to_vec();
    let request = VaultRequest::Accept {
        job: ticket.job,
        item: 0,
        answer,
        receipt,
    };
    assert!(matches!(vault.ask(&request), VaultReply::Failed { .. }));
    vault.end();
}

#[test]
fn what_is_not_trusted_stops_the_vault_with_exit_code_5() {
    let device = Device::new();
    device.configure(&Digest([7; 32]).to_string(), "");
    let (code, said) = device.refused();
    assert_eq!(code, 5);
    assert!(said.contains("root document has fingerprint"), "{said}");
    let device = Device::new();
    let mut bundle = fs::read(device.path("model.obb")).unwrap();
    let middle = bundle.len() / 2;
    bundle[middle] ^= 1;
    fs::write(device.path("model.obb"), bundle).unwrap();
    let (code, said) = device.refused();
    assert_eq!(code, 5);
    assert!(said.contains("model.obb is refused"), "{said}");
}

#[test]
fn a_wrong_configuration_is_named_with_exit_code_2() {
    let device = Device::new();
    device.configure(&Digest([7; 32]).to_string(), "colour = \"red\"\n");
    let (code, said) = device.refused();
    assert_eq!(code, 2);
    assert!(said.contains("unknown field `colour`"), "{said}");
    device.configure("no digest", "");
    let (code, said) = device.refused();
    assert_eq!(code, 2);
    assert!(said.contains("vault.root_fingerprint"), "{said}");
    fs::remove_file(device.path("root.bin")).unwrap();
    device.configure(&Digest([7; 32]).to_string(), "");
    let (code, said) = device.refused();
    assert_eq!(code, 2);
    assert!(said.contains("vault.root: cannot read"), "{said}");
}
