//! A signed model from a device to the box, through all programs: interrupted, resumed, used from the next start.
#![expect(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use std::{fs, path::Path, process::Output, time::Duration};

use obscura_system_tests::{
    AgentRun, Managed, RecordOptions, RecordReport, Site,
    fixtures::{CARDIO_LR, DEMO_RECORDS},
    repository, wait_until,
};

const LIMIT: Duration = Duration::from_mins(2);
/// The card is made this long, so that the transfer has a middle: 224 chunks, recorded after every 64.
const CARD_BYTES: usize = 56 << 20;

/// Signs the shipped model again under the site's root, with this counter and a card of `card_bytes` at least.
fn sign(site: &Site, name: &str, counter: &str, card_bytes: usize) {
    let payload = site.path("payload");
    fs::create_dir_all(&payload).unwrap();
    for entry in fs::read_dir(repository().join(CARDIO_LR.folder)).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), payload.join(entry.file_name())).unwrap();
    }
    let mut card = fs::read(payload.join("card.md")).unwrap();
    card.resize(card.len().max(card_bytes), b'\n');
    fs::write(payload.join("card.md"), card).unwrap();
    let mut bundle = site.program("obscura-sign").unwrap();
    bundle.args(["bundle", "--model-id", "cardio-lr", "--version", "0.2.0"]);
    bundle.args(["--counter", counter, "--key", "root.key", "--root", "root.bin"]);
    bundle.args([
        "--password-file",
        "password",
        "--out",
        name,
        "--payload",
        "payload",
    ]);
    site.run(&mut bundle).unwrap();
}

/// Does what an administrator does to a device that may send models.
fn allow(site: &Site) {
    let roster = site.path("site/box/roster.toml");
    let text = fs::read_to_string(&roster).unwrap();
    assert_eq!(text.matches("may_send_models = false").count(), 1);
    fs::write(
        &roster,
        text.replace("may_send_models = false", "may_send_models = true"),
    )
    .unwrap();
}

fn send_model(site: &Site, file: &str) -> std::process::Command {
    let mut send = site.program("obscura-agent").unwrap();
    send.args([
        "send-model",
        "--config",
        "site/device-1/agent.toml",
        "--json",
        file,
    ]);
    send
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Whether some bitmap of the box's store has a bit.
fn something_is_recorded(store: &Path) -> bool {
    let objects = fs::read_dir(store).unwrap().flatten();
    let mut bitmaps = objects.filter_map(|object| fs::read(object.path().join("bitmap")).ok());
    bitmaps.any(|bitmap| bitmap.iter().any(|byte| *byte != 0))
}

fn count(folder: &Path) -> usize {
    fs::read_dir(folder).map_or(0, Iterator::count)
}

/// Whether a slot of the model holds these bytes.
fn is_installed(site: &Site, file: &str) -> bool {
    let wanted = fs::read(site.path(file)).unwrap();
    let slots = site.path("site/box/state/trust/slots/cardio-lr");
    ["a", "b"]
        .iter()
        .any(|slot| fs::read(slots.join(slot)).is_ok_and(|bytes| bytes == wanted))
}

#[test]
fn a_model_goes_on_after_its_agent_was_killed_and_runs_from_the_next_start() {
    let site = Site::make().unwrap();
    allow(&site);
    sign(&site, "new.obb", "7", CARD_BYTES);
    let bundle_bytes = fs::metadata(site.path("new.obb")).unwrap().len();
    let _broker = site.start_broker().unwrap();
    let mut box_process = site.start_box().unwrap();

    let log = site.path("logs/agent-killed.log");
    let mut first = Managed::start("obscura-agent", &send_model(&site, "new.obb"), &log).unwrap();
    let store = site.path("site/box/state/keys");
    wait_until("part of the model at the box", LIMIT, || {
        first.check_running()?;
        Ok(something_is_recorded(&store).then_some(()))
    })
    .unwrap();
    first.kill();
    let incoming = site.path("site/box/state/incoming");
    assert_eq!(count(&incoming), 0, "it was whole already");

    let output = send_model(&site, "new.obb").output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["security_counter"], 7);
    assert_eq!(report["bundle_bytes"].as_u64(), Some(bundle_bytes));
    let sent_bytes = report["upload_bytes"].as_u64().unwrap();
    assert!(
        0 < sent_bytes && sent_bytes < bundle_bytes,
        "{sent_bytes} of {bundle_bytes}"
    );
    assert_eq!((count(&incoming), count(&store)), (1, 0));
    assert!(!is_installed(&site, "new.obb"));

    box_process.process().stop();
    let mut box_process = site.start_box().unwrap();
    assert!(is_installed(&site, "new.obb"));
    assert_eq!((count(&incoming), count(&site.path("site/box/models"))), (0, 0));
    let log = box_process.process().log();
    assert!(log.contains("model installed"), "{log}");

    // The device's receipts show the counter the box runs, once the device has the model, too.
    site.copy("new.obb", "site/device-1/cardio-lr.obb").unwrap();
    let input = repository().join(DEMO_RECORDS);
    let mut record = AgentRun::record(&site, &RecordOptions::new("record", &input)).unwrap();
    let report = record.succeed().unwrap();
    assert!(report.records.iter().all(RecordReport::agrees), "{report:?}");
    let receipts = fs::read_to_string(site.path("logs/agent-record.json")).unwrap();
    assert!(receipts.contains("\"receipt_security_counter\": 7"), "{receipts}");
}

#[test]
fn what_the_box_will_not_use_is_refused_by_the_device_by_the_box_or_at_its_next_start() {
    let site = Site::make().unwrap();
    sign(&site, "new.obb", "7", 0);
    let _broker = site.start_broker().unwrap();
    let mut box_process = site.start_box().unwrap();

    let mut altered = fs::read(site.path("new.obb")).unwrap();
    *altered.last_mut().unwrap() ^= 1;
    fs::write(site.path("altered.obb"), altered).unwrap();
    let output = send_model(&site, "altered.obb").output().unwrap();
    assert_eq!(output.status.code(), Some(5), "{}", text(&output));
    assert!(text(&output).contains("nothing was sent"), "{}", text(&output));

    let output = send_model(&site, "new.obb").output().unwrap();
    assert_eq!(output.status.code(), Some(7), "{}", text(&output));
    assert!(
        text(&output).contains("may_send_models = true"),
        "{}",
        text(&output)
    );
    assert_eq!(count(&site.path("site/box/state/incoming")), 0);

    // Older than what is installed: trust says so when it starts.
    box_process.process().stop();
    allow(&site);
    site.copy("new.obb", "site/box/models/cardio-lr.obb").unwrap();
    sign(&site, "old.obb", "6", 0);
    let mut box_process = site.start_box().unwrap();
    let output = send_model(&site, "old.obb").output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    box_process.process().stop();
    let mut box_process = site.start_box().unwrap();
    let log = box_process.process().log();
    assert!(log.contains("security counter 6 is below the 7"), "{log}");
    assert_eq!(count(&site.path("site/box/state/incoming")), 0);
    assert!(is_installed(&site, "new.obb") && !is_installed(&site, "old.obb"));
}
