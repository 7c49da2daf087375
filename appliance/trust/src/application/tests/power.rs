//! The power is cut at the 1st, 2nd, 3rd, ... operation that changes the disk, until none fails; what was not synced is
//! kept, torn or lost. Afterwards the box runs the former or the new bundle, never neither, and no floor ever falls.

use super::*;
use crate::adapters::sim_disk::Loss;

/// What a process does between two power cuts: it starts, and compute finds good or bad what it offers.
fn live(bench: &Bench, good: bool) {
    let Ok(mut models) = bench.try_start() else {
        assert!(bench.disk.is_dead(), "only a power cut ends a start");
        return;
    };
    let hashes: Vec<Digest> = models.iter().map(Bundle::model_hash).collect();
    for hash in hashes {
        // A bad one gives way to the other slot, which is good.
        let instead = models.report(&hash, good).unwrap().map(Bundle::model_hash);
        if let Some(instead) = instead {
            models.report(&instead, true).unwrap();
        }
    }
}

fn none_fell(before: &Floors, after: &Floors) -> bool {
    let each = before
        .models()
        .iter()
        .all(|(model, floor)| after.of(model) >= *floor);
    each && after.root_version() >= before.root_version()
}

/// Cuts the power at every operation of a life of `bench`, and again at every one of the life after that; then the box
/// runs one of `either`, and `finally` once it was left alone.
fn survives(bench: &Bench, good: bool, either: &[u32], finally: u32) {
    let before = bench.floors_or_none();
    let mut cuts = 0;
    for (first, loss) in (0..).flat_map(|first| Loss::ALL.map(|loss| (first, loss))) {
        let once = bench.copy();
        once.disk.cut_after(first);
        live(&once, good);
        let was_cut = once.disk.is_dead();
        once.disk.restart(loss);
        let between = once.floors_or_none();
        assert!(none_fell(&before, &between), "cut after {first}, lost {loss:?}");
        cuts += 1;
        // Every third place for the second cut is enough to meet every kind of operation.
        for second in (0..60).step_by(3) {
            let twice = once.copy();
            twice.disk.cut_after(second);
            live(&twice, good);
            let is_over = !twice.disk.is_dead();
            twice.disk.restart(loss);
            let context = format!("cut after {first} and {second}, lost {loss:?}");
            assert!(none_fell(&between, &twice.floors_or_none()), "{context}");
            let mut models = twice
                .try_start()
                .unwrap_or_else(|error| panic!("{context}: {error}"));
            let runs = counters(&models);
            assert!(
                runs.len() == 1 && either.contains(&runs[0]),
                "{context}: {runs:?}"
            );
            assert!(runs[0] >= twice.floors().of("m"), "{context}");
            if good {
                find_good(&mut models);
                assert_eq!(counters(&twice.start()), [finally], "{context}");
                assert!(none_fell(&between, &twice.floors()), "{context}");
            }
            if is_over {
                break;
            }
        }
        if !was_cut && loss == Loss::NamesAndContents {
            break;
        }
    }
    assert!(cuts > 9, "{cuts} cuts met hardly anything");
}

impl Bench {
    /// The floors, which a box that never started has not.
    fn floors_or_none(&self) -> Floors {
        let floors = FileFloors::new(self.disk.clone(), std::path::Path::new("/trust"));
        match floors.read() {
            Ok(floors) => floors,
            Err(FloorError::TamperMissing) if floors.is_first_start().unwrap() => Floors::default(),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn the_first_start_survives_every_power_cut() {
    survives(&Bench::with_models(&[bundle("m", 3)]), true, &[3], 3);
}

#[test]
fn an_update_survives_every_power_cut() {
    let bench = Bench::running();
    bench.put("x.obb", &bundle("m", 4));
    survives(&bench, true, &[3, 4], 4);
}

#[test]
fn an_update_that_raises_the_floor_survives_every_power_cut() {
    let bench = Bench::running();
    bench.put("x.obb", &bundle("m", 4));
    bench.start_and_find_good();
    bench.put("x.obb", &bundle("m", 5));
    survives(&bench, true, &[4, 5], 5);
}

#[test]
fn a_fall_back_survives_every_power_cut() {
    let bench = Bench::running();
    bench.put("x.obb", &bundle("m", 4));
    survives(&bench, false, &[3, 4], 3);
}

#[test]
fn a_change_of_root_survives_every_power_cut() {
    let both = |counter| signed_by(&[1, 2], "m", counter, model_files(10));
    let bench = Bench::with_models(&[both(3)]);
    bench.start_and_find_good();
    bench.put("2.obr", &change(&root(2, &[2], &[1]), &[1, 2]));
    bench.put("x.obb", &both(4));
    survives(&bench, true, &[3, 4], 4);
}
