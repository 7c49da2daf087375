//! Images of three patches over scripted processes.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use obscura_local::agent::{ClassShare, Comparison, ImageView, Pixels, ScanOutcome, ScanReading};
use zeroize::Zeroizing;

use super::*;
use crate::{
    application::{NamedImage, check_images},
    domain::report::Shown,
    ports::{Images, Pictures},
};

const PATCHES: u32 = 40;

fn view() -> ImageView {
    ImageView {
        side: 288,
        crop: 224,
        patches: PATCHES,
        classes: Vec::new(),
    }
}

fn reading() -> ScanReading {
    ScanReading {
        class: 0,
        text: String::new(),
        classes: vec![ClassShare {
            name: "nv".into(),
            label: "nevus".into(),
            permille: 900,
        }],
        rows: 1,
        map: vec![(0, 900)],
        weights: Vec::new(),
        notes: Vec::new(),
    }
}

fn scan_outcome(n: u8) -> ScanOutcome {
    ScanOutcome {
        label: format!("image {n}"),
        reading: reading(),
        warning: String::new(),
        licence: None,
        items: PATCHES,
        receipt: outcome(n).receipt,
    }
}

/// Jobs are numbered from 1; an answer "forged" has a bad receipt.
#[derive(Default)]
struct ScanVault {
    made: u8,
    encrypted: Vec<(u8, u32)>,
    accepted: BTreeSet<(u8, u32)>,
    settled: Vec<u8>,
    /// The job whose pixels are lost; 0 for none.
    lost: u8,
}

impl ScanVault {
    fn progress(&self, n: u8) -> VaultReply {
        let done = self.accepted.iter().filter(|(job, _)| *job == n).count();
        match u32::try_from(done).unwrap() {
            PATCHES => VaultReply::ScanOutcome(Box::new(scan_outcome(n))),
            done => VaultReply::ItemAccepted { done, of: PATCHES },
        }
    }
}

fn ticket(n: u8) -> VaultReply {
    let ticket = Ticket {
        site: SiteId([1; 16]),
        device: "device-1".parse().unwrap(),
        job: job(n),
        model_hash: Digest([1; 32]),
        client: ClientId([2; 16]),
        key_fingerprint: Digest([3; 32]),
        items: PATCHES,
    };
    VaultReply::Ticket { ticket }
}

impl Vault for ScanVault {
    fn ask(
        &mut self,
        request: VaultRequest,
        _: &mut dyn FnMut(Option<(u32, u32)>),
    ) -> Result<VaultReply, CliError> {
        Ok(match request {
            VaultRequest::OpenScan { .. } => {
                self.made += 1;
                ticket(self.made)
            }
            VaultRequest::Ticket { job } => ticket(job.0[0]),
            VaultRequest::EncryptItem { job, .. }
            | VaultRequest::Pixels { job }
            | VaultRequest::Compare { job }
                if job.0[0] == self.lost =>
            {
                let (fault, text) = (VaultFault::JobLost, "the image is lost: enter it again".into());
                return Err(CliError::Vault { fault, text });
            }
            VaultRequest::EncryptItem { job, index } => {
                self.encrypted.push((job.0[0], index));
                VaultReply::Item(vec![0; 10])
            }
            VaultRequest::Accept { answer, .. } if answer == b"forged" => {
                let (fault, text) = (VaultFault::Trust, "receipt does not match: item".into());
                return Err(CliError::Vault { fault, text });
            }
            VaultRequest::Accept { job, item, .. } => {
                self.accepted.insert((job.0[0], item));
                self.progress(job.0[0])
            }
            VaultRequest::ScanResult { job } => VaultReply::ScanOutcome(Box::new(scan_outcome(job.0[0]))),
            VaultRequest::Pixels { .. } => VaultReply::Pixels(Pixels(Zeroizing::new(vec![7; 3]))),
            VaultRequest::Compare { .. } => VaultReply::Comparison(Comparison {
                reading: reading(),
                same_class: true,
                rms_deviations: 1.0,
                max_deviations: 3.0,
            }),
            VaultRequest::Settle { job } => {
                self.settled.push(job.0[0]);
                VaultReply::Done
            }
            other => panic!("{other:?}"),
        })
    }
}

/// Files named `bad` cannot be read.
#[derive(Default)]
struct MemImages(Vec<PathBuf>);

impl Images for MemImages {
    fn pixels(&mut self, path: &Path, _: &ImageView) -> Result<Pixels, CliError> {
        self.0.push(path.to_owned());
        if path.ends_with("bad") {
            let (path, text) = (path.to_owned(), "is not an image".to_owned());
            return Err(CliError::DeviceImage { path, text });
        }
        Ok(Pixels(Zeroizing::new(Vec::new())))
    }
}

struct Scanned {
    done: Result<(), CliError>,
    report: RunReport,
    vault: ScanVault,
    told: Vec<LinkCommand>,
}

impl Scanned {
    fn items(&self, n: u8) -> Vec<u32> {
        let items = self.told.iter().filter_map(|told| match told {
            LinkCommand::Item { job: of, index, .. } if *of == job(n) => Some(*index),
            _ => None,
        });
        items.collect()
    }
}

fn scan(events: Vec<LinkEvent>, act: impl FnOnce(&mut Run<'_>) -> Result<(), CliError>) -> Scanned {
    scan_with(ScanVault::default(), None, events, act)
}

fn scan_with(
    mut vault: ScanVault,
    pictures: Option<&mut SmallFolder>,
    events: Vec<LinkEvent>,
    act: impl FnOnce(&mut Run<'_>) -> Result<(), CliError>,
) -> Scanned {
    let mut face = MemFace::default();
    let mut link = FakeLink {
        events: events.into(),
        told: Vec::new(),
    };
    let mut run = Run {
        vault: &mut vault,
        link: &mut link,
        face: &mut face,
        places: Places {
            way: "broker localhost:8883".into(),
            box_name: "box-1".into(),
            subject: Subject::Image,
        },
        patience: Duration::from_millis(50),
        wanted: Wanted::default(),
        with_reference: true,
        pictures: pictures.map(|kept| kept as &mut dyn Pictures),
        report: RunReport {
            subject: Subject::Image,
            ..RunReport::default()
        },
        show: &mut |_| Ok(()),
    };
    let done = act(&mut run);
    let report = run.report;
    Scanned {
        done,
        report,
        vault,
        told: link.told,
    }
}

fn images(names: &[&str]) -> Vec<NamedImage> {
    let one = |name: &&str| NamedImage {
        name: (*name).to_owned(),
        path: PathBuf::from(name),
    };
    names.iter().map(one).collect()
}

fn run(events: Vec<LinkEvent>, names: &[&str]) -> Scanned {
    scan(events, |run| {
        run.scans(
            &status(Some(object()), &[]),
            images(names),
            &mut MemImages::default(),
            &view(),
        )
    })
}

fn answers(n: u8, items: impl IntoIterator<Item = u32>) -> Vec<LinkEvent> {
    let answer = |index| LinkEvent::Answer {
        job: job(n),
        index,
        bytes: b"answer".to_vec(),
        receipt: Vec::new(),
    };
    items.into_iter().map(answer).collect()
}

#[test]
fn an_image_is_encrypted_a_few_items_ahead_of_its_answers() {
    let first = run(vec![LinkEvent::KeysFound], &["a"]);
    assert_eq!(first.done.as_ref().unwrap_err().exit_code(), 6, "nothing answers");
    assert_eq!(first.items(1), (0..16).collect::<Vec<u32>>());
    assert!(first.done.unwrap_err().chain().contains("The images are kept"));
    let more = run([vec![LinkEvent::KeysFound], answers(1, [3, 0])].concat(), &["a"]);
    assert_eq!(more.items(1), (0..18).collect::<Vec<u32>>());
    assert!(
        more.told
            .iter()
            .any(|told| matches!(told, LinkCommand::SettleItem { index: 3, .. })),
        "an accepted item leaves the journal"
    );
}

#[test]
fn a_complete_image_is_shown_and_forgotten_and_the_next_one_follows() {
    let all: Vec<LinkEvent> = (1..=3).flat_map(|n| answers(n, 0..PATCHES)).collect();
    let scanned = run([vec![LinkEvent::KeysFound], all].concat(), &["a", "b", "c"]);
    scanned.done.unwrap();
    assert_eq!(scanned.vault.settled, [1, 2, 3]);
    let jobs = &scanned.report.jobs;
    assert_eq!(
        jobs.iter().map(|job| &*job.name).collect::<Vec<_>>(),
        ["image 1", "image 2", "image 3"]
    );
    let compared = |fate: &Fate| matches!(fate, Fate::Shown(Shown::Scan(_, Some(c))) if c.same_class);
    assert!(jobs.iter().all(|job| compared(&job.fate)));
    assert_eq!(jobs[0].request_bytes, u64::from(PATCHES) * 10);
    let submitted = scanned
        .told
        .iter()
        .filter(|told| matches!(told, LinkCommand::Submit { .. }));
    assert_eq!(submitted.count(), 3);
}

#[test]
fn at_most_two_images_are_open_at_once() {
    let scanned = run(vec![LinkEvent::KeysFound], &["a", "b", "c"]);
    assert_eq!(scanned.vault.made, 2);
    assert_eq!(scanned.items(2).len(), 16);
}

#[test]
fn a_bad_receipt_or_a_dead_item_fails_its_image_only() {
    let forged = LinkEvent::Answer {
        job: job(1),
        index: 0,
        bytes: b"forged".to_vec(),
        receipt: Vec::new(),
    };
    let events = [vec![LinkEvent::KeysFound, forged], answers(2, 0..PATCHES)].concat();
    let scanned = run(events, &["a", "b"]);
    scanned.done.unwrap();
    assert_eq!(scanned.report.failures(), (1, 5));
    let dead = LinkEvent::ItemDead {
        job: job(1),
        index: 7,
        code: Refusal::Internal,
    };
    let events = [vec![LinkEvent::KeysFound, dead], answers(2, 0..PATCHES)].concat();
    let scanned = run(events, &["a", "b"]);
    scanned.done.unwrap();
    assert_eq!(scanned.report.failures(), (1, 7));
    assert_eq!(scanned.vault.settled, [1, 2]);
}

#[test]
fn every_bad_file_is_named_before_anything_is_encrypted() {
    let mut files = MemImages::default();
    let named = images(&["a", "x/bad", "b", "bad"]);
    let error = check_images(&mut files, &view(), &named, &mut MemFace::default()).unwrap_err();
    assert_eq!((error.exit_code(), files.0.len()), (3, 4));
    let text = error.chain();
    assert!(
        text.contains("x/bad: is not an image") && text.contains("\n  bad: is"),
        "{text}"
    );
}

fn open(n: u8, unanswered: &[u32]) -> OpenJob {
    OpenJob {
        job: job(n),
        key_fingerprint: Digest([3; 32]),
        items: PATCHES,
        unanswered: unanswered.to_vec(),
    }
}

#[test]
fn resume_encrypts_what_was_lost_sends_what_is_there_and_shows_what_is_complete() {
    // Job 1 lost item 5 between vault and link; job 2 never reached the link; job 3 was complete and not shown.
    let jobs = vec![
        ResumedJob {
            job: job(1),
            items: vec![3, 4],
        },
        ResumedJob {
            job: job(3),
            items: vec![0],
        },
    ];
    let mut status = status(Some(object()), &[]);
    let all: Vec<u32> = (0..PATCHES).collect();
    status.open_jobs = vec![open(1, &[4, 5]), open(2, &all), open(3, &[])];
    let scanned = scan(vec![LinkEvent::Resumed { jobs }, LinkEvent::KeysFound], |run| {
        run.resume(&status)
    });
    assert_eq!(scanned.done.as_ref().unwrap_err().exit_code(), 6);
    assert_eq!(scanned.items(1), [5]);
    assert_eq!(scanned.items(2).len(), 16);
    assert_eq!(scanned.vault.settled, [3]);
    assert!(
        scanned
            .told
            .iter()
            .any(|told| matches!(told, LinkCommand::SettleItem { job: of, index: 3 } if *of == job(1))),
        "its answer was accepted before"
    );
    let submitted =
        |told: &&LinkCommand| matches!(told, LinkCommand::Submit { ticket, .. } if ticket.job == job(2));
    assert_eq!(scanned.told.iter().filter(submitted).count(), 1);
}

#[test]
fn an_image_whose_pixels_are_lost_fails_alone_and_a_complete_one_is_shown_all_the_same() {
    let lost = ScanVault {
        lost: 1,
        ..ScanVault::default()
    };
    let mut status = status(Some(object()), &[]);
    status.open_jobs = vec![open(1, &[4, 5]), open(2, &[7])];
    let events = [
        vec![LinkEvent::Resumed { jobs: Vec::new() }, LinkEvent::KeysFound],
        answers(2, 0..PATCHES),
    ];
    let scanned = scan_with(lost, None, events.concat(), |run| run.resume(&status));
    scanned.done.unwrap();
    assert_eq!(scanned.vault.settled, [1, 2]);
    assert_eq!(scanned.report.failures(), (1, 70));
    let lost = ScanVault {
        lost: 3,
        ..ScanVault::default()
    };
    status.open_jobs = vec![open(3, &[])];
    let events = vec![LinkEvent::Resumed { jobs: Vec::new() }];
    let scanned = scan_with(lost, None, events, |run| run.resume(&status));
    scanned.done.unwrap();
    assert!(matches!(
        &scanned.report.jobs[0].fate,
        Fate::Shown(Shown::Scan(_, None))
    ));
}

/// A folder that takes one picture.
#[derive(Default)]
struct SmallFolder(Vec<String>);

impl Pictures for SmallFolder {
    fn keep(&mut self, pixels: Pixels, outcome: &ScanOutcome) -> Result<PathBuf, CliError> {
        let path = PathBuf::from(format!("{}.result.png", outcome.label));
        if !self.0.is_empty() || pixels.0.is_empty() {
            let source = std::io::ErrorKind::StorageFull.into();
            return Err(CliError::Picture { path, source });
        }
        self.0.push(outcome.label.clone());
        Ok(path)
    }
}

#[test]
fn pictures_are_kept_before_the_pixels_are_forgotten_and_a_full_disk_costs_no_result() {
    let mut folder = SmallFolder::default();
    let all = (1..=2).flat_map(|n| answers(n, 0..PATCHES));
    let events = std::iter::once(LinkEvent::KeysFound).chain(all).collect();
    let vault = ScanVault::default();
    let scanned = scan_with(vault, Some(&mut folder), events, |run| {
        run.scans(
            &status(Some(object()), &[]),
            images(&["a", "b"]),
            &mut MemImages::default(),
            &view(),
        )
    });
    scanned.done.unwrap();
    let pictures: Vec<_> = scanned
        .report
        .jobs
        .iter()
        .map(|job| job.picture.clone())
        .collect();
    assert_eq!(pictures, [Some("image 1.result.png".into()), None]);
    assert_eq!(scanned.report.failures(), (0, 0));
    assert_eq!(folder.0, ["image 1"]);
}
