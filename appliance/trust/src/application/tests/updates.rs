//! Updates that go well, and trials that do not.

use super::*;

#[test]
fn a_bundle_put_there_by_hand_runs_from_the_first_start() {
    let bench = Bench::with_models(&[bundle("m", 3), bundle("other", 9)]);
    let models = bench.start_and_find_good();
    assert_eq!(counters(&models), [3, 9]);
    assert_eq!(bench.disk.names("/models"), Vec::<String>::new());
    assert_eq!((bench.floors().of("m"), bench.floors().of("other")), (3, 9));
    assert_eq!(bench.floors().root_version(), 1);
}

#[test]
fn a_new_bundle_is_on_trial_beside_the_former_and_the_floor_waits_for_both() {
    let bench = Bench::running();
    bench.put("x.obb", &bundle("m", 4));
    let mut models = bench.start();
    assert_eq!((counters(&models), bench.floors().of("m")), (vec![4], 3));
    find_good(&mut models);
    assert_eq!(bench.floors().of("m"), 3, "the former can still boot");
    assert!(bench.waits().is_empty());
    bench.put("x.obb", &bundle("m", 5));
    let mut models = bench.start();
    assert_eq!((counters(&models), bench.floors().of("m")), (vec![5], 3));
    find_good(&mut models);
    assert_eq!(bench.floors().of("m"), 4);
    assert_eq!(counters(&bench.start()), [5]);
}

#[test]
fn a_bundle_that_is_never_found_good_gives_way_after_its_tries() {
    let bench = Bench::running();
    bench.put("x.obb", &bundle("m", 4));
    for start in 0..TRIES {
        assert_eq!(counters(&bench.start()), [4], "{start}");
    }
    assert_eq!(counters(&bench.start_and_find_good()), [3]);
    assert_eq!(bench.floors().of("m"), 3);
    // Sent again, it has new tries.
    bench.put("x.obb", &bundle("m", 4));
    assert_eq!(counters(&bench.start_and_find_good()), [4]);
    assert_eq!(counters(&bench.start()), [4]);
}

#[test]
fn a_bundle_under_which_compute_dies_again_and_again_gives_way_while_trust_lives() {
    let bench = Bench::running();
    bench.put("x.obb", &bundle("m", 4));
    let mut models = bench.start();
    for load in 0..TRIES {
        models.hand_out();
        assert_eq!(counters(&models), [4], "{load}");
    }
    models.hand_out();
    assert_eq!(counters(&models), [3]);
    for _load in 0..40 {
        models.hand_out();
        assert_eq!(counters(&models), [3], "it was found good before");
    }
}

#[test]
fn a_bad_bundle_gives_way_at_once_and_for_good() {
    let bench = Bench::running();
    bench.put("x.obb", &bundle("m", 4));
    let mut models = bench.start();
    let bad = models.iter().next().unwrap().model_hash();
    let instead = models.report(&bad, false).unwrap().map(Bundle::model_hash);
    assert_eq!(counters(&models), [3]);
    assert_eq!(models.iter().next().map(Bundle::model_hash), instead);
    assert!(models.report(&bad, true).is_err(), "it is not offered any more");
    assert_eq!(counters(&bench.start_and_find_good()), [3]);
    // A corrected one needs no higher counter than the bad one had.
    bench.put("x.obb", &signed_by(&[1], "m", 4, model_files(11)));
    assert_eq!(counters(&bench.start_and_find_good()), [4]);
}

#[test]
fn when_both_slots_are_bad_nothing_runs_and_the_next_start_tries_again() {
    let bench = Bench::running();
    bench.put("x.obb", &bundle("m", 4));
    let mut models = bench.start();
    for _slot in 0..2 {
        let hash = models.iter().next().unwrap().model_hash();
        models.report(&hash, false).unwrap();
    }
    assert_eq!(counters(&models), NOTHING);
    assert_eq!(counters(&bench.start()).len(), 1);
    bench.put("x.obb", &bundle("m", 5));
    assert_eq!(counters(&bench.start_and_find_good()), [5]);
}

#[test]
fn forty_unclean_shutdowns_in_a_row_leave_a_box_that_starts() {
    let bench = Bench::with_models(&[bundle("m", 3)]);
    for start in 0..40 {
        assert_eq!(counters(&bench.start()), [3], "{start}");
    }
    bench.put("x.obb", &bundle("m", 4));
    for start in 0..40 {
        assert_eq!(counters(&bench.start()).len(), 1, "{start}");
    }
}

#[test]
fn the_same_bundle_again_changes_nothing_and_an_equal_counter_is_not_older() {
    let bench = Bench::running();
    bench.put("x.obb", &bundle("m", 3));
    let before = bench.disk.get("/trust/slots/m/state");
    assert_eq!(counters(&bench.start_and_find_good()), [3]);
    assert_eq!(bench.disk.get("/trust/slots/m/state"), before);
    assert!(bench.waits().is_empty());
    bench.put("x.obb", &signed_by(&[1], "m", 3, model_files(11)));
    let models = bench.start_and_find_good();
    let file = models.iter().next().unwrap().file("circuit.json").unwrap();
    assert_eq!(file.len(), 11);
}

#[test]
fn the_next_root_comes_with_a_bundle_of_its_keys_and_stays_in_force() {
    let bench = Bench::running();
    bench.put("z.obr", &change(&root(2, &[2], &[1]), &[1, 2]));
    bench.put("a.obb", &signed_by(&[2], "m", 4, model_files(10)));
    // Version 3 waits beside it under a name that comes first.
    bench.put("a.obr", &change(&root(3, &[2, 3], &[1]), &[2]));
    assert_eq!(counters(&bench.start_and_find_good()), [4]);
    assert_eq!(bench.floors().root_version(), 3);
    assert!(bench.waits().is_empty());
    bench.put("x.obb", &signed_by(&[1], "m", 5, model_files(10)));
    bench.put("y.obb", &signed_by(&[3], "m", 6, model_files(10)));
    assert_eq!(counters(&bench.start_and_find_good()), [6]);
}

#[test]
fn a_disk_that_takes_no_writes_leaves_a_good_bundle_waiting_and_runs_the_former() {
    let bench = Bench::running();
    bench.put("x.obb", &bundle("m", 4));
    bench.disk.wear_out();
    let mut models = bench.start();
    assert_eq!(counters(&models), [3]);
    find_good(&mut models);
    assert_eq!(bench.waits(), ["/incoming/x.obb"]);
}
