//! The records trust keeps on its disk: rollback floors and the state of slots, raw and behind a right hash.
#![no_main]

use libfuzzer_sys::fuzz_target;
use obscura_protocol::identity::Digest;
use obscura_trust::{
    adapters::{MAX_RECORD_BYTES, decode_floors, decode_slots, encode_floors, encode_slots},
    domain::MAX_MODELS,
};

fuzz_target!(|data: &[u8]| {
    records(data);
    for magic in [b"OBSCFLOO\x01", b"OBSCSLOT\x01"] {
        let content = [magic.as_slice(), data].concat();
        let hash = Digest::of(&content).0;
        records(&[&content[..], &hash].concat());
    }
});

fn records(bytes: &[u8]) {
    if let Some(floors) = decode_floors(bytes) {
        assert!(floors.models().len() <= MAX_MODELS);
        let again = encode_floors(&floors);
        assert!(again.len() <= MAX_RECORD_BYTES.max(bytes.len()));
        assert_eq!(decode_floors(&again), Some(floors));
    }
    if let Some(slots) = decode_slots(bytes) {
        assert_eq!(decode_slots(&encode_slots(&slots)), Some(slots));
        let floor = 7;
        for id in slots.boot_order(floor) {
            assert!(slots.slot(id).is_some_and(|slot| slot.counter >= floor));
        }
        assert!(slots.lowest_bootable(floor, |_| true).is_none_or(|lowest| lowest >= floor));
    }
}
