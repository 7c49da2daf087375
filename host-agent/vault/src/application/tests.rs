//! The vault over fakes: files in memory, a model whose ciphertext is the plaintext.

mod scans;

use std::{cell::RefCell, rc::Rc};

use obscura_local::agent::{ContractView, Problem, Reading, ReadsView, Record, Value, VaultFault};
use obscura_protocol::{
    identity::{Digest, Identity, JobId, PublicKey, SiteId},
    job::{FloorKind, Receipt, Signed, Ticket},
    transfer::ObjectHeader,
};
use zeroize::Zeroizing;

use super::{Answered, Enrolment, Ports, Vault, VaultError};
use crate::{
    domain::{
        bounds::TableBounds,
        job::OpenJob,
        secrets::{KeySet, Secrets},
    },
    ports::{
        DecisionText, JobStore, KeyObjects, Model, ModelFacts, ModelFailure, NewKeys, Random, Reader,
        RecordReader, ScanStore, SecretStore, StoreError,
    },
};

/// A disk that outlives vaults.
#[derive(Default)]
struct Disk {
    secrets: Option<(Vec<u8>, Secrets)>,
    jobs: Vec<OpenJob>,
    scans: Vec<(JobId, Vec<u8>)>,
    objects: Vec<(Digest, Vec<u8>)>,
    draws: u8,
    full: bool,
}

#[derive(Clone, Default)]
struct MemDisk(Rc<RefCell<Disk>>);

fn copy(secrets: &Secrets) -> Secrets {
    let set = |set: &KeySet| KeySet {
        object: set.object,
        model_id: set.model_id.clone(),
        secret: set.secret.clone(),
    };
    Secrets {
        key_sets: secrets.key_sets.iter().map(set).collect(),
        jobs_key: secrets.jobs_key.clone(),
    }
}

impl SecretStore for MemDisk {
    fn exists(&self) -> bool {
        self.0.borrow().secrets.is_some()
    }
    fn load(&self, password: &[u8]) -> Result<Secrets, StoreError> {
        let disk = self.0.borrow();
        let (right, secrets) = disk.secrets.as_ref().ok_or(StoreError::Missing)?;
        (right == password)
            .then(|| copy(secrets))
            .ok_or(StoreError::WrongPassword)
    }
    fn create(&self, password: &[u8], secrets: &Secrets) -> Result<(), StoreError> {
        if self.exists() {
            return Err(StoreError::Exists);
        }
        self.replace(password, secrets)
    }
    fn replace(&self, password: &[u8], secrets: &Secrets) -> Result<(), StoreError> {
        let mut disk = self.0.borrow_mut();
        if disk.full {
            return Err(StoreError::Device(std::io::ErrorKind::StorageFull.into()));
        }
        disk.secrets = Some((password.to_vec(), copy(secrets)));
        Ok(())
    }
}

impl JobStore for MemDisk {
    fn load(&self, _key: &[u8; 32]) -> Result<Vec<OpenJob>, StoreError> {
        Ok(self.0.borrow().jobs.clone())
    }
    fn save(&self, _key: &[u8; 32], jobs: &[OpenJob]) -> Result<(), StoreError> {
        let mut disk = self.0.borrow_mut();
        if disk.full {
            return Err(StoreError::Device(std::io::ErrorKind::StorageFull.into()));
        }
        disk.jobs = jobs.to_vec();
        Ok(())
    }
}

impl ScanStore for MemDisk {
    fn put(&self, _key: &[u8; 32], job: JobId, pixels: &[u8]) -> Result<(), StoreError> {
        self.0.borrow_mut().scans.push((job, pixels.to_vec()));
        Ok(())
    }
    fn load(&self, _key: &[u8; 32], job: JobId) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let disk = self.0.borrow();
        let found = disk.scans.iter().find(|(kept, _)| *kept == job);
        found
            .map(|(_, pixels)| Zeroizing::new(pixels.clone()))
            .ok_or(StoreError::Missing)
    }
    fn retain(&self, jobs: &[JobId]) -> Result<(), StoreError> {
        self.0.borrow_mut().scans.retain(|(job, _)| jobs.contains(job));
        Ok(())
    }
}

impl KeyObjects for MemDisk {
    fn put(&mut self, digest: Digest, bytes: &[u8], _also: &[Digest]) -> Result<(), StoreError> {
        self.0.borrow_mut().objects.push((digest, bytes.to_vec()));
        Ok(())
    }
    fn chunk(&mut self, object: &ObjectHeader, _index: u32) -> Result<Vec<u8>, StoreError> {
        let disk = self.0.borrow();
        let found = disk.objects.iter().find(|(digest, _)| *digest == object.digest);
        found.map(|(_, bytes)| bytes.clone()).ok_or(StoreError::Missing)
    }
}

impl Random for MemDisk {
    fn fill(&self, out: &mut [u8]) -> Result<(), ModelFailure> {
        let mut disk = self.0.borrow_mut();
        disk.draws += 1;
        out.fill(disk.draws);
        Ok(())
    }
}

/// Score is the first input, the table is the identity with an error of 2.
struct PlainModel(ModelFacts, MemDisk);

impl Model for PlainModel {
    fn facts(&self) -> &ModelFacts {
        &self.0
    }
    fn contract(&self) -> ContractView {
        ContractView {
            model_id: "plain".into(),
            title: String::new(),
            intended_use: String::new(),
            not_for: String::new(),
            warning: "not a medical device".into(),
            licence: None,
            reads: ReadsView::Record(Vec::new()),
        }
    }
    fn reader(&self) -> Reader<'_> {
        Reader::Record(self)
    }
    fn generate(&self, progress: &mut dyn FnMut(u32, u32)) -> Result<NewKeys, ModelFailure> {
        progress(1, 1);
        let mut fresh = [0; 8];
        self.1.fill(&mut fresh)?;
        Ok(NewKeys {
            secret: Zeroizing::new(fresh.to_vec()),
            evaluation_keys: fresh.to_vec(),
        })
    }
    fn encrypt(&self, secret: &[u8], inputs: &[i64]) -> Result<Vec<u8>, ModelFailure> {
        Ok([secret, &inputs[0].to_le_bytes()].concat())
    }
}

impl RecordReader for PlainModel {
    fn decision(&self, score: i64) -> DecisionText {
        let label = if score >= 50 { "above" } else { "below" }.into();
        DecisionText {
            label,
            text: String::new(),
        }
    }
    fn quantise(&self, record: &Record) -> Result<Vec<i64>, Vec<Problem>> {
        match &record.0[..] {
            [(name, Value::Code(digits))] if name == "x" => digits.parse().map(|x| vec![x]).or(Err(())),
            _ => Err(()),
        }
        .map_err(|()| {
            let (field, text) = ("x".into(), "must be a number".into());
            vec![Problem { field, text }]
        })
    }
    fn decrypt(&self, secret: &[u8], answer: &[u8]) -> Result<Reading, ModelFailure> {
        let score = answer.strip_prefix(secret).and_then(|rest| rest.first());
        let source = "other keys".into();
        let operation = "decrypting";
        let score = score.ok_or(ModelFailure { operation, source })?;
        let probability = answer[answer.len() - 1].into();
        Ok(Reading {
            probability,
            ..self.reference(&[(*score).into()])?
        })
    }
    fn reference(&self, inputs: &[i64]) -> Result<Reading, ModelFailure> {
        Ok(Reading {
            score: inputs[0],
            probability: inputs[0],
            probability_scale: 100,
            positive: inputs[0] >= 50,
        })
    }
    fn bounds(&self, score: i64) -> (i64, TableBounds) {
        let (low, high) = (score - 2, score + 2);
        (2, TableBounds { low, high })
    }
}

fn box_identity() -> Identity {
    Identity::from_seed(&Zeroizing::new([7; 32]))
}

fn facts() -> ModelFacts {
    ModelFacts {
        model_id: "plain".into(),
        version: "1".into(),
        model_hash: Digest([1; 32]),
        security_counter: 3,
        parameter_hash: Digest([2; 32]),
        root_fingerprint: Digest([4; 32]),
    }
}

fn vault(disk: &MemDisk) -> Vault {
    vault_with(disk, Box::new(PlainModel(facts(), disk.clone())))
}

fn vault_with(disk: &MemDisk, model: Box<dyn Model>) -> Vault {
    let enrolment = Enrolment {
        site: SiteId([5; 16]),
        device: "device-1".parse().unwrap(),
        box_name: "box-1".parse().unwrap(),
        receipt_key: box_identity().public(),
    };
    let ports = Ports {
        secrets: Box::new(disk.clone()),
        jobs: Box::new(disk.clone()),
        scans: Box::new(disk.clone()),
        objects: Box::new(disk.clone()),
        model,
        random: Box::new(disk.clone()),
    };
    Vault::new(enrolment, ports)
}

fn password(text: &str) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(text.as_bytes().to_vec())
}

fn record(x: &str) -> Record {
    Record(vec![("x".into(), Value::Code(x.into()))])
}

fn ready(disk: &MemDisk) -> Vault {
    let mut vault = vault(disk);
    vault.open(password("pw"), true).unwrap();
    vault.generate_keys(false, &mut |_, _| {}).unwrap();
    vault
}

/// What an honest box would answer.
fn answer(disk: &MemDisk, item: &[u8], probability: u8) -> Vec<u8> {
    let disk = disk.0.borrow();
    let secret = &disk.secrets.as_ref().unwrap().1.key_sets[0].secret;
    [secret.as_slice(), &[item[secret.len()], probability]].concat()
}

fn receipt(ticket: &Ticket, item: &[u8], answer: &[u8]) -> Receipt {
    Receipt {
        job: ticket.job,
        item: 0,
        input_hash: Digest::of(item),
        answer_hash: Digest::of(answer),
        model_id: "plain".into(),
        model_hash: ticket.model_hash,
        security_counter: 3,
        floor: FloorKind::None,
        parameter_hash: Digest([2; 32]),
        key_fingerprint: ticket.key_fingerprint,
        box_name: "box-1".parse().unwrap(),
    }
}

fn signed(receipt: Receipt) -> Vec<u8> {
    Signed::sign(receipt, &box_identity()).as_bytes().to_vec()
}

fn outcome(answered: Answered) -> obscura_local::agent::Outcome {
    match answered {
        Answered::Record(outcome) => *outcome,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_record_comes_back_as_a_result_and_is_settled() {
    let disk = MemDisk::default();
    let mut vault = ready(&disk);
    let (ticket, item) = vault.encrypt("r1".into(), &record("60")).unwrap();
    assert_eq!(ticket.items, 1);
    let answer = answer(&disk, &item, 61);
    let outcome = vault.accept(ticket.job, 0, &answer, &signed(receipt(&ticket, &item, &answer)));
    let outcome = self::outcome(outcome.unwrap());
    assert_eq!((outcome.reading.score, outcome.reading.probability), (60, 61));
    assert_eq!((outcome.probability_low, outcome.probability_high), (58, 62));
    assert_eq!((&*outcome.label, &*outcome.decision), ("r1", "above"));
    assert_eq!(outcome.warning, "not a medical device");
    assert_eq!(vault.status().open_jobs.len(), 1);
    vault.settle(ticket.job).unwrap();
    assert!(vault.status().open_jobs.is_empty());
    assert_eq!(vault.reference(&record("60")).unwrap().score, 60);
}

#[test]
fn an_answer_is_accepted_by_another_process_after_a_restart() {
    let disk = MemDisk::default();
    let (ticket, item) = ready(&disk).encrypt("r1".into(), &record("60")).unwrap();
    let mut again = vault(&disk);
    again.open(password("pw"), false).unwrap();
    let answer = answer(&disk, &item, 60);
    let receipt = signed(receipt(&ticket, &item, &answer));
    assert_eq!(
        outcome(again.accept(ticket.job, 0, &answer, &receipt).unwrap()).label,
        "r1"
    );
}

#[test]
fn a_receipt_that_differs_in_any_field_is_refused() {
    let disk = MemDisk::default();
    let mut vault = ready(&disk);
    let (ticket, item) = vault.encrypt("r".into(), &record("60")).unwrap();
    let answer = answer(&disk, &item, 60);
    let right = receipt(&ticket, &item, &answer);
    let other = Digest([99; 32]);
    let wrong: [(&str, Receipt); 9] = [
        (
            "item",
            Receipt {
                item: 1,
                ..right.clone()
            },
        ),
        (
            "input hash",
            Receipt {
                input_hash: other,
                ..right.clone()
            },
        ),
        (
            "answer hash",
            Receipt {
                answer_hash: other,
                ..right.clone()
            },
        ),
        (
            "model id",
            Receipt {
                model_id: "x".into(),
                ..right.clone()
            },
        ),
        (
            "model hash",
            Receipt {
                model_hash: other,
                ..right.clone()
            },
        ),
        (
            "security counter",
            Receipt {
                security_counter: 2,
                ..right.clone()
            },
        ),
        (
            "parameter hash",
            Receipt {
                parameter_hash: other,
                ..right.clone()
            },
        ),
        (
            "key fingerprint",
            Receipt {
                key_fingerprint: other,
                ..right.clone()
            },
        ),
        (
            "box",
            Receipt {
                box_name: "box-2".parse().unwrap(),
                ..right.clone()
            },
        ),
    ];
    for (field, receipt) in wrong {
        let refused = vault
            .accept(ticket.job, 0, &answer, &signed(receipt))
            .unwrap_err();
        assert_eq!(refused.to_string(), format!("receipt does not match: {field}"));
        assert_eq!(refused.fault(), VaultFault::Trust);
    }
    let job = JobId([98; 16]);
    let refused = vault.accept(ticket.job, 0, &answer, &signed(Receipt { job, ..right.clone() }));
    assert_eq!(refused.unwrap_err().to_string(), "receipt does not match: job");
    let refused = vault.accept(job, 0, &answer, &signed(right.clone())).unwrap_err();
    assert!(matches!(refused, VaultError::UnknownJob(unknown) if unknown == job));
    assert!(
        vault.accept(ticket.job, 0, &answer, &signed(right)).is_ok(),
        "the right one still counts"
    );
}

#[test]
fn a_receipt_signed_by_another_key_or_altered_is_refused() {
    let disk = MemDisk::default();
    let mut vault = ready(&disk);
    let (ticket, item) = vault.encrypt("r".into(), &record("60")).unwrap();
    let answer = answer(&disk, &item, 60);
    let right = receipt(&ticket, &item, &answer);
    let other = Identity::from_seed(&Zeroizing::new([8; 32]));
    let foreign = Signed::sign(right.clone(), &other).as_bytes().to_vec();
    let mut altered = signed(right);
    altered[20] ^= 1;
    for receipt in [foreign, altered, Vec::new(), vec![0; 5000]] {
        let refused = vault.accept(ticket.job, 0, &answer, &receipt).unwrap_err();
        assert_eq!(refused.fault(), VaultFault::Trust);
    }
}

#[test]
fn a_second_different_answer_and_an_implausible_one_are_refused() {
    let disk = MemDisk::default();
    let mut vault = ready(&disk);
    let (ticket, item) = vault.encrypt("r".into(), &record("60")).unwrap();
    let accept = |vault: &mut Vault, probability| {
        let answer = answer(&disk, &item, probability);
        let receipt = signed(receipt(&ticket, &item, &answer));
        vault.accept(ticket.job, 0, &answer, &receipt).map(outcome)
    };
    let refused = accept(&mut vault, 63).unwrap_err();
    assert!(matches!(refused, VaultError::PeerImplausible(_)));
    let first = accept(&mut vault, 61).unwrap();
    assert_eq!(accept(&mut vault, 61).unwrap(), first);
    assert!(matches!(
        accept(&mut vault, 60).unwrap_err(),
        VaultError::PeerSecondAnswer(_)
    ));
}

#[test]
fn a_bad_record_is_refused_before_anything_is_encrypted() {
    let disk = MemDisk::default();
    let mut vault = ready(&disk);
    let VaultError::BadRecord(problems) = vault.encrypt("r".into(), &record("sixty")).unwrap_err() else {
        panic!("expected problems");
    };
    assert_eq!(problems[0].field, "x");
    assert!(disk.0.borrow().jobs.is_empty());
}

#[test]
fn wrong_passwords_are_refused_with_growing_pauses() {
    let disk = MemDisk::default();
    drop(ready(&disk));
    let mut vault = vault(&disk);
    for pause in [1, 2, 4, 8, 16, 30, 30] {
        let refused = vault.open(password("guess"), false).unwrap_err();
        assert_eq!(refused.fault(), VaultFault::WrongPassword);
        assert_eq!(vault.pause_after_refusal().as_secs(), pause);
    }
    assert!(matches!(
        vault.key_chunk(0).unwrap_err(),
        VaultError::MisuseLocked
    ));
    vault.open(password("pw"), false).unwrap();
    vault.open(password("guess"), false).unwrap_err();
    assert_eq!(vault.pause_after_refusal().as_secs(), 1);
    assert!(!vault.status().open, "a refusal locks");
}

#[test]
fn the_password_can_be_changed() {
    let disk = MemDisk::default();
    let mut first = ready(&disk);
    first.change_password(password("new")).unwrap();
    first.generate_keys(true, &mut |_, _| {}).unwrap();
    let mut again = vault(&disk);
    assert!(again.open(password("pw"), false).is_err());
    again.open(password("new"), false).unwrap();
    assert!(again.status().keys.is_some());
}

#[test]
fn keys_are_made_once_and_replacing_them_gives_up_their_jobs() {
    let disk = MemDisk::default();
    let mut vault = ready(&disk);
    let first = vault
        .generate_keys(false, &mut |_, _| panic!("not again"))
        .unwrap();
    vault.encrypt("r".into(), &record("60")).unwrap();
    disk.0.borrow_mut().full = true;
    assert!(vault.generate_keys(true, &mut |_, _| {}).is_err());
    assert_eq!(vault.status().keys, Some(first), "a full disk keeps the old keys");
    disk.0.borrow_mut().full = false;
    let second = vault.generate_keys(true, &mut |_, _| {}).unwrap();
    assert_ne!(first.digest, second.digest);
    assert_ne!(first.client, second.client, "another random name");
    assert!(vault.status().open_jobs.is_empty());
    assert_eq!(Digest::of(&vault.key_chunk(0).unwrap()), second.digest);
}

#[test]
fn a_locked_vault_does_nothing_and_debug_shows_no_secret() {
    let disk = MemDisk::default();
    let mut locked = vault(&disk);
    assert!(matches!(
        locked.encrypt("r".into(), &record("1")),
        Err(VaultError::MisuseLocked)
    ));
    assert!(matches!(
        locked.generate_keys(false, &mut |_, _| {}),
        Err(VaultError::MisuseLocked)
    ));
    assert!(matches!(
        locked.change_password(password("x")),
        Err(VaultError::MisuseLocked)
    ));
    assert_eq!(
        locked.open(password("x"), false).unwrap_err().fault(),
        VaultFault::NoVault
    );
    let open = ready(&disk);
    let shown = format!("{open:?}");
    assert!(
        shown.contains("open: true") && !shown.contains("secret"),
        "{shown}"
    );
    let key: PublicKey = box_identity().public();
    assert_eq!(open.status().receipt_key_fingerprint, key.fingerprint());
}
