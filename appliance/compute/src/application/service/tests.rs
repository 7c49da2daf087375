//! The evaluator with a fake engine and a fake trust.

use super::*;
use crate::ports::{Facts, NonConforming, ReadFile};

/// Keys are ten bytes of the parameter letter; an item is four bytes; the answer is the item reversed.
struct FakeEngine;

impl Engine for FakeEngine {
    type Model = u8;
    type Keys = u8;

    fn open(&self, scheme: &str, read: ReadFile<'_>) -> Result<u8, OpenError> {
        if scheme != "fake" {
            return Err(OpenError::UnknownScheme {
                scheme: scheme.to_owned(),
            });
        }
        Ok(read("parameters.json")?[0])
    }

    fn facts(&self, model: &u8) -> Facts {
        Facts {
            parameter_hash: [*model; 32],
            request_bytes: 4,
            key_bytes: 10,
        }
    }

    fn load_keys(&self, model: &u8, bytes: &[u8]) -> Result<u8, NonConforming> {
        (bytes[0] == *model).then_some(*model).ok_or(NonConforming)
    }

    fn key_memory_bytes(&self, _keys: &u8) -> usize {
        20
    }

    fn evaluate(
        &self,
        _model: &u8,
        _keys: &u8,
        item: &[u8],
        progress: &mut dyn FnMut(u32, u32),
    ) -> Result<Vec<u8>, NonConforming> {
        progress(1, 1);
        if item[0] == 0xff {
            return Err(NonConforming);
        }
        Ok(item.iter().rev().copied().collect())
    }
}

#[derive(Default)]
struct FakeTrust {
    requests: Vec<ReceiptRequest>,
    broken: bool,
}

fn verified(letter: u8, scheme: &str) -> VerifiedModel {
    VerifiedModel {
        model_id: format!("model-{letter}"),
        model_hash: Digest([letter; 32]),
        security_counter: 1,
        scheme: scheme.to_owned(),
    }
}

impl Trust for FakeTrust {
    fn models(&mut self) -> Result<Vec<VerifiedModel>, TrustError> {
        Ok(vec![
            verified(b'a', "fake"),
            verified(b'b', "fake"),
            verified(b'c', "other"),
        ])
    }

    fn file(&mut self, model: &VerifiedModel, _name: &str) -> Result<Vec<u8>, TrustError> {
        Ok(vec![model.model_hash.0[0]])
    }

    fn receipt(&mut self, request: &ReceiptRequest) -> Result<Vec<u8>, TrustError> {
        if self.broken {
            return Err(TrustError::UnexpectedReply);
        }
        self.requests.push(*request);
        Ok(vec![1])
    }
}

fn service(key_cache_bytes: usize) -> Service<FakeEngine, FakeTrust> {
    Service::start(FakeEngine, FakeTrust::default(), key_cache_bytes).unwrap()
}

fn ask(service: &mut Service<FakeEngine, FakeTrust>, request: ComputeRequest) -> Vec<ComputeReply> {
    let mut replies = Vec::new();
    service.handle(request, &mut |reply| replies.push(reply));
    replies
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
    let mut service = service(100);
    let [ComputeReply::Models(models)] = &ask(&mut service, ComputeRequest::Models)[..] else {
        panic!("no models");
    };
    let ids: Vec<_> = models.iter().map(|model| model.model_id.as_str()).collect();
    assert_eq!(ids, ["model-97", "model-98"]);
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
    assert!(matches!(
        replies[0],
        ComputeReply::Progress {
            item: 7,
            done: 1,
            of: 1,
            ..
        }
    ));
    assert!(
        matches!(&replies[1], ComputeReply::Item { outcome: Ok(answer), .. } if answer.bytes == [4, 3, 2, 1])
    );
    let want = ReceiptRequest {
        job: JobId([1; 16]),
        item: 7,
        input_hash: Digest::of(&[1, 2, 3, 4]),
        answer_hash: Digest::of(&[4, 3, 2, 1]),
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
    for wrong in [&[][..], &[1, 2, 3], &[1, 2, 3, 4, 5], &[0xff; 4]] {
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
    let mut keys = |n: u8| load(&mut service, b'a', &[b'a', n, 0, 0, 0, 0, 0, 0, 0, 0]).0;
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
    let (keys, _) = load(&mut service, b'a', &[b'a'; 10]);
    service.trust.broken = true;
    assert_eq!(
        evaluate(&mut service, b'a', keys, &[1, 2, 3, 4]),
        Err(ItemFault::Internal)
    );
}
