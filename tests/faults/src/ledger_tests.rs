//! Judgements of made-up rounds: what must be found, and what must be allowed.

use super::*;

fn given(labels: &[&str]) -> Vec<Given> {
    let one = |label: &&str| Given {
        label: (*label).to_owned(),
        per_mille: 100,
        decision: "below".to_owned(),
    };
    labels.iter().map(one).collect()
}

fn result(label: &str, input: &str, answer: &str) -> Shown {
    Shown::Answered(Answered {
        name: label.to_owned(),
        bounds_per_mille: [90, 110],
        decision: "below".to_owned(),
        other_score: false,
        input: input.to_owned(),
        answer: answer.to_owned(),
    })
}

fn life(shown: Vec<Shown>, clean: bool) -> Life {
    Life {
        shown,
        clean,
        given: Vec::new(),
    }
}

fn ledger(lives: Vec<Life>) -> Ledger {
    Ledger {
        given: given(&["a", "b"]),
        lives,
        ..Ledger::default()
    }
}

fn seen(input: &str) -> Seen {
    Seen {
        input: Some(input.to_owned()),
        ..Seen::default()
    }
}

#[test]
fn a_round_in_order_holds_and_counts_its_records() {
    let mut ledger = ledger(vec![life(
        vec![result("a", "1", "x"), result("b", "2", "y")],
        true,
    )]);
    ledger.jobs.insert("j1".into(), seen("1"));
    let verdict = ledger.judge();
    assert!(verdict.holds() && verdict.findings.is_empty(), "{verdict:?}");
    assert_eq!((verdict.answered, verdict.jobs_seen), (2, 1));
}

#[test]
fn a_record_without_a_word_and_a_job_without_a_result_are_lost() {
    let short = ledger(vec![life(vec![result("a", "1", "x")], false)]);
    assert_eq!(short.judge().lost, 1);
    let mut forgotten = ledger(vec![life(
        vec![result("a", "1", "x"), result("b", "2", "y")],
        true,
    )]);
    forgotten.jobs.insert("j3".into(), seen("3"));
    assert_eq!(forgotten.judge().lost, 1);
    forgotten.jobs.clear();
    forgotten.left_over = 2;
    assert_eq!(forgotten.judge().lost, 2);
    let mut quiet = ledger(vec![life(vec![result("a", "1", "x")], true)]);
    quiet.lives[0].given = vec!["a".into(), "b".into()];
    assert_eq!(
        quiet.judge().lost,
        2,
        "said that it was done, and never gave a reason"
    );
}

#[test]
fn a_reason_is_no_loss() {
    let failed = |name: &str| Shown::Failed {
        name: name.to_owned(),
        reason: "too late".to_owned(),
    };
    let mut named = ledger(vec![life(vec![result("a", "1", "x"), failed("b")], true)]);
    named.jobs.insert("j2".into(), seen("2"));
    assert!(named.judge().holds(), "{:?}", named.judge());
    let again = vec![failed("job 0123"), result("a", "1", "x"), result("b", "4", "y")];
    let mut by_job = ledger(vec![life(again, true)]);
    by_job.jobs.insert("0123ff".into(), seen("2"));
    assert!(by_job.judge().holds(), "{:?}", by_job.judge());
    assert_eq!(by_job.judge().refused, 1);
}

#[test]
fn two_answers_of_a_job_and_two_jobs_of_a_record_are_accepted_twice() {
    let both = vec![result("a", "1", "x"), result("b", "2", "y")];
    let twice = |more| ledger(vec![life(both.clone(), false), life(vec![more], true)]).judge();
    assert_eq!(twice(result("b", "2", "z")).accepted_twice, 1);
    assert_eq!(twice(result("a", "3", "x")).accepted_twice, 1);
}

#[test]
fn only_the_last_result_of_a_run_that_was_cut_short_may_come_again() {
    let both = vec![result("a", "1", "x"), result("b", "2", "y")];
    let again = |label: &str, input: &str, answer: &str, clean| {
        let lives = vec![
            life(both.clone(), clean),
            life(vec![result(label, input, answer)], true),
        ];
        let verdict = ledger(lives).judge();
        (verdict.shown_again, verdict.accepted_twice)
    };
    assert_eq!(again("b", "2", "y", false), (1, 0));
    assert_eq!(again("b", "2", "y", true), (0, 1));
    assert_eq!(again("a", "1", "x", false), (0, 1));
    let same_life = life(
        vec![
            result("a", "1", "x"),
            result("b", "2", "y"),
            result("b", "2", "y"),
        ],
        false,
    );
    assert_eq!(ledger(vec![same_life]).judge().accepted_twice, 1);
}

#[test]
fn a_result_that_is_not_the_references_is_wrong() {
    let with = |change: fn(&mut Answered)| {
        let mut results = vec![result("a", "1", "x"), result("b", "2", "y")];
        if let Shown::Answered(answered) = &mut results[0] {
            change(answered);
        }
        ledger(vec![life(results, true)]).judge().wrong
    };
    assert_eq!(with(|_| ()), 0);
    assert_eq!(with(|answered| answered.bounds_per_mille = [101, 120]), 1);
    assert_eq!(with(|answered| answered.decision = "above".to_owned()), 1);
    assert_eq!(with(|answered| answered.other_score = true), 1);
    assert_eq!(with(|answered| answered.name = "c".to_owned()), 1);
}
