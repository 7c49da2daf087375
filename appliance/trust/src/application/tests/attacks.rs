//! Whoever replays, alters, swaps, deletes or steals.

use obscura_bundle::verify;

use super::*;
use crate::{
    adapters::encode_slots,
    domain::{Slot, SlotId, Slots},
};

/// What waits is deleted, what runs is what ran before.
#[track_caller]
fn changes_nothing(bench: &Bench, files: &[(&str, Vec<u8>)]) {
    let before = counters(&bench.start_and_find_good());
    let floors = bench.floors();
    for (name, bytes) in files {
        bench.put(name, bytes);
    }
    assert_eq!(counters(&bench.start_and_find_good()), before);
    assert_eq!(bench.floors(), floors);
    assert_eq!(bench.waits(), Vec::<String>::new());
}

#[test]
fn unsigned_altered_truncated_and_foreign_bundles_are_deleted() {
    let good = bundle("m", 4);
    let last = good.len() - 1;
    let mut altered = good.clone();
    altered[last] ^= 1;
    changes_nothing(
        &Bench::running(),
        &[
            ("1.obb", signed_by(&[], "m", 4, model_files(10))),
            ("2.obb", signed_by(&[9], "m", 4, model_files(10))),
            ("3.obb", altered),
            ("4.obb", good[..last].to_vec()),
            ("5.obb", [&good[..], &[0]].concat()),
            ("6.obb", Vec::new()),
            ("7.obb", b"no bundle".to_vec()),
        ],
    );
}

#[test]
fn an_old_signed_bundle_and_a_re_signed_lower_counter_are_refused() {
    changes_nothing(
        &Bench::running(),
        &[
            ("1.obb", bundle("m", 2)),
            ("2.obb", signed_by(&[1], "m", 2, model_files(11))),
            ("3.obb", bundle("m", 0)),
        ],
    );
}

#[test]
fn what_is_older_than_the_running_bundle_is_refused_even_above_the_floor() {
    let bench = Bench::running();
    bench.put("x.obb", &bundle("m", 4));
    bench.start_and_find_good();
    assert_eq!(bench.floors().of("m"), 3);
    let other = signed_by(&[1], "m", 3, model_files(11));
    changes_nothing(&bench, &[("x.obb", other)]);
    assert_eq!(counters(&bench.start()), [4]);
}

#[test]
fn a_forged_state_does_not_lift_an_old_bundle_above_the_floor() {
    let bench = Bench::running();
    let old = bench.disk.get("/trust/slots/m/a").unwrap();
    for counter in [4, 5] {
        bench.put("x.obb", &bundle("m", counter));
        bench.start_and_find_good();
    }
    let hash = verify(&old, &bench.pinned).unwrap().model_hash();
    let mut forged = Slots::default();
    forged.install(SlotId::A, Slot::on_trial(hash.0, 50));
    forged.mark_good(SlotId::A);
    bench.disk.put("/trust/slots/m/a", &old);
    bench.disk.put("/trust/slots/m/state", &encode_slots(&forged));
    assert_eq!(counters(&bench.start()), NOTHING);
}

#[test]
fn a_bundle_for_other_hardware_and_a_counter_above_the_limit_are_refused() {
    let other = Target {
        hardware: "box-2".to_owned(),
        ..Target::default()
    };
    changes_nothing(
        &Bench::running(),
        &[
            ("1.obb", signed_for(&other, &[1], "m", 4, model_files(10))),
            ("2.obb", bundle("m", 51)),
            ("3.obb", bundle("m", u32::MAX)),
        ],
    );
    let bench = Bench::running();
    bench.put("x.obb", &bundle("m", 50));
    assert_eq!(counters(&bench.start()), [50], "the limit itself is allowed");
}

#[test]
fn roots_that_skip_repeat_or_lack_a_threshold_are_refused() {
    changes_nothing(
        &Bench::running(),
        &[
            ("1.obr", change(&root(3, &[1], &[]), &[1])),
            ("2.obr", change(&root(2, &[2], &[]), &[1])),
            ("3.obr", change(&root(2, &[2], &[]), &[2])),
            ("4.obr", change(&root(1, &[2], &[]), &[1, 2])),
            ("5.obr", b"OBSCRNXT".to_vec()),
        ],
    );
}

#[test]
fn what_a_person_put_there_and_is_refused_is_left_to_them() {
    let bench = Bench::with_models(&[bundle("m", 3), b"damaged".to_vec()]);
    assert_eq!(counters(&bench.start()), [3]);
    assert_eq!(bench.disk.names("/models"), ["/models/1.obb"]);
}

#[test]
fn an_old_bundle_put_into_its_slot_again_does_not_run() {
    let bench = Bench::running();
    let old = bench.disk.get("/trust/slots/m/a").unwrap();
    for counter in [4, 5] {
        bench.put("x.obb", &bundle("m", counter));
        bench.start_and_find_good();
    }
    assert_eq!(bench.floors().of("m"), 4);
    // Swapped in the slot: it is not the one that was installed.
    bench.disk.put("/trust/slots/m/a", &old);
    bench.disk.put("/trust/slots/m/b", &old);
    assert_eq!(counters(&bench.start()), NOTHING);
    // The whole folder of slots from before, or nothing but the old bundle: it is below the floor.
    bench.disk.wipe("/trust/slots/m/state");
    assert_eq!(counters(&bench.start()), NOTHING);
    bench.disk.wipe("/trust/slots");
    bench.disk.put("/models/old.obb", &old);
    assert_eq!(counters(&bench.start()), NOTHING);
    assert_eq!(
        bench.disk.names("/models"),
        ["/models/old.obb"],
        "it is not even taken in"
    );
    // One at the floor does.
    bench.put("x.obb", &bundle("m", 4));
    assert_eq!(counters(&bench.start()), [4]);
}

#[test]
fn a_signed_bundle_that_was_never_taken_in_does_not_run_from_a_slot() {
    let bench = Bench::running();
    bench.put("x.obb", &bundle("m", 4));
    bench.start_and_find_good();
    for counter in [4, 5] {
        let swapped = signed_by(&[1], "m", counter, model_files(11));
        bench.disk.put("/trust/slots/m/b", &swapped);
        assert_eq!(counters(&bench.start()), [3]);
    }
}

#[test]
fn an_altered_slot_falls_back_to_the_other_and_never_below_the_floor() {
    let bench = Bench::running();
    bench.put("x.obb", &bundle("m", 4));
    bench.start_and_find_good();
    let whole = bench.disk.get("/trust/slots/m/b").unwrap();
    for at in [0, whole.len() / 2, whole.len() - 1] {
        let mut altered = whole.clone();
        altered[at] ^= 1;
        bench.disk.put("/trust/slots/m/b", &altered);
        assert_eq!(counters(&bench.start()), [3], "byte {at}");
    }
    bench.disk.put("/trust/slots/m/b", &whole);
    bench.put("x.obb", &bundle("m", 5));
    bench.start_and_find_good();
    assert_eq!(bench.floors().of("m"), 4);
    bench.disk.put("/trust/slots/m/b", &bundle("m", 3));
    bench.disk.wipe("/trust/slots/m/a");
    assert_eq!(counters(&bench.start()), NOTHING);
}

#[test]
fn a_lost_or_torn_state_of_slots_costs_no_model() {
    for torn in [None, Some(b"torn".as_slice())] {
        let bench = Bench::running();
        bench.put("x.obb", &bundle("m", 4));
        bench.start_and_find_good();
        bench.disk.wipe("/trust/slots/m/state");
        if let Some(bytes) = torn {
            bench.disk.put("/trust/slots/m/state", bytes);
        }
        assert_eq!(counters(&bench.start_and_find_good()), [4]);
    }
}

#[test]
fn another_models_bundle_in_a_slot_does_not_run_and_another_models_floor_does_not_count() {
    let bench = Bench::with_models(&[bundle("m", 3), bundle("other", 9)]);
    bench.start_and_find_good();
    bench.disk.put("/trust/slots/m/a", &bundle("other", 9));
    assert_eq!(counters(&bench.start()), [9]);
    bench.disk.wipe("/trust/slots/m/state");
    assert_eq!(counters(&bench.start()), [9]);
    bench.put("x.obb", &bundle("m", 3));
    assert_eq!(counters(&bench.start()), [3, 9]);
}

#[test]
fn missing_and_damaged_floors_end_the_start_as_tampering() {
    let bench = Bench::running();
    bench.disk.put("/trust/floors", b"damaged");
    let refused = bench.try_start().unwrap_err();
    assert!(matches!(refused, StartError::Floor(FloorError::TamperDamaged)) && refused.is_tampering());
    bench.disk.wipe("/trust/floors");
    let refused = bench.try_start().unwrap_err();
    assert!(matches!(refused, StartError::Floor(FloorError::TamperMissing)) && refused.is_tampering());
    bench.disk.wipe("/trust");
    assert!(bench.try_start().is_err(), "a wiped folder is no first start");
}

#[test]
fn deleted_or_altered_changes_of_root_do_not_bring_a_revoked_key_back() {
    let bench = Bench::running();
    bench.put("2.obr", &change(&root(2, &[2], &[1]), &[1, 2]));
    bench.put("3.obr", &change(&root(3, &[2], &[1]), &[2]));
    bench.put("x.obb", &signed_by(&[2], "m", 4, model_files(10)));
    assert_eq!(counters(&bench.start_and_find_good()), [4]);
    for (version, bytes) in [(2, None), (3, None), (3, Some(change(&root(3, &[1], &[]), &[1])))] {
        let bench = bench.copy();
        bench.disk.wipe(&format!("/trust/roots/{version}"));
        if let Some(bytes) = bytes {
            bench.disk.put("/trust/roots/3", &bytes);
        }
        bench.put("x.obb", &bundle("m", 5));
        let refused = bench.try_start().unwrap_err();
        assert!(matches!(refused, StartError::Root(_)) && refused.is_tampering());
    }
}

#[test]
fn a_root_change_sent_again_later_changes_nothing() {
    let bench = Bench::running();
    let second = change(&root(2, &[1, 2], &[]), &[1]);
    bench.put("2.obr", &second);
    bench.start_and_find_good();
    changes_nothing(
        &bench,
        &[
            ("2.obr", second),
            ("other-2.obr", change(&root(2, &[1, 9], &[]), &[1])),
        ],
    );
}
