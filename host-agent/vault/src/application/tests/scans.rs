//! Images over the same fakes: a patch is one level, its two outputs are the level and 100 minus it.

use obscura_local::agent::{ClassShare, LicenceView, Pixels, ScanOutcome, ScanReading};

use super::*;
use crate::ports::ImageReader;

struct PlainImages(PlainModel);

impl Model for PlainImages {
    fn facts(&self) -> &ModelFacts {
        self.0.facts()
    }
    fn contract(&self) -> ContractView {
        let licence = Some(LicenceView {
            line: "not to be sold".into(),
            text: String::new(),
            non_commercial: true,
        });
        ContractView {
            licence,
            ..self.0.contract()
        }
    }
    fn reader(&self) -> Reader<'_> {
        Reader::Image(self)
    }
    fn generate(&self, progress: &mut dyn FnMut(u32, u32)) -> Result<NewKeys, ModelFailure> {
        self.0.generate(progress)
    }
    fn encrypt(&self, secret: &[u8], inputs: &[i64]) -> Result<Vec<u8>, ModelFailure> {
        // Fresh randomness: two encryptions of the same level differ.
        let mut fresh = [0; 1];
        self.0.1.fill(&mut fresh)?;
        Ok([self.0.encrypt(secret, inputs)?, fresh.to_vec()].concat())
    }
}

impl ImageReader for PlainImages {
    fn quantise(&self, pixels: &[u8]) -> Result<Vec<Zeroizing<Vec<i64>>>, ModelFailure> {
        let (operation, source) = ("reading the image", "three levels".into());
        (pixels.len() == 3)
            .then(|| {
                pixels
                    .iter()
                    .map(|level| Zeroizing::new(vec![i64::from(*level)]))
                    .collect()
            })
            .ok_or(ModelFailure { operation, source })
    }
    fn decrypt(&self, secret: &[u8], answer: &[u8]) -> Result<Zeroizing<Vec<i64>>, ModelFailure> {
        let level = RecordReader::decrypt(&self.0, secret, answer)?.score;
        Ok(Zeroizing::new(vec![level, 100 - level]))
    }
    fn reference(&self, patches: &[Zeroizing<Vec<i64>>]) -> Result<Vec<Vec<i64>>, ModelFailure> {
        Ok(patches
            .iter()
            .map(|patch| vec![patch[0], 100 - patch[0]])
            .collect())
    }
    fn reading(&self, outputs: &[Vec<i64>]) -> Result<ScanReading, ModelFailure> {
        let largest = |class: usize| outputs.iter().map(|outputs| outputs[class]).max().unwrap();
        let share = |class| ClassShare {
            name: String::new(),
            label: String::new(),
            permille: u16::try_from(largest(class)).unwrap(),
        };
        Ok(ScanReading {
            class: u32::from(largest(1) > largest(0)),
            text: String::new(),
            classes: vec![share(0), share(1)],
            rows: 1,
            map: Vec::new(),
            weights: Vec::new(),
            notes: Vec::new(),
        })
    }
    fn deviation(&self) -> f64 {
        2.0
    }
}

fn images(disk: &MemDisk) -> Vault {
    vault_with(disk, Box::new(PlainImages(PlainModel(facts(), disk.clone()))))
}

fn open(disk: &MemDisk) -> Vault {
    let mut vault = images(disk);
    vault.open(password("pw"), true).unwrap();
    vault.generate_keys(false, &mut |_, _| {}).unwrap();
    vault
}

fn pixels() -> Pixels {
    Pixels(Zeroizing::new(vec![30, 60, 50]))
}

fn accept(
    disk: &MemDisk,
    vault: &mut Vault,
    (ticket, index, item): (&Ticket, u32, &[u8]),
) -> Result<Answered, VaultError> {
    let answer = answer(disk, item, 0);
    let receipt = Receipt {
        item: index,
        ..receipt(ticket, item, &answer)
    };
    vault.accept(ticket.job, index, &answer, &signed(receipt))
}

fn scan(answered: Answered) -> ScanOutcome {
    match answered {
        Answered::Scan(outcome) => *outcome,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_image_has_its_result_when_every_item_has_its_answer_in_any_order() {
    let disk = MemDisk::default();
    let mut vault = open(&disk);
    let ticket = vault.open_scan("mole".into(), &pixels()).unwrap();
    assert_eq!(ticket.items, 3);
    let items = [0, 1, 2].map(|index| vault.encrypt_item(ticket.job, index).unwrap());
    for (done, index) in [(1, 2), (2, 0)] {
        let answered = accept(&disk, &mut vault, (&ticket, index, &items[index as usize])).unwrap();
        assert!(matches!(answered, Answered::Item { done: got, of: 3 } if got == done));
        assert!(vault.compare(ticket.job).is_err(), "not before the last answer");
        assert!(vault.scan_result(ticket.job).is_err(), "nor a result");
    }
    assert_eq!(vault.status().open_jobs[0].unanswered, [1]);
    let outcome = scan(accept(&disk, &mut vault, (&ticket, 1, &items[1])).unwrap());
    let shares: Vec<u16> = outcome
        .reading
        .classes
        .iter()
        .map(|share| share.permille)
        .collect();
    assert_eq!((outcome.reading.class, shares), (1, vec![60, 70]));
    assert_eq!((&*outcome.label, outcome.items), ("mole", 3));
    assert_eq!(outcome.licence.as_deref(), Some("not to be sold"));
    drop(vault);
    let mut vault = images(&disk);
    vault.open(password("pw"), false).unwrap();
    assert_eq!(
        vault.scan_result(ticket.job).unwrap(),
        outcome,
        "after a restart, too"
    );
    assert_eq!(vault.ticket(ticket.job).unwrap(), ticket);
    let comparison = vault.compare(ticket.job).unwrap();
    assert!(comparison.same_class && comparison.max_deviations == 0.0);
    vault.settle(ticket.job).unwrap();
    assert!(disk.0.borrow().scans.is_empty(), "the pixels are gone");
}

#[test]
fn after_a_restart_the_rest_is_encrypted_and_what_was_accepted_counts() {
    let disk = MemDisk::default();
    let mut vault = open(&disk);
    let ticket = vault.open_scan("mole".into(), &pixels()).unwrap();
    let first = vault.encrypt_item(ticket.job, 0).unwrap();
    accept(&disk, &mut vault, (&ticket, 0, &first)).unwrap();
    let lost = vault.encrypt_item(ticket.job, 1).unwrap();
    drop(vault);
    let mut vault = images(&disk);
    vault.open(password("pw"), false).unwrap();
    assert_eq!(vault.status().open_jobs[0].unanswered, [1, 2]);
    let rest = [1, 2].map(|index| vault.encrypt_item(ticket.job, index).unwrap());
    assert_ne!(lost, rest[0], "a second encryption has other bytes");
    let refused = accept(&disk, &mut vault, (&ticket, 1, &lost)).unwrap_err();
    assert_eq!(refused.to_string(), "receipt does not match: input hash");
    assert!(matches!(
        vault.encrypt_item(ticket.job, 0),
        Err(VaultError::UnknownJob(_))
    ));
    accept(&disk, &mut vault, (&ticket, 1, &rest[0])).unwrap();
    let outcome = scan(accept(&disk, &mut vault, (&ticket, 2, &rest[1])).unwrap());
    assert_eq!(outcome.reading.class, 1);
}

#[test]
fn items_beyond_the_image_and_answers_to_items_never_encrypted_are_refused() {
    let disk = MemDisk::default();
    let mut vault = open(&disk);
    let ticket = vault.open_scan("mole".into(), &pixels()).unwrap();
    let item = vault.encrypt_item(ticket.job, 0).unwrap();
    for index in [1, 3, u32::MAX] {
        let refused = accept(&disk, &mut vault, (&ticket, index, &item)).unwrap_err();
        assert_eq!(refused.fault(), VaultFault::UnknownJob);
    }
    assert!(vault.encrypt_item(ticket.job, 3).is_err());
    assert!(vault.encrypt_item(JobId([99; 16]), 0).is_err());
    let second = vault.encrypt_item(ticket.job, 1).unwrap();
    let refused = accept(&disk, &mut vault, (&ticket, 0, &second)).unwrap_err();
    assert_eq!(refused.fault(), VaultFault::Trust, "another item's answer");
}

#[test]
fn what_the_model_does_not_read_is_refused_with_advice() {
    let disk = MemDisk::default();
    let mut vault = open(&disk);
    let refused = vault.encrypt("r".into(), &record("1")).unwrap_err();
    assert!(refused.to_string().contains("obscura-agent scan") && refused.fault() == VaultFault::OtherKind);
    assert!(
        vault
            .open_scan("m".into(), &Pixels(Zeroizing::new(vec![1])))
            .is_err()
    );
    assert!(disk.0.borrow().jobs.is_empty() && disk.0.borrow().scans.is_empty());
    let disk = MemDisk::default();
    let refused = ready(&disk).open_scan("m".into(), &pixels()).unwrap_err();
    assert!(refused.to_string().contains("obscura-agent record"));
}

#[test]
fn pixels_a_crash_left_behind_are_removed_when_the_vault_opens() {
    let disk = MemDisk::default();
    drop(open(&disk));
    disk.0.borrow_mut().scans.push((JobId([9; 16]), vec![1]));
    images(&disk).open(password("pw"), false).unwrap();
    assert!(disk.0.borrow().scans.is_empty());
}

#[test]
fn an_image_whose_job_cannot_be_kept_leaves_no_pixels() {
    let disk = MemDisk::default();
    let mut vault = open(&disk);
    disk.0.borrow_mut().full = true;
    assert!(vault.open_scan("mole".into(), &pixels()).is_err());
    assert!(disk.0.borrow().scans.is_empty() && vault.status().open_jobs.is_empty());
}

#[test]
fn lost_pixels_and_another_model_cost_their_image_only() {
    let disk = MemDisk::default();
    let mut vault = open(&disk);
    let [lost, kept] = ["a", "b"].map(|label| vault.open_scan(label.into(), &pixels()).unwrap().job);
    disk.0.borrow_mut().scans.retain(|(job, _)| *job != lost);
    let refused = vault.encrypt_item(lost, 0).unwrap_err();
    assert_eq!(refused.fault(), VaultFault::JobLost);
    assert!(refused.to_string().contains("enter it again"), "{refused}");
    vault.encrypt_item(kept, 0).unwrap();
    drop(vault);
    let newer = ModelFacts {
        model_hash: Digest([77; 32]),
        ..facts()
    };
    let mut vault = vault_with(&disk, Box::new(PlainImages(PlainModel(newer, disk.clone()))));
    vault.open(password("pw"), false).unwrap();
    for refused in [
        vault.encrypt_item(kept, 1).map(drop),
        vault.ticket(kept).map(drop),
    ] {
        assert_eq!(refused.unwrap_err().fault(), VaultFault::JobLost);
    }
}
