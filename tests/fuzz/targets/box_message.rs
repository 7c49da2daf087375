//! Messages from a box.
#![no_main]

use libfuzzer_sys::fuzz_target;
use obscura_protocol::{
    message::BoxMessage,
    transfer::{ChunkSet, MAX_CHUNKS},
};

fuzz_target!(|data: &[u8]| {
    let Ok(message) = BoxMessage::decode(data) else {
        return;
    };
    assert_eq!(BoxMessage::decode(&message.encode()).as_ref(), Ok(&message));
    if let BoxMessage::Want { chunks, .. } = message {
        assert!(chunks.indices(u32::MAX).count() <= MAX_CHUNKS as usize);
        assert_eq!(ChunkSet::from_ascending(chunks.indices(u32::MAX)), chunks);
    }
});
