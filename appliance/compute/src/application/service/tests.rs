//! The evaluator with a fake engine and a fake trust.

use super::*;
use crate::fake::{
    CANCELLED, FAILS, FakeEngine, FakeTrust, NEVER_ENDS, NON_CONFORMING, OUT_OF_MEMORY, PANICS, Stopped,
    TELLS_MEMORY, UNRULY, answer_to, keys_of,
};

/// The cache alone is the bound.
fn service(key_cache_bytes: usize) -> Service<FakeEngine, FakeTrust> {
    bounded(key_cache_bytes, 1000)
}

fn bounded(key_cache_bytes: usize, memory_bytes: usize) -> Service<FakeEngine, FakeTrust> {
    let limits = Limits {
        key_cache_bytes,
        memory_bytes,
    };
    let trust = FakeTrust::default();
    Service::start(FakeEngine::default(), trust, Box::new(Stopped), limits).unwrap()
}

fn model_ids(service: &mut Service<FakeEngine, FakeTrust>) -> Vec<String> {
    match &ask(service, ComputeRequest::Models)[..] {
        [ComputeReply::Models(models)] => models.iter().map(|model| model.model_id.clone()).collect(),
        other => panic!("{other:?}"),
    }
}

fn ask(service: &mut Service<FakeEngine, FakeTrust>, request: ComputeRequest) -> Vec<ComputeReply> {
    let mut replies = Vec::new();
    service.handle(request, &AtomicBool::new(false), &mut |reply| replies.push(reply));
    replies
}

#[test]
fn trust_hears_of_every_model_whether_it_is_good_and_a_bad_one_gives_way_to_an_earlier_bundle() {
    let trust = FakeTrust {
        has_earlier_c: true,
        ..FakeTrust::default()
    };
    let limits = Limits {
        key_cache_bytes: 100,
        memory_bytes: 1000,
    };
    let mut service = Service::start(FakeEngine::default(), trust, Box::new(Stopped), limits).unwrap();
    assert_eq!(model_ids(&mut service), ["model-97", "model-98", "model-100"]);
    let told = |id: &str, good| (id.to_owned(), good);
    let verdicts = [
        told("model-97", true),
        told("model-98", true),
        told("model-99", false),
        told("model-100", true),
    ];
    assert_eq!(service.trust.verdicts, verdicts);
}

/// Sends `bytes` as keys of parameters `letter` under their own hash.
fn load(
    service: &mut Service<FakeEngine, FakeTrust>,
    letter: u8,
    bytes: &[u8],
) -> (Digest, Result<(), KeyFault>) {
    let fingerprint = Digest::of(bytes);
    let begin = ComputeRequest::KeysBegin {
        fingerprint,
        len_bytes: bytes.len() as u64,
        parameter_hash: Digest([letter; 32]),
    };
    assert_eq!(ask(service, begin), []);
    for piece in bytes.chunks(3) {
        assert_eq!(ask(service, ComputeRequest::KeysPiece(piece.to_vec())), []);
    }
    match ask(service, ComputeRequest::KeysEnd).as_slice() {
        [
            ComputeReply::Keys {
                fingerprint: of,
                outcome,
            },
        ] => {
            assert_eq!(*of, fingerprint);
            (fingerprint, *outcome)
        }
        other => panic!("{other:?}"),
    }
}

fn evaluate(
    service: &mut Service<FakeEngine, FakeTrust>,
    letter: u8,
    key_fingerprint: Digest,
    bytes: &[u8],
) -> Result<Answer, ItemFault> {
    let request = ComputeRequest::Evaluate {
        job: JobId([1; 16]),
        item: 0,
        model_hash: Digest([letter; 32]),
        key_fingerprint,
        bytes: bytes.to_vec(),
    };
    match ask(service, request).pop() {
        Some(ComputeReply::Item { outcome, .. }) => outcome,
        other => panic!("{other:?}"),
    }
}

#[test]
fn leaves_out_a_model_of_an_unknown_scheme() {
    assert_eq!(model_ids(&mut service(100)), ["model-97", "model-98"]);
}

#[test]
fn answers_with_progress_and_a_receipt_over_exactly_what_was_computed() {
    let mut service = service(100);
    let (keys, outcome) = load(&mut service, b'a', &[b'a'; 10]);
    assert_eq!(outcome, Ok(()));
    let request = ComputeRequest::Evaluate {
        job: JobId([1; 16]),
        item: 7,
        model_hash: Digest([b'a'; 32]),
        key_fingerprint: keys,
        bytes: vec![1, 2, 3, 4],
    };
    let replies = ask(&mut service, request);
    let answer = answer_to(b'a', &[1, 2, 3, 4]);
    let progress = |done| ComputeReply::Progress {
        job: JobId([1; 16]),
        item: 7,
        done,
        of: 10,
    };
    assert_eq!(replies[..2], [progress(0), progress(10)]);
    assert!(matches!(&replies[2], ComputeReply::Item { outcome: Ok(got), .. } if got.bytes == answer));
    let want = ReceiptRequest {
        job: JobId([1; 16]),
        item: 7,
        input_hash: Digest::of(&[1, 2, 3, 4]),
        answer_hash: Digest::of(&answer),
        model_hash: Digest([b'a'; 32]),
        parameter_hash: Digest([b'a'; 32]),
        key_fingerprint: keys,
    };
    assert_eq!(service.trust.requests, [want]);
}

#[test]
fn refuses_keys_with_a_wrong_hash_length_or_parameters() {
    let mut service = service(100);
    assert_eq!(
        load(&mut service, b'a', &[b'b'; 10]).1,
        Err(KeyFault::NonConforming)
    );
    assert_eq!(
        load(&mut service, b'a', &[b'a'; 9]).1,
        Err(KeyFault::NonConforming)
    );
    assert_eq!(
        load(&mut service, b'z', &[b'z'; 10]).1,
        Err(KeyFault::NonConforming)
    );
    for pieces in [vec![b'a'; 10], vec![b'x'; 11], vec![b'x'; 3]] {
        let begin = ComputeRequest::KeysBegin {
            fingerprint: Digest::of(b"something else"),
            len_bytes: 10,
            parameter_hash: Digest([b'a'; 32]),
        };
        ask(&mut service, begin);
        ask(&mut service, ComputeRequest::KeysPiece(pieces));
        assert!(matches!(
            ask(&mut service, ComputeRequest::KeysEnd)[..],
            [ComputeReply::Keys {
                outcome: Err(KeyFault::HashMismatch),
                ..
            }]
        ));
    }
}

#[test]
fn refuses_items_of_unknown_models_missing_keys_and_wrong_ciphertexts() {
    let mut service = service(100);
    let (keys, _) = load(&mut service, b'a', &[b'a'; 10]);
    let item = [1, 2, 3, 4];
    assert_eq!(
        evaluate(&mut service, b'c', keys, &item),
        Err(ItemFault::UnknownModel)
    );
    assert_eq!(
        evaluate(&mut service, b'a', Digest([0; 32]), &item),
        Err(ItemFault::KeysNotLoaded)
    );
    // Keys of one parameter set are never used with a model of another.
    assert_eq!(
        evaluate(&mut service, b'b', keys, &item),
        Err(ItemFault::BadCiphertext)
    );
    for wrong in [&[][..], &[1, 2, 3], &[1, 2, 3, 4, 5], &[NON_CONFORMING; 4]] {
        assert_eq!(
            evaluate(&mut service, b'a', keys, wrong),
            Err(ItemFault::BadCiphertext)
        );
    }
    assert!(evaluate(&mut service, b'a', keys, &item).is_ok());
}

#[test]
fn forgets_the_oldest_keys_when_the_cache_is_full() {
    let mut service = service(45);
    let mut keys = |n: u8| load(&mut service, b'a', &keys_of(b'a', n)).0;
    let [first, _second, third] = [keys(1), keys(2), keys(3)];
    assert_eq!(
        evaluate(&mut service, b'a', first, &[1, 2, 3, 4]),
        Err(ItemFault::KeysNotLoaded)
    );
    assert!(evaluate(&mut service, b'a', third, &[1, 2, 3, 4]).is_ok());
}

#[test]
fn gives_no_answer_without_a_receipt() {
    let mut service = service(100);
    let (keys, _) = load(&mut service, b'a', &keys_of(b'a', 1));
    service.trust.broken = true;
    assert_eq!(
        evaluate(&mut service, b'a', keys, &[1, 2, 3, 4]),
        Err(ItemFault::Internal)
    );
}

#[test]
fn does_not_offer_a_model_whose_keys_or_evaluation_exceed_the_memory() {
    // One client's keys are 20 bytes; model a evaluates in 100 bytes, model b in 200.
    assert_eq!(model_ids(&mut bounded(20, 220)), ["model-97", "model-98"]);
    assert_eq!(model_ids(&mut bounded(20, 219)), ["model-97"]);
    assert_eq!(model_ids(&mut bounded(20, 119)), Vec::<String>::new());
    assert_eq!(model_ids(&mut bounded(19, 1000)), Vec::<String>::new());
}

#[test]
fn never_uses_one_clients_keys_for_another_client() {
    let mut service = service(100);
    let [first, second] = [3, 5].map(|n| load(&mut service, b'a', &keys_of(b'a', n)).0);
    let other = load(&mut service, b'b', &keys_of(b'b', 7)).0;
    for round in 0..4 {
        for (letter, keys, secret) in [(b'a', first, 3), (b'a', second, 5), (b'b', other, 7)] {
            let item = [round, 1, secret, 9];
            let answer = evaluate(&mut service, letter, keys, &item).unwrap();
            assert_eq!(answer.bytes, answer_to(secret, &item));
            let receipt = service.trust.requests.pop().unwrap();
            assert_eq!(
                (receipt.key_fingerprint, receipt.input_hash),
                (keys, Digest::of(&item))
            );
        }
    }
}

#[test]
fn keys_that_were_used_last_stay_and_forgotten_ones_serve_again_once_they_are_loaded_again() {
    let mut service = service(45);
    let item = [1, 2, 3, 4];
    let [first, second] = [1, 2].map(|n| load(&mut service, b'a', &keys_of(b'a', n)).0);
    assert!(evaluate(&mut service, b'a', first, &item).is_ok());
    let (third, _) = load(&mut service, b'a', &keys_of(b'a', 3));
    assert_eq!(
        evaluate(&mut service, b'a', second, &item),
        Err(ItemFault::KeysNotLoaded)
    );
    for (keys, secret) in [(first, 1), (third, 3)] {
        let answer = evaluate(&mut service, b'a', keys, &item).unwrap();
        assert_eq!(answer.bytes, answer_to(secret, &item));
    }
    assert_eq!(load(&mut service, b'a', &keys_of(b'a', 2)), (second, Ok(())));
    let answer = evaluate(&mut service, b'a', second, &item).unwrap();
    assert_eq!(answer.bytes, answer_to(2, &item));
}

#[test]
fn keys_of_others_give_their_memory_to_an_evaluation() {
    // Memory for the evaluation of model a and two sets of keys, or of model b and one.
    let mut service = bounded(60, 225);
    let item = [TELLS_MEMORY, 0, 0, 0];
    let memory = |outcome: Result<Answer, ItemFault>| outcome.unwrap().bytes;
    let [first, second] = [1, 2].map(|n| load(&mut service, b'a', &keys_of(b'a', n)).0);
    let given = memory(evaluate(&mut service, b'a', first, &item));
    assert_eq!(given, 185_u64.to_le_bytes(), "two sets of keys are loaded");
    let (third, _) = load(&mut service, b'b', &keys_of(b'b', 3));
    let given = memory(evaluate(&mut service, b'b', third, &item));
    assert_eq!(given, 205_u64.to_le_bytes(), "the others went");
    for forgotten in [first, second] {
        let outcome = evaluate(&mut service, b'a', forgotten, &item);
        assert_eq!(outcome, Err(ItemFault::KeysNotLoaded));
    }
}

#[test]
fn keys_larger_than_predicted_are_out_of_memory_and_not_a_panic() {
    let mut service = bounded(60, 220);
    let (unruly, outcome) = load(&mut service, b'b', &keys_of(b'b', UNRULY));
    assert_eq!(outcome, Ok(()));
    assert_eq!(
        evaluate(&mut service, b'b', unruly, &[1, 2, 3, 4]),
        Err(ItemFault::OutOfMemory)
    );
}

#[test]
fn a_failed_evaluation_is_a_typed_fault_and_leaves_nothing_behind() {
    let mut service = service(100);
    let (keys, _) = load(&mut service, b'a', &keys_of(b'a', 1));
    let item = [1, 2, 3, 4];
    for (code, fault) in [
        (NON_CONFORMING, ItemFault::BadCiphertext),
        (OUT_OF_MEMORY, ItemFault::OutOfMemory),
        (PANICS, ItemFault::Internal),
        (FAILS, ItemFault::Internal),
        (CANCELLED, ItemFault::Cancelled),
    ] {
        let failed = evaluate(&mut service, b'a', keys, &[code, 0, 0, 0]);
        assert_eq!(failed, Err(fault));
        assert!(service.trust.requests.is_empty(), "no receipt");
        let answer = evaluate(&mut service, b'a', keys, &item).unwrap();
        assert_eq!(answer.bytes, answer_to(1, &item));
        service.trust.requests.clear();
    }
}

#[test]
fn keys_the_engine_panics_on_are_refused_and_the_others_stay() {
    let mut service = service(100);
    let (keys, _) = load(&mut service, b'a', &keys_of(b'a', 1));
    let outcome = load(&mut service, b'a', &keys_of(b'a', PANICS)).1;
    assert_eq!(outcome, Err(KeyFault::NonConforming));
    assert!(evaluate(&mut service, b'a', keys, &[1, 2, 3, 4]).is_ok());
}

#[test]
fn a_cancelled_item_gets_neither_answer_nor_receipt_however_late_the_word_comes() {
    let mut service = service(100);
    let (keys, _) = load(&mut service, b'a', &keys_of(b'a', 1));
    // The first would never end, the second ends by itself without having looked.
    for bytes in [[NEVER_ENDS, 0, 0, 0], [1, 2, 3, 4]] {
        let request = ComputeRequest::Evaluate {
            job: JobId([1; 16]),
            item: 0,
            model_hash: Digest([b'a'; 32]),
            key_fingerprint: keys,
            bytes: bytes.to_vec(),
        };
        let cancel = AtomicBool::new(false);
        let mut outcomes = Vec::new();
        service.handle(request, &cancel, &mut |reply| match reply {
            // The first word of progress comes while the engine runs.
            ComputeReply::Progress { .. } => cancel.store(true, Ordering::Relaxed),
            ComputeReply::Item { outcome, .. } => outcomes.push(outcome),
            other => panic!("{other:?}"),
        });
        assert_eq!(outcomes, [Err(ItemFault::Cancelled)]);
        assert!(service.trust.requests.is_empty());
    }
}
