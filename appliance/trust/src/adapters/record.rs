//! Small records of trust's own: magic, format, postcard, SHA-256 of all that.
//!
//! The hash finds damage, not malice: whoever can write the file can write the hash.

use std::collections::BTreeMap;

use obscura_protocol::{codec, identity::Digest};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::domain::{Floors, MAX_MODELS, Slot, SlotId, Slots};

/// Largest record, bytes: the floors of 64 models with the longest ids.
pub const MAX_RECORD_BYTES: usize = 8192;

const FORMAT: u8 = 1;
const HASH_BYTES: usize = 32;
const FLOORS: &[u8] = b"OBSCFLOO";
const SLOTS: &[u8] = b"OBSCSLOT";

fn seal<T: Serialize>(magic: &[u8], value: &T) -> Vec<u8> {
    let mut bytes = [magic, &[FORMAT], &codec::encode(value)].concat();
    bytes.extend_from_slice(&Digest::of(&bytes).0);
    bytes
}

fn open<T: DeserializeOwned>(magic: &[u8], bytes: &[u8]) -> Option<T> {
    let (content, hash) = bytes.split_at_checked(bytes.len().checked_sub(HASH_BYTES)?)?;
    let body = content.strip_prefix(magic)?.strip_prefix(&[FORMAT])?;
    if Digest::of(content).0 != hash {
        return None;
    }
    codec::decode(body, MAX_RECORD_BYTES).ok()
}

#[derive(Serialize, Deserialize)]
struct FloorRecord {
    root_version: u32,
    #[serde(deserialize_with = "obscura_protocol::codec::bounded::<_, _, MAX_MODELS>")]
    models: Vec<(String, u32)>,
}

/// The record of the floors.
pub fn encode_floors(floors: &Floors) -> Vec<u8> {
    let models = floors
        .models()
        .iter()
        .map(|(model, floor)| (model.clone(), *floor));
    let record = FloorRecord {
        root_version: floors.root_version(),
        models: models.collect(),
    };
    seal(FLOORS, &record)
}

/// Reads a record of floors; `None` when it is damaged.
pub fn decode_floors(bytes: &[u8]) -> Option<Floors> {
    let record: FloorRecord = open(FLOORS, bytes)?;
    let listed = record.models.len();
    let models: BTreeMap<_, _> = record.models.into_iter().collect();
    // A model that is listed twice would have two floors.
    if models.len() != listed {
        return None;
    }
    Floors::restore(record.root_version, models)
}

#[derive(Serialize, Deserialize)]
struct SlotRecord {
    model_hash: Digest,
    counter: u32,
    tries: u8,
    good: bool,
}

#[derive(Serialize, Deserialize)]
struct SlotsRecord {
    second_preferred: bool,
    a: Option<SlotRecord>,
    b: Option<SlotRecord>,
}

/// The record of a model's slots.
pub fn encode_slots(slots: &Slots) -> Vec<u8> {
    let record = |id| {
        slots.slot(id).map(|slot| SlotRecord {
            model_hash: Digest(slot.model_hash),
            counter: slot.counter,
            tries: slot.tries,
            good: slot.good,
        })
    };
    let record = SlotsRecord {
        second_preferred: slots.preferred() == SlotId::B,
        a: record(SlotId::A),
        b: record(SlotId::B),
    };
    seal(SLOTS, &record)
}

/// Reads a record of slots; `None` when it is damaged.
pub fn decode_slots(bytes: &[u8]) -> Option<Slots> {
    let record: SlotsRecord = open(SLOTS, bytes)?;
    let slot = |record: SlotRecord| Slot {
        model_hash: record.model_hash.0,
        counter: record.counter,
        tries: record.tries,
        good: record.good,
    };
    let preferred = if record.second_preferred {
        SlotId::B
    } else {
        SlotId::A
    };
    Some(Slots::restore(preferred, record.a.map(slot), record.b.map(slot)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_damage_is_noticed(bytes: &[u8], reads: impl Fn(&[u8]) -> bool) {
        assert!(reads(bytes) && bytes.len() <= MAX_RECORD_BYTES);
        for at in 0..bytes.len() {
            assert!(!reads(&bytes[..at]), "{at} bytes");
            let mut altered = bytes.to_vec();
            altered[at] ^= 1;
            assert!(!reads(&altered), "byte {at}");
        }
        assert!(!reads(&[bytes, &[0]].concat()));
    }

    #[test]
    fn the_largest_floors_fit_and_every_damage_is_noticed() {
        let mut floors = Floors::default();
        floors.raise_root(u32::MAX);
        for n in 0..MAX_MODELS {
            floors.raise(&format!("{n:a>64}"), u32::MAX).unwrap();
        }
        let bytes = encode_floors(&floors);
        assert_eq!(decode_floors(&bytes), Some(floors));
        every_damage_is_noticed(&bytes, |bytes| decode_floors(bytes).is_some());
    }

    #[test]
    fn slots_come_back_as_they_were_and_every_damage_is_noticed() {
        let mut slots = Slots::default();
        slots.install(SlotId::A, Slot::on_trial([1; 32], 3));
        slots.mark_good(SlotId::A);
        slots.install(SlotId::B, Slot::on_trial([2; 32], 4));
        slots.begin(SlotId::B);
        let bytes = encode_slots(&slots);
        assert_eq!(decode_slots(&bytes), Some(slots));
        every_damage_is_noticed(&bytes, |bytes| decode_slots(bytes).is_some());
        assert_eq!(decode_floors(&bytes), None);
    }

    #[test]
    fn a_model_listed_twice_has_no_floor() {
        let twice = FloorRecord {
            root_version: 1,
            models: vec![("a".to_owned(), 5), ("a".to_owned(), 1)],
        };
        assert_eq!(decode_floors(&seal(FLOORS, &twice)), None);
    }
}
