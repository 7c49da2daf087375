//! The main job over a serial cable, through all programs: without a broker or a network, and beside them.
#![expect(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

#[path = "../../../protocol/carrier/tests/support/cable.rs"]
mod cable;

use std::{fs, path::Path, time::Duration};

use cable::Cable;
use obscura_system_tests::{
    AgentReport, AgentRun, RecordOptions, Site, fixtures::DEMO_RECORDS, repository, wait_until,
};

const LIMIT: Duration = Duration::from_mins(1);

/// Does what the comments of a configuration tell whoever lays a cable: takes `[broker]` out, uncomments
/// `[serial]`, names the port.
fn lay(config: &Path, port: &Path) {
    lay_beside(config, port, false);
}

/// The same, with `[broker]` left in or not.
fn lay_beside(config: &Path, port: &Path, broker_stays: bool) {
    let mut in_broker = false;
    let mut text = String::new();
    for line in fs::read_to_string(config).unwrap().lines() {
        in_broker = (in_broker || line == "[broker]") && line != "#[serial]";
        let bare = line.strip_prefix('#').filter(|bare| !bare.starts_with(' '));
        match bare {
            Some(bare) if bare.starts_with("port =") => {
                text += "port = \"";
                text += port.to_str().unwrap();
                text.push('"');
            }
            Some(bare) if bare.starts_with("usb_serial_number") => {}
            Some(bare) => text += bare,
            None if in_broker && !broker_stays && !line.starts_with('#') => {}
            None => text += line,
        }
        text.push('\n');
    }
    fs::write(config, text).unwrap();
}

fn all_agree(report: &AgentReport) {
    assert_eq!(report.records.len(), 5);
    for record in &report.records {
        assert!(record.state == "answered" && record.agrees(), "{record:?}");
    }
}

#[test]
fn records_are_answered_over_a_cable_with_faults_that_is_pulled_during_the_upload() {
    let site = Site::make().unwrap();
    let mut cable = Cable::new();
    lay(&site.path("site/box/box.toml"), &cable.end("box"));
    lay(&site.path("site/device-1/agent.toml"), &cable.end("device"));
    cable.damage(100_000);
    let _box = site.start_box().unwrap();
    let input = repository().join(DEMO_RECORDS);
    let mut first = AgentRun::record(&site, &RecordOptions::new("first", &input)).unwrap();
    let said = |run: &AgentRun, what: &str| Ok(run.said().contains(what).then_some(()));
    wait_until("the upload", LIMIT, || said(&first, "uploading evaluation keys")).unwrap();
    cable.unplug();
    wait_until("word of the cable", LIMIT, || said(&first, "cable")).unwrap();
    cable.plug();
    let first = first.succeed().unwrap();
    all_agree(&first);
    assert!(first.keys_generated, "{first:?}");
    let second = AgentRun::record(&site, &RecordOptions::new("second", &input)).unwrap();
    let second = { second }.succeed().unwrap();
    all_agree(&second);
    assert!(second.keys_reused && second.upload_bytes == 0, "{second:?}");
}

#[test]
fn an_upload_of_keys_that_began_over_the_network_ends_over_the_cable() {
    let site = Site::make().unwrap();
    let cable = Cable::new();
    lay_beside(&site.path("site/box/box.toml"), &cable.end("box"), true);
    let _broker = site.start_broker().unwrap();
    let _box = site.start_box().unwrap();
    let input = repository().join(DEMO_RECORDS);
    let mut first = AgentRun::record(&site, &RecordOptions::new("network", &input)).unwrap();
    let store = site.path("site/box/state/keys");
    wait_until("part of the keys at the box", LIMIT, || {
        let objects = fs::read_dir(&store).unwrap().flatten();
        let mut bitmaps = objects.filter_map(|object| fs::read(object.path().join("bitmap")).ok());
        let begun = bitmaps.any(|bitmap| bitmap.iter().any(|byte| *byte != 0));
        Ok(begun.then_some(()))
    })
    .unwrap();
    first.kill();

    lay(&site.path("site/device-1/agent.toml"), &cable.end("device"));
    let second = AgentRun::record(&site, &RecordOptions::new("cable", &input)).unwrap();
    let second = { second }.succeed().unwrap();
    all_agree(&second);
    assert!(!second.keys_generated && !second.keys_reused, "{second:?}");
    assert!(
        0 < second.upload_bytes && second.upload_bytes < second.eval_key_bytes,
        "{second:?}"
    );
}
