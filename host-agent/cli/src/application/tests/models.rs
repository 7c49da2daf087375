//! A model on its way to the box, over a scripted link.

use obscura_protocol::transfer::MAX_CHUNK_BYTES;

use super::*;
use crate::application::{Sent, SignedModel, send_model};

const CHUNK: usize = MAX_CHUNK_BYTES as usize;

fn model() -> SignedModel {
    let bytes: Vec<u8> = (0..CHUNK + 3).map(|n| u8::from(n >= CHUNK)).collect();
    let device = "device-1".parse().unwrap();
    SignedModel {
        model_id: "m".into(),
        version: "1.0.0".into(),
        security_counter: 4,
        object: ObjectHeader::of_bundle(&device, Digest::of(&bytes), bytes.len() as u64),
        bytes,
    }
}

fn sending(events: Vec<LinkEvent>) -> (Result<Sent, CliError>, Vec<LinkCommand>, Vec<String>) {
    let mut link = FakeLink {
        events: events.into(),
        told: Vec::new(),
    };
    let mut face = MemFace::default();
    let places = Places {
        way: "broker localhost:8883".into(),
        box_name: "box-1".into(),
        subject: Subject::default(),
    };
    let done = send_model(&mut link, &mut face, &places, &model(), Duration::from_millis(50));
    (done, link.told, face.notes)
}

#[test]
fn the_chunks_the_box_asks_for_are_cut_from_the_verified_bytes() {
    let object = model().object.digest;
    let need = |index| LinkEvent::NeedChunk { object, index };
    let (done_bytes, of_bytes) = (0, CHUNK as u64 + 3);
    let (done, told, notes) = sending(vec![
        LinkEvent::Session,
        LinkEvent::Uploading { done_bytes, of_bytes },
        need(1),
        need(0),
        need(7),
        LinkEvent::ModelStored { sent_bytes: of_bytes },
    ]);
    assert_eq!(done.unwrap().bytes, of_bytes);
    assert!(notes.is_empty(), "{notes:?}");
    let chunks: Vec<_> = told
        .into_iter()
        .filter_map(|command| match command {
            LinkCommand::Chunk { index, bytes, .. } => Some((index, bytes)),
            _ => None,
        })
        .collect();
    assert_eq!(chunks, [(1, vec![1; 3]), (0, vec![0; CHUNK]), (7, Vec::new())]);
}

#[test]
fn a_refusal_says_what_the_roster_must_say() {
    let code = Refusal::NotAllowed;
    let (done, ..) = sending(vec![LinkEvent::Session, LinkEvent::Refused { code }]);
    let error = done.unwrap_err();
    assert_eq!(error.exit_code(), 7);
    assert!(
        error.chain().contains("may_send_models = true"),
        "{}",
        error.chain()
    );
}

#[test]
fn a_box_of_an_earlier_release_is_said_to_be_too_old() {
    let (speaks, needs) = (2, 3);
    let (done, ..) = sending(vec![LinkEvent::Session, LinkEvent::BoxTooOld { speaks, needs }]);
    let error = done.unwrap_err();
    assert_eq!(error.exit_code(), 7);
    assert!(error.chain().contains("box-1 is too old"), "{}", error.chain());
}

#[test]
fn what_is_in_the_way_is_said_once_and_at_the_end() {
    let offline = LinkEvent::Offline {
        cause: OfflineCause::Unreachable,
        retry_in_ms: 1000,
    };
    let (done, _, notes) = sending(vec![offline.clone(), offline]);
    let error = done.unwrap_err();
    assert_eq!(error.exit_code(), 6);
    assert!(
        error.chain().contains("broker localhost:8883 is unreachable"),
        "{}",
        error.chain()
    );
    assert!(error.chain().contains("goes on from there"), "{}", error.chain());
    assert_eq!(notes, ["broker localhost:8883 is unreachable, trying again"]);
}
