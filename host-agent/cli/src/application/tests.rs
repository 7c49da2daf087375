//! A run over scripted processes.

mod models;
mod scans;

use std::{collections::VecDeque, time::Duration};

use obscura_local::agent::{
    LinkCommand, LinkEvent, OfflineCause, OpenJob, Outcome, Problem, Reading, Record, ResumedJob, VaultFault,
    VaultReply, VaultRequest, VaultStatus, Wanted,
};
use obscura_protocol::{
    identity::{ClientId, Digest, JobId, SiteId},
    job::{FloorKind, Receipt, Ticket},
    message::Refusal,
    transfer::{ObjectHeader, ObjectKind},
};

use super::{Named, Places, Run, check_records, revoke_keys};
use crate::{
    domain::report::{Fate, RunReport, Subject},
    error::CliError,
    ports::{Activity, Face, Link, Vault},
};

fn job(n: u8) -> JobId {
    JobId([n; 16])
}

fn object() -> ObjectHeader {
    ObjectHeader {
        kind: ObjectKind::EvaluationKeys,
        digest: Digest([3; 32]),
        len_bytes: 1000,
        client: ClientId([2; 16]),
        parameter_hash: Digest([4; 32]),
    }
}

fn outcome(n: u8) -> Outcome {
    let zero = Digest([0; 32]);
    Outcome {
        label: format!("r{n}"),
        reading: Reading {
            score: 5,
            probability: 50,
            probability_scale: 100,
            positive: true,
        },
        probability_low: 49,
        probability_high: 51,
        table_error_entries: 3,
        decision: "above".into(),
        decision_text: String::new(),
        warning: String::new(),
        receipt: Receipt {
            job: job(n),
            item: 0,
            input_hash: zero,
            answer_hash: zero,
            model_id: "m".into(),
            model_hash: zero,
            security_counter: 1,
            floor: FloorKind::None,
            parameter_hash: zero,
            key_fingerprint: zero,
            box_name: "box-1".parse().unwrap(),
        },
    }
}

/// Answers honestly; jobs are numbered from 1. The record `bad` is bad, job 13 has a bad receipt.
#[derive(Default)]
struct FakeVault {
    made: u8,
    asked: Vec<&'static str>,
}

impl Vault for FakeVault {
    fn ask(
        &mut self,
        request: VaultRequest,
        tick: &mut dyn FnMut(Option<(u32, u32)>),
    ) -> Result<VaultReply, CliError> {
        Ok(match request {
            VaultRequest::Check { record } if record.0.iter().any(|(name, _)| name == "bad") => {
                let (field, text) = ("bad".into(), "is not a field".into());
                VaultReply::Problems(vec![Problem { field, text }])
            }
            VaultRequest::GenerateKeys { .. } => {
                tick(None);
                tick(Some((1, 1)));
                self.asked.push("keys");
                VaultReply::Keys(object())
            }
            VaultRequest::KeyChunk { .. } => VaultReply::KeyChunk(vec![0; 1000]),
            VaultRequest::Encrypt { .. } => {
                self.made += 1;
                self.asked.push("encrypt");
                let ticket = Ticket {
                    site: SiteId([1; 16]),
                    device: "device-1".parse().unwrap(),
                    job: job(self.made),
                    model_hash: Digest([1; 32]),
                    client: ClientId([2; 16]),
                    key_fingerprint: Digest([3; 32]),
                    items: 1,
                };
                VaultReply::Encrypted {
                    ticket,
                    item: vec![0; 10],
                }
            }
            VaultRequest::Accept { answer, .. } if answer == b"forged" => {
                let (fault, text) = (VaultFault::Trust, "receipt does not match: model hash".into());
                return Err(CliError::Vault { fault, text });
            }
            VaultRequest::Accept { job, .. } => VaultReply::Outcome(Box::new(outcome(job.0[0]))),
            VaultRequest::Settle { .. } => {
                self.asked.push("settle");
                VaultReply::Done
            }
            _ => VaultReply::Done,
        })
    }
}

#[derive(Default)]
struct FakeLink {
    events: VecDeque<LinkEvent>,
    told: Vec<LinkCommand>,
}

impl Link for FakeLink {
    fn tell(&mut self, command: LinkCommand) -> Result<(), CliError> {
        self.told.push(command);
        Ok(())
    }
    fn next(&mut self, patience: Duration) -> Result<Option<LinkEvent>, CliError> {
        // The script begins once everything is sent.
        Ok(if patience.is_zero() {
            None
        } else {
            self.events.pop_front()
        })
    }
}

#[derive(Default)]
struct MemFace {
    notes: Vec<String>,
    last: Option<Activity>,
}

impl Face for MemFace {
    fn note(&mut self, text: &str) {
        self.notes.push(text.to_owned());
    }
    fn progress(&mut self, activity: Activity, _: u64, _: u64, _: &str) {
        self.last = Some(activity);
    }
    fn finished(&mut self) {}
}

struct Played {
    done: Result<(), CliError>,
    report: RunReport,
    vault: FakeVault,
    link: FakeLink,
    notes: Vec<String>,
    /// The last activity that was shown.
    last: Option<Activity>,
    shown: Vec<String>,
}

fn status(keys: Option<ObjectHeader>, open: &[u8]) -> VaultStatus {
    let zero = Digest([0; 32]);
    let open_job = |n: &u8| OpenJob {
        job: job(*n),
        key_fingerprint: Digest([3; 32]),
        items: 1,
        unanswered: vec![0],
    };
    VaultStatus {
        exists: true,
        open: true,
        model_id: "m".into(),
        model_version: "1".into(),
        model_hash: zero,
        parameter_hash: zero,
        root_fingerprint: zero,
        receipt_key_fingerprint: zero,
        keys,
        open_jobs: open.iter().map(open_job).collect(),
    }
}

fn play(events: Vec<LinkEvent>, act: impl FnOnce(&mut Run<'_>) -> Result<(), CliError>) -> Played {
    let (mut vault, mut face) = (FakeVault::default(), MemFace::default());
    let mut link = FakeLink {
        events: events.into(),
        told: Vec::new(),
    };
    let mut shown = Vec::new();
    let mut show = |report: &crate::domain::report::JobReport| {
        shown.push(report.name.clone());
        Ok(())
    };
    let mut run = Run {
        vault: &mut vault,
        link: &mut link,
        face: &mut face,
        places: Places {
            way: "broker localhost:8883".into(),
            box_name: "box-1".into(),
            subject: Subject::default(),
        },
        patience: Duration::from_millis(50),
        wanted: Wanted::default(),
        with_reference: false,
        pictures: None,
        report: RunReport::default(),
        show: &mut show,
    };
    let done = act(&mut run);
    let report = run.report;
    let MemFace { notes, last } = face;
    Played {
        done,
        report,
        vault,
        link,
        notes,
        last,
        shown,
    }
}

fn resumed(n: u8) -> ResumedJob {
    ResumedJob {
        job: job(n),
        items: vec![0],
    }
}

fn named(names: &[&str]) -> Vec<Named> {
    let one = |name: &&str| Named {
        name: (*name).to_owned(),
        record: Record::default(),
    };
    names.iter().map(one).collect()
}

fn answer(n: u8, bytes: &[u8]) -> LinkEvent {
    LinkEvent::Answer {
        job: job(n),
        index: 0,
        bytes: bytes.to_vec(),
        receipt: Vec::new(),
    }
}

#[test]
fn a_first_run_makes_and_uploads_keys_and_shows_results_as_they_come() {
    let events = vec![
        LinkEvent::Online,
        LinkEvent::Session,
        LinkEvent::Uploading {
            done_bytes: 0,
            of_bytes: 1000,
        },
        LinkEvent::NeedChunk {
            object: Digest([3; 32]),
            index: 0,
        },
        LinkEvent::KeysStored { sent_bytes: 1000 },
        LinkEvent::Sent {
            job: job(1),
            sent_bytes: 10,
        },
        LinkEvent::Sent {
            job: job(2),
            sent_bytes: 10,
        },
        answer(2, b"answer"),
        answer(1, b"answer"),
    ];
    let played = play(events, |run| run.records(&status(None, &[]), named(&["a", "b"])));
    played.done.unwrap();
    assert_eq!(played.shown, ["r2", "r1"]);
    assert_eq!(played.last, Some(Activity::Answers), "the upload is over");
    assert_eq!(
        played.vault.asked,
        ["keys", "encrypt", "encrypt", "settle", "settle"]
    );
    assert!(played.report.keys.made_in.is_some() && !played.report.keys.reused);
    assert_eq!(played.report.keys.upload_bytes, 1000);
    assert_eq!(played.report.sum_bytes(|r| r.request_bytes), 20);
    assert!(matches!(&played.link.told[0], LinkCommand::UseKeys { .. }));
    assert!(
        played
            .link
            .told
            .iter()
            .any(|told| matches!(told, LinkCommand::Chunk { .. }))
    );
}

#[test]
fn a_second_run_says_that_the_keys_are_reused() {
    let events = vec![LinkEvent::KeysFound, answer(1, b"answer")];
    let played = play(events, |run| {
        run.records(&status(Some(object()), &[]), named(&["a"]))
    });
    played.done.unwrap();
    assert!(played.report.keys.reused && played.report.keys.made_in.is_none());
    assert_eq!(played.notes, ["box-1 has this device's keys from before"]);
}

#[test]
fn one_bad_record_stops_all_before_anything_is_encrypted() {
    let mut records = named(&["good", "wrong"]);
    let value = obscura_local::agent::Value::Number(1.0);
    records[1].record.0.push(("bad".into(), value));
    let mut vault = FakeVault::default();
    let error = check_records(&mut vault, &records).unwrap_err();
    assert_eq!(error.exit_code(), 3);
    assert!(
        error.chain().contains("wrong: bad is not a field"),
        "{}",
        error.chain()
    );
    assert!(vault.asked.is_empty());
    assert!(check_records(&mut vault, &named(&["good"])).is_ok());
}

#[test]
fn a_receipt_that_does_not_match_fails_its_record_only() {
    let events = vec![LinkEvent::KeysFound, answer(1, b"forged"), answer(2, b"answer")];
    let played = play(events, |run| {
        run.records(&status(Some(object()), &[]), named(&["a", "b"]))
    });
    played.done.unwrap();
    assert_eq!(played.report.failures(), (1, 5));
    assert!(matches!(
        played.report.jobs[0].fate,
        Fate::Failed { exit_code: 5, .. }
    ));
    assert!(matches!(played.report.jobs[1].fate, Fate::Shown(_)));
}

#[test]
fn a_refused_job_fails_with_the_boxs_reason_and_a_refused_device_ends_the_run() {
    let code = Refusal::UnknownModel;
    let events = vec![LinkEvent::KeysFound, LinkEvent::JobRefused { job: job(1), code }];
    let played = play(events, |run| {
        run.records(&status(Some(object()), &[]), named(&["a"]))
    });
    assert_eq!(played.report.failures(), (1, 7));
    let code = Refusal::UnknownDevice;
    let played = play(vec![LinkEvent::Refused { code }], |run| {
        run.records(&status(Some(object()), &[]), named(&["a"]))
    });
    assert_eq!(played.done.unwrap_err().exit_code(), 7);
}

#[test]
fn an_unreachable_broker_is_named_and_the_record_kept() {
    let cause = OfflineCause::Unreachable;
    let events = vec![LinkEvent::Offline {
        cause,
        retry_in_ms: 2000,
    }];
    let played = play(events, |run| {
        run.records(&status(Some(object()), &[]), named(&["a"]))
    });
    let error = played.done.unwrap_err();
    assert_eq!(error.exit_code(), 6);
    assert!(
        error.chain().starts_with("broker localhost:8883 is unreachable"),
        "{}",
        error.chain()
    );
    assert!(error.chain().contains("resume"));
    assert_eq!(
        played.notes,
        ["broker localhost:8883 is unreachable, retrying in 2 s; the record is kept"]
    );
    assert_eq!(played.vault.asked, ["encrypt"], "nothing is settled");
}

#[test]
fn resume_waits_for_what_is_open_and_forgets_what_only_one_side_knows() {
    let events = vec![
        LinkEvent::Online,
        LinkEvent::Resumed {
            jobs: [1, 9].map(resumed).into(),
        },
        LinkEvent::KeysFound,
        answer(1, b"answer"),
    ];
    let played = play(events, |run| run.resume(&status(Some(object()), &[1, 2])));
    played.done.unwrap();
    assert_eq!(played.shown, ["r1"]);
    let settled = played.link.told.iter().filter_map(|told| match told {
        LinkCommand::Settle { job } => Some(*job),
        _ => None,
    });
    assert_eq!(settled.collect::<Vec<_>>(), [job(9), job(1)]);
    assert_eq!(
        played.vault.asked,
        ["settle", "settle"],
        "the one never sent, and the one shown"
    );
}

fn revoke(events: Vec<LinkEvent>) -> (Result<u32, CliError>, Vec<LinkCommand>) {
    let mut link = FakeLink {
        events: events.into(),
        told: Vec::new(),
    };
    let places = Places {
        way: "broker localhost:8883".into(),
        box_name: "box-1".into(),
        subject: Subject::default(),
    };
    let patience = Duration::from_millis(50);
    let done = revoke_keys(&mut link, &mut MemFace::default(), &places, patience);
    (done, link.told)
}

#[test]
fn keys_are_revoked_when_the_box_says_so() {
    let (done, told) = revoke(vec![
        LinkEvent::Online,
        LinkEvent::Session,
        LinkEvent::KeysRevoked { objects: 2 },
    ]);
    assert_eq!(done.unwrap(), 2);
    assert!(matches!(told[..], [LinkCommand::RevokeKeys]));
}

#[test]
fn keys_are_not_said_to_be_revoked_when_the_box_refuses_or_says_nothing() {
    let code = Refusal::WrongVersion;
    let (done, _) = revoke(vec![LinkEvent::Online, LinkEvent::Refused { code }]);
    assert_eq!(done.unwrap_err().exit_code(), 7);
    let (done, _) = revoke(vec![LinkEvent::Offline {
        cause: OfflineCause::Unreachable,
        retry_in_ms: 1,
    }]);
    let error = done.unwrap_err();
    assert_eq!(error.exit_code(), 6);
    assert!(error.to_string().contains("run the command again"), "{error}");
}
