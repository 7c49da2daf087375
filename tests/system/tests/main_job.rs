//! The main job through the real programs: a record goes to the box and back, also when things go wrong.
#![expect(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use std::{fs, path::PathBuf, process::Output, time::Duration};

use obscura_system_tests::{
    AgentReport, AgentRun, BoxProcess, Broker, RecordOptions, Site,
    fixtures::{DEMO_RECORDS, Vector, golden_vectors},
    repository, wait_until,
};
use serde_json::json;

const LIMIT: Duration = Duration::from_mins(1);

/// A complete site, running.
struct Bench {
    site: Site,
    broker: Broker,
    box_process: BoxProcess,
}

impl Bench {
    fn start() -> Self {
        let site = Site::make().unwrap();
        let broker = site.start_broker().unwrap();
        let box_process = site.start_box().unwrap();
        Self {
            site,
            broker,
            box_process,
        }
    }

    fn record(&self, name: &'static str) -> AgentRun {
        AgentRun::record(&self.site, &RecordOptions::new(name, &demo_records())).unwrap()
    }
}

fn demo_records() -> PathBuf {
    repository().join(DEMO_RECORDS)
}

/// The healthy and the ill reference person of the signed model.
fn reference_persons() -> [Vector; 2] {
    let mut vectors = golden_vectors().unwrap().into_iter();
    let persons = [vectors.next().unwrap(), vectors.next().unwrap()];
    assert_eq!(
        persons.each_ref().map(|person| person.name.as_str()),
        ["healthy-reference", "ill-reference"]
    );
    persons
}

fn write_records(site: &Site, vectors: &[Vector]) -> PathBuf {
    let list: Vec<_> = vectors
        .iter()
        .map(|v| json!({"name": v.name, "record": v.record}))
        .collect();
    let path = site.path("records.json");
    fs::write(&path, json!(list).to_string()).unwrap();
    path
}

fn all_agree(report: &AgentReport, count: usize) {
    assert_eq!(report.records.len(), count);
    for record in &report.records {
        assert_eq!(record.state, "answered", "{record:?}");
        assert!(record.agrees(), "{record:?}");
        assert_eq!(record.receipt_box.as_deref(), Some("box-1"));
    }
}

fn init(site: &Site) -> Output {
    let mut init = site.program("obscura-agent").unwrap();
    init.args([
        "init",
        "--config",
        "site/device-1/agent.toml",
        "--password-file",
        "password",
    ])
    .output()
    .unwrap()
}

/// Has the box forget the device's keys; what the command printed.
fn revoke_keys(site: &Site) -> serde_json::Value {
    let mut revoke = site.program("obscura-agent").unwrap();
    let output = revoke
        .args(["revoke-keys", "--config", "site/device-1/agent.toml", "--json"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn reference_persons_come_out_the_right_way_round_and_a_second_run_reuses_the_keys() {
    let bench = Bench::start();
    let persons = reference_persons();
    let input = write_records(&bench.site, &persons);
    let first = AgentRun::record(&bench.site, &RecordOptions::new("first", &input))
        .unwrap()
        .succeed()
        .unwrap();
    all_agree(&first, 2);
    assert!(first.keys_generated && !first.keys_reused && first.upload_bytes > 1 << 20);
    for (record, person) in first.records.iter().zip(&persons) {
        assert_eq!(record.score, Some(person.score), "{}", person.name);
        assert!(record.warning.as_ref().unwrap().contains("Not a medical device"));
    }
    assert_eq!(
        [first.records[0].positive, first.records[1].positive],
        [Some(false), Some(true)]
    );

    let second = bench.record("second").succeed().unwrap();
    all_agree(&second, 5);
    assert!(!second.keys_generated && second.keys_reused, "{second:?}");
    assert_eq!(second.upload_bytes, 0);
}

#[test]
fn the_agent_says_that_the_broker_is_away_and_finishes_when_it_is_back() {
    let mut bench = Bench::start();
    let mut agent = bench.record("first");
    // Somewhere inside the upload of the keys.
    let store = bench.site.path("site/box/state/keys");
    wait_until("the first stored chunks", LIMIT, || {
        Ok(fs::read_dir(&store)
            .is_ok_and(|mut entries| entries.next().is_some())
            .then_some(()))
    })
    .unwrap();
    bench.broker.kill();
    wait_until("word of the broker", LIMIT, || {
        Ok(agent.said().to_lowercase().contains("broker").then_some(()))
    })
    .unwrap();
    bench.broker.restart().unwrap();
    all_agree(&agent.succeed().unwrap(), 5);
}

#[test]
fn an_agent_started_before_broker_and_box_finishes_when_they_come() {
    let site = Site::make().unwrap();
    let mut agent = AgentRun::record(&site, &RecordOptions::new("first", &demo_records())).unwrap();
    wait_until("word of the broker", LIMIT, || {
        Ok(agent.said().to_lowercase().contains("broker").then_some(()))
    })
    .unwrap();
    let _broker = site.start_broker().unwrap();
    let _box_process = site.start_box().unwrap();
    all_agree(&agent.succeed().unwrap(), 5);
}

#[test]
fn a_box_that_was_cut_off_comes_back_and_the_keys_are_still_there() {
    let mut bench = Bench::start();
    all_agree(&bench.record("first").succeed().unwrap(), 5);
    bench.box_process.process().kill();
    bench.box_process = bench.site.start_box().unwrap();
    let again = bench.record("second").succeed().unwrap();
    all_agree(&again, 5);
    assert!(again.keys_reused && again.upload_bytes == 0);
}

#[test]
fn each_process_of_the_box_may_die_and_is_started_again() {
    let bench = Bench::start();
    all_agree(&bench.record("before").succeed().unwrap(), 5);
    for (victim, run) in [
        ("obscura-box-compute", "a"),
        ("obscura-box-gate", "b"),
        ("obscura-box-trust", "c"),
    ] {
        kill_in_group(&bench, victim);
        all_agree(&bench.record(run).succeed().unwrap(), 5);
    }
}

/// Kills the process of that program which belongs to this bench's box.
fn kill_in_group(bench: &Bench, program: &str) {
    let marker = bench.site.path("site/box").to_string_lossy().into_owned();
    let relative = "site/box/box.toml";
    let own_folder = bench.site.path("");
    let pid = fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).into_owned();
        let of_ours = line.contains(&marker)
            || (line.contains(relative) && fs::read_link(entry.path().join("cwd")).ok()? == own_folder);
        let name = line.split('\0').next()?.rsplit('/').next()?;
        (name == program && of_ours).then(|| entry.file_name().to_string_lossy().into_owned())
    });
    let pid = pid.unwrap_or_else(|| panic!("{program} is not running"));
    assert!(
        std::process::Command::new("kill")
            .args(["-KILL", &pid])
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn a_wrong_password_is_refused_with_code_4_and_changes_nothing() {
    let site = Site::make().unwrap();
    let made = init(&site);
    assert!(made.status.success(), "{}", text(&made));
    let vault = fs::read(site.path("site/device-1/vault.obk")).unwrap();
    site.write_secret("wrong", "not the password\n").unwrap();
    let options = RecordOptions {
        password_file: "wrong",
        ..RecordOptions::new("wrong", &demo_records())
    };
    let (code, _) = AgentRun::record(&site, &options).unwrap().finish().unwrap();
    assert_eq!(code, Some(4));
    assert_eq!(fs::read(site.path("site/device-1/vault.obk")).unwrap(), vault);
}

#[test]
fn a_bad_record_is_refused_with_code_3_before_anything_is_sent() {
    // No broker, no box: what is refused here cannot have been sent.
    let site = Site::make().unwrap();
    assert!(init(&site).status.success());
    let [good, _] = reference_persons();
    let with = |field: &str, value: serde_json::Value| {
        let mut bad = good.clone();
        bad.record.insert(field.to_owned(), value);
        bad
    };
    let mut without = good.clone();
    without.record.remove("hdl_mgdl");
    let cases = [
        (with("age_years", json!(130)), ["age_years", "80"]),
        (with("smoking", json!("sometimes")), ["smoking", "former"]),
        (with("colour", json!("blue")), ["colour", ""]),
        (without, ["hdl_mgdl", "130"]),
    ];
    for (bad, words) in cases {
        let input = write_records(&site, &[bad]);
        let mut agent = AgentRun::record(&site, &RecordOptions::new("bad", &input)).unwrap();
        let (code, report) = agent.finish().unwrap();
        let said = agent.said() + &report.and_then(|r| r.error).unwrap_or_default();
        assert_eq!(code, Some(3), "{words:?}: {said}");
        assert!(words.iter().all(|word| said.contains(word)), "{words:?}: {said}");
    }
}

/// Flips one bit in the middle of a file.
fn tamper(path: &std::path::Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_tampered_model_is_not_loaded_by_the_box() {
    let site = Site::make().unwrap();
    tamper(&site.path("site/box/models/cardio-lr.obb"));
    let _broker = site.start_broker().unwrap();
    let mut box_process = site.start_box_unready().unwrap();
    wait_until("the refusal", LIMIT, || {
        let log = box_process.process().log();
        Ok(log.contains("cardio-lr.obb").then_some(()))
    })
    .unwrap();
    let options = RecordOptions::new("first", &demo_records());
    let mut agent = AgentRun::record(&site, &options).unwrap();
    let (code, report) = agent.finish().unwrap();
    assert_eq!(code, Some(7), "{} {report:?}", agent.said());
    assert!(report.is_none_or(|report| report.records.iter().all(|record| record.state != "answered")));
}

#[test]
fn a_tampered_model_is_not_trusted_by_the_agent() {
    let site = Site::make().unwrap();
    tamper(&site.path("site/device-1/cardio-lr.obb"));
    let (code, _) = AgentRun::record(&site, &RecordOptions::new("first", &demo_records()))
        .unwrap()
        .finish()
        .unwrap();
    assert_eq!(code, Some(5));
}

#[test]
fn a_root_that_is_not_the_pinned_one_is_refused_by_both() {
    let site = Site::make().unwrap();
    let mut other = site.program("obscura-sign").unwrap();
    other.args([
        "root",
        "new",
        "--out",
        "other.bin",
        "--key",
        "other.key",
        "--password-file",
        "password",
    ]);
    site.run(&mut other).unwrap();
    site.copy("other.bin", "site/device-1/root.bin").unwrap();
    let (code, _) = AgentRun::record(&site, &RecordOptions::new("first", &demo_records()))
        .unwrap()
        .finish()
        .unwrap();
    assert_eq!(code, Some(5));
    site.copy("other.bin", "site/box/root.bin").unwrap();
    let mut box_process = site.start_box_unready().unwrap();
    let status = box_process.process().wait(LIMIT).unwrap();
    assert!(!status.success(), "{}", box_process.process().log());
}

#[test]
fn revoked_keys_leave_the_box_and_the_next_record_sends_them_again() {
    let bench = Bench::start();
    let first = bench.record("first").succeed().unwrap();
    all_agree(&first, 5);
    let stored = || {
        fs::read_dir(bench.site.path("site/box/state/keys"))
            .unwrap()
            .count()
    };
    assert_eq!(stored(), 1);
    assert_eq!(revoke_keys(&bench.site), json!({"revoked": 1}));
    assert_eq!(stored(), 0);
    assert_eq!(revoke_keys(&bench.site), json!({"revoked": 0}));
    let options = RecordOptions {
        more: &["--urgent", "--within-s", "600"],
        ..RecordOptions::new("second", &demo_records())
    };
    let second = AgentRun::record(&bench.site, &options)
        .unwrap()
        .succeed()
        .unwrap();
    all_agree(&second, 5);
    assert!(!second.keys_generated && !second.keys_reused, "{second:?}");
    assert_eq!(second.upload_bytes, second.eval_key_bytes);
}
