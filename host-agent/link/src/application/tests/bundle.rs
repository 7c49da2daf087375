//! A model bundle on its way, to boxes that take one and to boxes that cannot.

use obscura_local::agent::{LinkCommand, LinkEvent};
use obscura_protocol::{
    identity::Digest,
    message::{BoxMessage, DeviceMessage, KeyState, Refusal},
    transfer::{ChunkSet, MAX_CHUNK_BYTES, ObjectHeader},
};

use super::super::Event;
use super::pair::{Pair, name, only_messages};

const BUNDLE: Digest = Digest([6; 32]);
const CHUNK: usize = MAX_CHUNK_BYTES as usize;

fn object() -> ObjectHeader {
    ObjectHeader::of_bundle(&name("device-1"), BUNDLE, CHUNK as u64 + 7)
}

/// A link that is to send the bundle and has a session of this version; what it said first.
fn sending(version: u16) -> (Pair, Vec<DeviceMessage>) {
    let mut pair = Pair::new();
    pair.version = version;
    pair.command(LinkCommand::SendModel { object: object() });
    let hello = only_messages(pair.event(Event::Up));
    let first = pair.welcome(&hello);
    (pair, first)
}

fn state(pair: &mut Pair, state: KeyState) -> Vec<DeviceMessage> {
    let client = object().client;
    pair.say(&BoxMessage::KeyState { client, state })
}

fn want(pair: &mut Pair, chunks: &[u32], have: u32) {
    let chunks = ChunkSet::from_ascending(chunks.iter().copied());
    let object = BUNDLE;
    let sent = pair.say(&BoxMessage::Want { object, chunks, have });
    assert_eq!(sent, []);
}

fn chunk(pair: &mut Pair, index: u32, len_bytes: usize) -> usize {
    let (object, bytes) = (BUNDLE, vec![0; len_bytes]);
    pair.command(LinkCommand::Chunk { object, index, bytes }).len()
}

#[test]
fn a_bundle_goes_on_where_it_stopped_and_its_end_is_told() {
    let (mut pair, first) = sending(3);
    let client = object().client;
    assert_eq!(first, [DeviceMessage::KeyStatus { client }]);
    let partial = KeyState::Partial {
        object: BUNDLE,
        have: 1,
        of: 2,
    };
    assert_eq!(
        state(&mut pair, partial),
        [DeviceMessage::Offer { object: object() }]
    );
    want(&mut pair, &[1], 1);
    assert_eq!(chunk(&mut pair, 1, 7), 1);
    assert_eq!(pair.say(&BoxMessage::Stored { object: BUNDLE }), []);
    assert_eq!(pair.told.last(), Some(&LinkEvent::ModelStored { sent_bytes: 7 }));
    assert_eq!(pair.pass(3600), [], "nothing is left to wait for");
}

#[test]
fn a_box_of_version_2_is_said_to_be_too_old_and_is_offered_nothing() {
    for version in [1, 2] {
        let (mut pair, first) = sending(version);
        assert_eq!(first, []);
        let too_old = LinkEvent::BoxTooOld {
            speaks: version,
            needs: 3,
        };
        assert_eq!(pair.told.last(), Some(&too_old));
        assert_eq!(pair.pass(3600), []);
    }
}

#[test]
fn a_bundle_that_was_damaged_on_the_way_is_offered_again_and_one_that_is_not_allowed_is_not() {
    let (mut pair, _) = sending(3);
    state(&mut pair, KeyState::Missing);
    want(&mut pair, &[0, 1], 0);
    assert_eq!(chunk(&mut pair, 0, CHUNK) + chunk(&mut pair, 1, 7), 2);
    pair.refuse(Refusal::HashMismatch, None);
    let client = object().client;
    assert_eq!(pair.pass(60), [DeviceMessage::KeyStatus { client }]);
    state(&mut pair, KeyState::Missing);
    let code = Refusal::NotAllowed;
    pair.refuse(code, None);
    assert_eq!(pair.told.last(), Some(&LinkEvent::Refused { code }));
    assert_eq!(pair.pass(3600), []);
}
