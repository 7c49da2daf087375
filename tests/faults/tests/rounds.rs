//! A few rounds with fixed seeds, for the gate; the rest is `cargo xtask soak faults`.

use std::sync::Mutex;

use obscura_faults::{Campaign, Subject};

#[test]
fn rounds_over_both_carriers_lose_nothing_and_accept_nothing_twice() {
    // Seed 8: trust is killed, over MQTT; 9: the device's connection is reset; 10: box, gate and agent, over a cable.
    let campaign = Campaign {
        subject: Subject::Records,
        first: 8,
        rounds: 3,
        lanes: 1,
        program: env!("CARGO_BIN_EXE_obscura-faults").into(),
    };
    let lines = Mutex::new(Vec::new());
    let tell = |line: &str| lines.lock().unwrap().push(line.to_owned());
    let (summary, seconds) = campaign.run(&tell).unwrap();
    let lines = lines.into_inner().unwrap().join("\n");
    let report = summary.report(&campaign, seconds);
    assert!(summary.failed.is_empty(), "{lines}");
    let figure = |name: &str| report[name].as_u64().unwrap();
    for name in ["lost", "accepted_twice", "wrong", "late"] {
        assert_eq!(figure(name), 0, "{name}: {lines}");
    }
    assert_eq!(figure("answered"), figure("records"), "{lines}");
    // The observer saw every job in the journal or at the broker by itself.
    assert_eq!(figure("jobs_seen"), figure("records"), "{lines}");
    assert!(figure("answers_seen") > 0 && figure("faults") >= 2, "{lines}");
    assert_eq!((figure("rounds_mqtt"), figure("rounds_cable")), (2, 1));
}
