//! Round trips and limits of every message.

use super::*;
use crate::{
    identity::JobId,
    transfer::{MAX_CHUNKS, ObjectKind},
};
use alloc::{borrow::ToOwned, vec};
use proptest::prelude::*;

fn byte_string(max: usize) -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..max)
}

fn object_header() -> impl Strategy<Value = ObjectHeader> {
    (
        any::<[u8; 32]>(),
        any::<u64>(),
        any::<[u8; 16]>(),
        any::<[u8; 32]>(),
        proptest::sample::select(vec![ObjectKind::EvaluationKeys, ObjectKind::Bundle]),
    )
        .prop_map(|(digest, len_bytes, client, parameters, kind)| ObjectHeader {
            kind,
            digest: Digest(digest),
            len_bytes,
            client: ClientId(client),
            parameter_hash: Digest(parameters),
        })
}

fn device_message() -> impl Strategy<Value = DeviceMessage> {
    let id = any::<[u8; 16]>();
    prop_oneof![
        (any::<u16>(), any::<u16>(), id).prop_map(|(min_version, max_version, nonce)| DeviceMessage::Hello {
            min_version,
            max_version,
            nonce
        }),
        id.prop_map(|client| DeviceMessage::KeyStatus {
            client: ClientId(client)
        }),
        object_header().prop_map(|object| DeviceMessage::Offer { object }),
        (any::<[u8; 32]>(), any::<u32>(), byte_string(300)).prop_map(|(object, index, bytes)| {
            DeviceMessage::Chunk {
                object: Digest(object),
                index,
                bytes,
            }
        }),
        byte_string(MAX_SIGNED_BYTES).prop_map(|ticket| DeviceMessage::Submit { ticket }),
        (id, 0..MAX_ITEMS, byte_string(300)).prop_map(|(job, index, bytes)| DeviceMessage::Item {
            job: JobId(job),
            index,
            bytes
        }),
        id.prop_map(|job| DeviceMessage::Cancel { job: JobId(job) }),
        Just(DeviceMessage::Goodbye),
        Just(DeviceMessage::RevokeKeys),
        (
            byte_string(MAX_SIGNED_BYTES),
            proptest::sample::select(vec![Lane::Routine, Lane::Urgent]),
            any::<Option<u32>>()
        )
            .prop_map(|(ticket, lane, within_s)| DeviceMessage::Request {
                ticket,
                lane,
                within_s
            }),
    ]
}

fn key_state() -> impl Strategy<Value = KeyState> {
    let digest = any::<[u8; 32]>().prop_map(Digest);
    prop_oneof![
        Just(KeyState::Missing),
        (digest.clone(), any::<u32>(), any::<u32>()).prop_map(|(object, have, of)| KeyState::Partial {
            object,
            have,
            of
        }),
        digest.prop_map(|object| KeyState::Stored { object }),
    ]
}

fn refusal() -> impl Strategy<Value = Refusal> {
    proptest::sample::select(vec![
        Refusal::Malformed,
        Refusal::TooLarge,
        Refusal::WrongVersion,
        Refusal::BadSignature,
        Refusal::UnknownDevice,
        Refusal::UnknownSession,
        Refusal::Replayed,
        Refusal::UnknownModel,
        Refusal::UnknownKey,
        Refusal::NonConforming,
        Refusal::UnexpectedChunk,
        Refusal::HashMismatch,
        Refusal::BadTicket,
        Refusal::UnknownJob,
        Refusal::BadCiphertext,
        Refusal::Busy,
        Refusal::Internal,
        Refusal::Overdue,
        Refusal::NotAllowed,
    ])
}

fn model_offer() -> impl Strategy<Value = ModelOffer> {
    (
        "[a-z][a-z0-9-]{0,63}",
        any::<[u8; 32]>(),
        any::<[u8; 32]>(),
        any::<u32>(),
    )
        .prop_map(|(model_id, model, parameters, security_counter)| ModelOffer {
            model_id,
            model_hash: Digest(model),
            parameter_hash: Digest(parameters),
            security_counter,
        })
}

fn welcome() -> impl Strategy<Value = BoxMessage> {
    let limits = (any::<u64>(), any::<u32>(), any::<u32>(), any::<u32>()).prop_map(
        |(max_object_bytes, max_item_bytes, window_chunks, max_jobs)| Limits {
            max_object_bytes,
            max_item_bytes,
            window_chunks,
            max_jobs,
        },
    );
    let models = proptest::collection::vec(model_offer(), 0..5);
    (any::<u16>(), any::<[u8; 16]>(), any::<[u8; 16]>(), limits, models).prop_map(
        |(version, nonce, session, limits, models)| BoxMessage::Welcome {
            version,
            nonce,
            session: SessionId(session),
            limits,
            models,
        },
    )
}

fn box_message() -> impl Strategy<Value = BoxMessage> {
    let job = any::<[u8; 16]>().prop_map(JobId);
    let object = any::<[u8; 32]>().prop_map(Digest);
    let phase = prop_oneof![
        any::<u32>().prop_map(|ahead| Phase::Queued { ahead }),
        (any::<u32>(), any::<u32>()).prop_map(|(done, of)| Phase::Computing { done, of }),
    ];
    let chunks = proptest::collection::btree_set(0..MAX_CHUNKS, 0..20).prop_map(ChunkSet::from_ascending);
    prop_oneof![
        welcome(),
        (any::<[u8; 16]>(), key_state()).prop_map(|(client, state)| BoxMessage::KeyState {
            client: ClientId(client),
            state
        }),
        (object.clone(), chunks, any::<u32>()).prop_map(|(object, chunks, have)| BoxMessage::Want {
            object,
            chunks,
            have
        }),
        object.prop_map(|object| BoxMessage::Stored { object }),
        job.clone().prop_map(|job| BoxMessage::Accepted { job }),
        (job.clone(), 0..MAX_ITEMS, phase).prop_map(|(job, index, phase)| BoxMessage::Progress {
            job,
            index,
            phase
        }),
        (
            job.clone(),
            0..MAX_ITEMS,
            byte_string(300),
            byte_string(MAX_SIGNED_BYTES)
        )
            .prop_map(|(job, index, bytes, receipt)| BoxMessage::Answer {
                job,
                index,
                bytes,
                receipt
            }),
        (any::<u64>(), refusal(), proptest::option::of(job.clone()))
            .prop_map(|(sequence, code, job)| BoxMessage::Refused { sequence, code, job }),
        (job.clone(), any::<u32>(), any::<Option<u32>>())
            .prop_map(|(job, ahead, left_s)| { BoxMessage::Outlook { job, ahead, left_s } }),
        any::<u32>().prop_map(|objects| BoxMessage::Revoked { objects }),
        (job, 0..MAX_ITEMS, refusal()).prop_map(|(job, index, code)| BoxMessage::Dead { job, index, code }),
    ]
}

proptest! {
    #[test]
    fn every_device_message_round_trips_and_no_shorter_or_longer_form_does(message in device_message()) {
        let bytes = message.encode();
        prop_assert_eq!(DeviceMessage::decode(&bytes), Ok(message));
        prop_assert!(DeviceMessage::decode(&bytes[..bytes.len() - 1]).is_err());
        prop_assert!(DeviceMessage::decode(&[&bytes[..], &[0]].concat()).is_err());
    }

    #[test]
    fn every_box_message_round_trips_and_no_shorter_or_longer_form_does(message in box_message()) {
        let bytes = message.encode();
        prop_assert_eq!(BoxMessage::decode(&bytes), Ok(message));
        prop_assert!(BoxMessage::decode(&bytes[..bytes.len() - 1]).is_err());
        prop_assert!(BoxMessage::decode(&[&bytes[..], &[0]].concat()).is_err());
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in byte_string(400)) {
        let _ = DeviceMessage::decode(&bytes);
        let _ = BoxMessage::decode(&bytes);
    }
}

#[test]
fn the_largest_parts_fit_a_message_and_larger_ones_are_too_large() {
    let object = Digest([0; 32]);
    let job = JobId([0; 16]);
    let device = |message: DeviceMessage| DeviceMessage::decode(&message.encode()).map(|_| ());
    let chunk = |len: usize| DeviceMessage::Chunk {
        object,
        index: u32::MAX,
        bytes: vec![0; len],
    };
    let item = |len: usize| DeviceMessage::Item {
        job,
        index: 0,
        bytes: vec![0; len],
    };
    let submit = |len: usize| DeviceMessage::Submit { ticket: vec![0; len] };
    let too_large = |max_bytes: usize| {
        Err(DecodeError::PeerTooLarge {
            got_bytes: max_bytes + 1,
            max_bytes,
        })
    };
    let chunk_bytes = MAX_CHUNK_BYTES as usize;
    assert_eq!(device(chunk(chunk_bytes)), Ok(()));
    assert_eq!(device(chunk(chunk_bytes + 1)), too_large(chunk_bytes));
    assert_eq!(device(item(MAX_ITEM_BYTES)), Ok(()));
    assert_eq!(device(item(MAX_ITEM_BYTES + 1)), too_large(MAX_ITEM_BYTES));
    assert_eq!(device(submit(MAX_SIGNED_BYTES)), Ok(()));
    assert_eq!(device(submit(MAX_SIGNED_BYTES + 1)), too_large(MAX_SIGNED_BYTES));
    let answer = |len: usize, receipt: usize| {
        let message = BoxMessage::Answer {
            job,
            index: 0,
            bytes: vec![0; len],
            receipt: vec![0; receipt],
        };
        BoxMessage::decode(&message.encode()).map(|_| ())
    };
    assert_eq!(answer(MAX_ANSWER_BYTES, MAX_SIGNED_BYTES), Ok(()));
    assert_eq!(answer(MAX_ANSWER_BYTES + 1, 0), too_large(MAX_ANSWER_BYTES));
    assert_eq!(answer(0, MAX_SIGNED_BYTES + 1), too_large(MAX_SIGNED_BYTES));
}

#[test]
fn item_numbers_beyond_any_job_are_malformed() {
    let job = JobId([0; 16]);
    let item = DeviceMessage::Item {
        job,
        index: MAX_ITEMS,
        bytes: vec![],
    };
    assert_eq!(
        DeviceMessage::decode(&item.encode()),
        Err(DecodeError::PeerMalformed)
    );
    let progress = BoxMessage::Progress {
        job,
        index: u32::MAX,
        phase: Phase::Queued { ahead: 0 },
    };
    assert_eq!(
        BoxMessage::decode(&progress.encode()),
        Err(DecodeError::PeerMalformed)
    );
}

#[test]
fn a_welcome_lists_a_bounded_number_of_well_named_models() {
    let offer = |model_id: &str| ModelOffer {
        model_id: model_id.to_owned(),
        model_hash: Digest([0; 32]),
        parameter_hash: Digest([0; 32]),
        security_counter: 0,
    };
    let welcome = |models: Vec<ModelOffer>| {
        let message = BoxMessage::Welcome {
            version: 1,
            nonce: [0; 16],
            session: SessionId::NONE,
            limits: Limits {
                max_object_bytes: 0,
                max_item_bytes: 0,
                window_chunks: 0,
                max_jobs: 0,
            },
            models,
        };
        BoxMessage::decode(&message.encode()).map(|_| ())
    };
    let longest = "m".repeat(job::MAX_MODEL_ID_BYTES);
    assert_eq!(welcome(vec![offer(&longest); MAX_MODELS]), Ok(()));
    let malformed = Err(DecodeError::PeerMalformed);
    assert_eq!(welcome(vec![offer("a"); MAX_MODELS + 1]), malformed);
    for model_id in ["", "A", "a/b", "a\n", &(longest + "m")] {
        assert_eq!(welcome(vec![offer(model_id)]), malformed);
    }
}

#[test]
fn unknown_variants_are_malformed() {
    for bytes in [&[11][..], &[0xff, 0xff, 0xff, 0xff, 0x0f]] {
        assert_eq!(DeviceMessage::decode(bytes), Err(DecodeError::PeerMalformed));
        assert_eq!(BoxMessage::decode(bytes), Err(DecodeError::PeerMalformed));
    }
}
