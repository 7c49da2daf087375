//! The sweep over table precisions and its reports.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod common;

use common::{calibration, network, settings};
use obscura_circuit::Operation;
use obscura_compile::{CompileError, Sweep, TABLE_BITS, json, report, sweep};

fn entries(sweep: &Sweep, row: usize) -> Vec<usize> {
    let layers = sweep.rows[row].network.circuit.layers().iter();
    let entries = layers.filter_map(|layer| match &layer.operation {
        Operation::Lut(lut) => Some(lut.entries()),
        _ => None,
    });
    entries.collect()
}

#[test]
fn coarser_tables_keep_their_span_and_change_more_decisions() {
    let network = network(64);
    let calibration = calibration(&network.circuit);
    let swept = sweep(
        &network,
        &calibration,
        &settings(0.25),
        &[8, 5, 4, 3],
        &mut |_| {},
    )
    .unwrap();
    // 32 and 64 entries of 32 and 33 levels: 8 bits change nothing and have no row.
    let bits: Vec<Option<u32>> = swept.rows.iter().map(|row| row.bits).collect();
    assert_eq!(
        (bits, swept.refused.len()),
        (vec![None, Some(5), Some(4), Some(3)], 0)
    );
    assert_eq!(entries(&swept, 0), [32, 64]);
    assert_eq!(entries(&swept, 1), [32, 32]);
    assert_eq!(entries(&swept, 3), [8, 8]);
    for row in &swept.rows {
        let tables = row.network.circuit.layers().iter();
        let spans = tables.filter_map(|layer| match &layer.operation {
            Operation::Lut(lut) => Some(i64::try_from(lut.entries()).unwrap() * lut.step),
            _ => None,
        });
        let own = network
            .circuit
            .layers()
            .iter()
            .filter_map(|layer| match &layer.operation {
                Operation::Lut(lut) => Some(i64::try_from(lut.entries()).unwrap() * lut.step),
                _ => None,
            });
        assert!(spans.eq(own), "{}", row.name());
    }
    let changed: Vec<f64> = swept.rows.iter().map(|row| row.changed_clear).collect();
    assert!(
        changed[0] <= 0.0 && changed[1] < changed[2] && changed[2] < changed[3],
        "{changed:?}"
    );
}

#[test]
fn the_cheapest_row_within_the_bound_is_chosen_and_the_finest_of_equals() {
    let network = network(64);
    let calibration = calibration(&network.circuit);
    let swept = sweep(&network, &calibration, &settings(0.25), &TABLE_BITS, &mut |_| {}).unwrap();
    let (row, choice) = swept.chosen().unwrap();
    assert!(choice.changed <= 0.25);
    let own = row.cost().unwrap();
    for (at, other) in swept.rows.iter().enumerate() {
        match other.cost() {
            // An earlier row is finer: it would have been chosen at about the same cost.
            Some(cost) if at < swept.chosen => assert!(cost > own),
            Some(cost) => assert!(1.05 * cost >= own),
            None => assert!(matches!(other.found, Err(CompileError::BoundOutOfReach { .. }))),
        }
    }
    // Too coarse for the bound, and too coarse to be laid out at all: the rows say so, another is chosen.
    let coarse = sweep(&network, &calibration, &settings(0.1), &[3, 2], &mut |_| {}).unwrap();
    assert_eq!(coarse.chosen, 0);
    assert!(matches!(
        coarse.rows[1].found,
        Err(CompileError::BoundOutOfReach { .. })
    ));
    assert!(matches!(coarse.rows[2].found, Err(CompileError::Infeasible(_))));
    let text = report(&calibration, &settings(0.1), &coarse).unwrap();
    assert!(
        text.contains("| 3 bits | 8 | | none: the quietest parameters change"),
        "{text}"
    );
    let programs = json(&calibration, &settings(0.1), &coarse);
    let error = |row: usize| programs["rows"][row]["error"].as_str();
    assert!(error(0).is_none() && error(1).unwrap().starts_with("the quietest parameters"));
    assert!(error(2).unwrap().starts_with("no recorded parameters"));
    assert!(programs["rows"][1]["cost"].is_null() && programs["rows"][0]["chosen"] == true);
}

#[test]
fn the_reports_say_what_was_chosen_and_what_was_tried() {
    let network = network(64);
    let (calibration, settings) = (calibration(&network.circuit), settings(0.1));
    let swept = sweep(&network, &calibration, &settings, &[5], &mut |_| {}).unwrap();
    let (text, programs) = (
        report(&calibration, &settings, &swept).unwrap(),
        json(&calibration, &settings, &swept),
    );
    let (_, choice) = swept.chosen().unwrap();
    assert!(choice.set.security_bits() >= 130.0);
    for part in [
        format!("n = {}", choice.set.lwe_dimension),
        format!("| {} (chosen)", choice.set.lwe_dimension),
        "| second | 16 |".to_owned(),
        "## Table precision".to_owned(),
        "| 5 bits".to_owned(),
    ] {
        assert!(text.contains(&part), "{part} in\n{text}");
    }
    let row = &programs["rows"][swept.chosen];
    let candidates = row["candidates"].as_array().unwrap();
    assert_eq!(candidates.len(), choice.frontier.len());
    for trial in &choice.trials {
        let share = format!("{:.2} %", 100.0 * trial.changed);
        assert!(text.contains(&share), "{share} in\n{text}");
        assert_eq!(candidates[trial.index]["changed"].as_f64(), Some(trial.changed));
    }
    assert_eq!(row["changed"].as_f64(), Some(choice.changed));
    assert_eq!(programs["decided_on"], "samples");
    // Without a sweep there is no table of one row.
    let alone = sweep(&network, &calibration, &settings, &[], &mut |_| {}).unwrap();
    assert!(
        !report(&calibration, &settings, &alone)
            .unwrap()
            .contains("## Table precision")
    );
}

#[test]
fn every_set_can_be_simulated_and_the_cheapest_that_holds_is_chosen() {
    let network = network(8);
    let calibration = calibration(&network.circuit);
    let mut settings = settings(0.15);
    settings.every_set = true;
    let swept = sweep(&network, &calibration, &settings, &[], &mut |_| {}).unwrap();
    let (_, choice) = swept.chosen().unwrap();
    assert_eq!(choice.trials.len(), choice.frontier.len());
    let holds = choice.trials.iter().position(|trial| trial.changed <= 0.15);
    assert_eq!(holds, Some(choice.index));
    let programs = json(&calibration, &settings, &swept);
    let candidates = programs["rows"][0]["candidates"].as_array().unwrap();
    assert!(candidates.iter().all(|candidate| candidate["changed"].is_f64()));
}
