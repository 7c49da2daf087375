//! Key objects and what is evaluated under them: opaque bytes here, as they are to the gate and the link.

use std::sync::OnceLock;

use obscura_protocol::{
    identity::{ClientId, Digest},
    transfer::{MAX_CHUNK_BYTES, ObjectHeader, ObjectKind},
};

use crate::random::Random;

/// Devices there can be.
pub(crate) const MAX_DEVICES: usize = 4;
/// Lengths of key objects, bytes: one chunk, two, and three with a short one at the end.
pub(crate) const LENGTHS: [usize; 3] = [
    600,
    MAX_CHUNK_BYTES as usize + 77,
    2 * MAX_CHUNK_BYTES as usize + 1,
];
/// Length of an item, bytes.
pub(crate) const ITEM_BYTES: usize = 48;
/// SHA-256 of the parameters there are.
pub(crate) const PARAMETERS: Digest = Digest([2; 32]);

/// One device's key object.
#[derive(Debug)]
pub(crate) struct KeyObject {
    pub(crate) header: ObjectHeader,
    pub(crate) bytes: Vec<u8>,
}

/// The key object of a device, of the length with this number; made once, for making it takes as long as a run.
pub(crate) fn object(device: usize, length: usize) -> &'static KeyObject {
    static ALL: OnceLock<Vec<KeyObject>> = OnceLock::new();
    let all = ALL.get_or_init(|| {
        let lengths = LENGTHS.iter();
        let objects = lengths.flat_map(|len| (0..MAX_DEVICES).map(move |device| make(device, *len)));
        objects.collect()
    });
    &all[length * MAX_DEVICES + device]
}

fn make(device: usize, len: usize) -> KeyObject {
    let mut random = Random::new((device as u64) << 32 | len as u64);
    let bytes = random.bytes(len);
    KeyObject {
        header: ObjectHeader {
            kind: ObjectKind::EvaluationKeys,
            digest: Digest::of(&bytes),
            len_bytes: len as u64,
            client: ClientId(random.id()),
            parameter_hash: PARAMETERS,
        },
        bytes,
    }
}

/// What an honest box answers: a function of the keys and the item, and of nothing else.
pub(crate) fn reference(keys: &Digest, item: &[u8]) -> Vec<u8> {
    Digest::of(&[&keys.0, item].concat()).0.to_vec()
}
