//! The receiving side of a transfer: each byte pair of the input is one thing that happens to it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use obscura_protocol::{
    identity::{ClientId, Digest},
    transfer::{Arrival, MAX_CHUNK_BYTES, ObjectHeader, ObjectKind, Receiver, chunk_range},
};

fuzz_target!(|data: &[u8]| {
    let Some((length, steps)) = data.split_first_chunk::<8>() else {
        return;
    };
    let header = ObjectHeader {
        kind: ObjectKind::EvaluationKeys,
        digest: Digest([0; 32]),
        len_bytes: u64::from_le_bytes(*length),
        client: ClientId([0; 16]),
        parameter_hash: Digest([0; 32]),
    };
    let Ok(mut receiver) = Receiver::new(header, u64::MAX) else {
        return;
    };
    let chunk = vec![0; MAX_CHUNK_BYTES as usize];
    for step in steps.chunks_exact(2) {
        let argument = u32::from(step[1]);
        match step[0] % 5 {
            0 => {
                let asked = receiver.want(argument);
                assert!(asked.indices(u32::MAX).count() <= argument as usize);
                assert!(asked.indices(u32::MAX).all(|index| index < receiver.chunks()));
            }
            1 => arrive(&mut receiver, argument, &chunk),
            2 => drop(receiver.arrive(argument, &chunk[..step[0].into()])),
            3 => receiver.forget_asked(),
            _ => {
                let mut bitmap = receiver.bitmap().to_vec();
                if argument == 1 {
                    bitmap.push(1);
                }
                match Receiver::resume(header, u64::MAX, &bitmap) {
                    Ok(resumed) => {
                        assert_eq!(
                            (resumed.have(), resumed.bitmap()),
                            (receiver.have(), receiver.bitmap())
                        );
                        receiver = resumed;
                    }
                    Err(_) => assert_eq!(argument, 1),
                }
            }
        }
        let bits: u32 = receiver.bitmap().iter().map(|byte| byte.count_ones()).sum();
        assert_eq!(bits, receiver.have());
        assert!(receiver.have() <= receiver.chunks());
    }
});

fn arrive(receiver: &mut Receiver, index: u32, chunk: &[u8]) {
    let len_bytes = receiver.header().len_bytes;
    let range = chunk_range(len_bytes, index);
    let len = range.as_ref().map_or(0, |range| range.end - range.start);
    let len = usize::try_from(len).expect("at most one chunk");
    match receiver.arrive(index, &chunk[..len]) {
        Ok(Arrival::Write { offset }) => {
            assert!(offset + len as u64 <= len_bytes);
            receiver.mark(index);
        }
        Ok(Arrival::Duplicate) => assert!(index < receiver.chunks()),
        Err(_) => assert!(range.is_none()),
    }
}
