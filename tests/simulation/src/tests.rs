//! The campaign in small, and that a seed is a run.

use super::{Campaign, Count, run};

#[test]
fn one_seed_is_one_run_bit_for_bit() {
    for seed in 0..20 {
        let (once, again) = (run(seed, false), run(seed, false));
        assert_eq!(once, again, "seed {seed}");
    }
    assert_ne!(run(1, false).trace_hash, run(2, false).trace_hash);
}

#[test]
fn three_hundred_seeds_break_no_rule_and_meet_every_fault() {
    let campaign = Campaign {
        first: 0,
        seeds: 300,
        threads: 2,
    };
    let summary = campaign.run(|_| {});
    let failed: Vec<_> = summary
        .failures
        .iter()
        .map(|failure| (failure.seed, failure.outcome.broken))
        .collect();
    assert_eq!(summary.violations, 0, "{failed:?}");
    for (count, name) in Count::ALL {
        let rare = matches!(count, Count::AgentsRefused | Count::JobsRefused);
        assert!(
            rare || summary.counts.of(*count) > 0,
            "no {name} in {} seeds",
            summary.seeds
        );
    }
}
