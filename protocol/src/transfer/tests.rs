//! Transfers over a network that loses, repeats and reorders.

use super::*;
use crate::codec::{DecodeError, decode, encode};
use proptest::prelude::*;

const CHUNK: usize = MAX_CHUNK_BYTES as usize;

fn header(len_bytes: u64) -> ObjectHeader {
    ObjectHeader {
        kind: ObjectKind::EvaluationKeys,
        digest: Digest([1; 32]),
        len_bytes,
        client: ClientId([2; 16]),
        parameter_hash: Digest([3; 32]),
    }
}

fn receiver(chunks: u64) -> Receiver {
    Receiver::new(header(chunks * CHUNK as u64), u64::MAX).unwrap()
}

fn read(runs: &[(u32, u32)]) -> Result<ChunkSet, DecodeError> {
    decode(&encode(&runs), 4096)
}

#[test]
fn chunk_sets_from_a_peer_keep_their_invariant_or_are_malformed() {
    let set = read(&[(0, 2), (3, 1), (MAX_CHUNKS - 1, 1)]).unwrap();
    assert_eq!(
        set.indices(MAX_CHUNKS).collect::<Vec<_>>(),
        [0, 1, 3, MAX_CHUNKS - 1]
    );
    assert!(read(&[]).unwrap().is_empty());
    let malformed = Err(DecodeError::PeerMalformed);
    for runs in [
        &[(u32::MAX, u32::MAX)][..],
        &[(0, u32::MAX)],
        &[(u32::MAX, 1)],
        &[(MAX_CHUNKS, 1)],
        &[(0, MAX_CHUNKS + 1)],
        &[(0, 0)],
        &[(0, 2), (1, 1)],
        &[(0, 2), (2, 1)],
        &[(5, 1), (0, 1)],
        &[(0, 1), (0, 1)],
        &[(0, 1); ChunkSet::MAX_RUNS + 1],
    ] {
        assert_eq!(read(runs), malformed, "{runs:?}");
    }
}

#[test]
fn the_largest_chunk_set_is_short_work() {
    let set = ChunkSet::from_ascending(0..u32::MAX);
    assert_eq!(set.indices(u32::MAX).count(), MAX_CHUNKS as usize);
    assert_eq!(set.indices(3).count(), 3);
    let sparse = ChunkSet::from_ascending((0..MAX_CHUNKS).step_by(2));
    assert_eq!(sparse.indices(u32::MAX).count(), ChunkSet::MAX_RUNS);
    assert_eq!(decode::<ChunkSet>(&encode(&sparse), 1024).unwrap(), sparse);
    assert!(encode(&sparse).len() < 512);
}

#[test]
fn collecting_stops_at_the_first_number_out_of_order() {
    let collect = |numbers: &[u32]| -> Vec<u32> {
        ChunkSet::from_ascending(numbers.iter().copied())
            .indices(MAX_CHUNKS)
            .collect()
    };
    assert_eq!(collect(&[1, 2, 2, 3]), [1, 2]);
    assert_eq!(collect(&[5, 1]), [5]);
    assert_eq!(collect(&[1, u32::MAX]), [1]);
}

#[test]
fn objects_of_no_or_too_many_bytes_are_refused() {
    let largest = u64::from(MAX_CHUNKS) * u64::from(MAX_CHUNK_BYTES);
    let refused = |len: u64, max: u64| Receiver::new(header(len), max).map(|r| r.chunks());
    let size = |got_bytes, max_bytes| Err(TransferError::PeerObjectSize { got_bytes, max_bytes });
    assert_eq!(refused(0, 10), size(0, 10));
    assert_eq!(refused(11, 10), size(11, 10));
    assert_eq!(refused(u64::MAX, u64::MAX), size(u64::MAX, largest));
    assert_eq!(refused(largest, u64::MAX), Ok(MAX_CHUNKS));
    assert_eq!(refused(1, 10), Ok(1));
}

#[test]
fn arrived_chunks_are_judged_by_number_and_length() {
    let receiver = Receiver::new(header(CHUNK as u64 + 5), u64::MAX).unwrap();
    let write = |offset| Ok(Arrival::Write { offset });
    assert_eq!(receiver.arrive(0, &vec![0; CHUNK]), write(0));
    assert_eq!(receiver.arrive(1, &[0; 5]), write(CHUNK as u64));
    assert!(matches!(
        receiver.arrive(1, &[0; 6]),
        Err(TransferError::PeerChunkLength { want_bytes: 5, .. })
    ));
    assert!(matches!(
        receiver.arrive(0, &[]),
        Err(TransferError::PeerChunkLength { .. })
    ));
    for index in [2, u32::MAX] {
        let none = Err(TransferError::PeerNoSuchChunk { index, chunks: 2 });
        assert_eq!(receiver.arrive(index, &[0; 5]), none);
    }
}

#[test]
fn a_window_is_asked_for_and_refilled_when_half_empty() {
    let mut receiver = receiver(10);
    let asked = |set: &ChunkSet| set.indices(MAX_CHUNKS).collect::<Vec<_>>();
    assert_eq!(asked(&receiver.want(4)), [0, 1, 2, 3]);
    assert!(receiver.want(4).is_empty());
    receiver.mark(1);
    assert!(receiver.want(4).is_empty(), "three are still under way");
    receiver.mark(3);
    assert_eq!(asked(&receiver.want(4)), [4, 5]);
    receiver.forget_asked();
    assert_eq!(
        asked(&receiver.want(4)),
        [0, 2, 4, 5],
        "a new session asks again for what is missing"
    );
    assert!(receiver.want(0).is_empty());
}

#[test]
fn marking_twice_or_outside_changes_nothing() {
    let mut receiver = receiver(9);
    receiver.mark(8);
    receiver.mark(8);
    receiver.mark(9);
    receiver.mark(u32::MAX);
    assert_eq!((receiver.have(), receiver.bitmap()), (1, &[0, 1][..]));
}

#[test]
fn a_resume_ignores_garbage_in_unused_bits_and_refuses_other_lengths() {
    let resume = |bitmap: &[u8]| Receiver::resume(header(9 * CHUNK as u64), u64::MAX, bitmap);
    let receiver = resume(&[0b0000_0101, 0b1111_1110]).unwrap();
    assert_eq!((receiver.have(), receiver.bitmap()), (2, &[0b0000_0101, 0][..]));
    let full = resume(&[0xff, 0xff]).unwrap();
    assert!(full.is_complete());
    assert_eq!(full.bitmap(), [0xff, 1]);
    for bitmap in [&[][..], &[0], &[0; 3]] {
        assert!(matches!(
            resume(bitmap),
            Err(TransferError::DeviceBitmapLength { want_bytes: 2, .. })
        ));
    }
}

/// What the network does to a transfer.
#[derive(Clone, Debug)]
enum Step {
    Ask(u32),
    Deliver(usize),
    Lose(usize),
    Duplicate(usize),
    Garbage(u32, usize),
    Reconnect,
    PowerCut,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0_u32..9).prop_map(Step::Ask),
        6 => any::<usize>().prop_map(Step::Deliver),
        1 => any::<usize>().prop_map(Step::Lose),
        1 => any::<usize>().prop_map(Step::Duplicate),
        1 => (any::<u32>(), 0_usize..9).prop_map(|(index, len)| Step::Garbage(index, len)),
        1 => Just(Step::Reconnect),
        1 => Just(Step::PowerCut),
    ]
}

/// Both ends, the chunks under way between them, and what the receiver stored.
struct World {
    object: Vec<u8>,
    stored: Vec<u8>,
    receiver: Receiver,
    under_way: Vec<u32>,
}

impl World {
    fn new(len: usize) -> Self {
        let byte = |at: usize| u8::try_from(at * 31 % 251).expect("below 251");
        Self {
            object: (0..len).map(byte).collect(),
            stored: vec![0; len],
            receiver: Receiver::new(header(len as u64), u64::MAX).unwrap(),
            under_way: Vec::new(),
        }
    }

    fn ask(&mut self, window: u32) {
        let set = self.receiver.want(window);
        let set: ChunkSet = decode(&encode(&set), 4096).unwrap();
        self.under_way.extend(set.indices(self.receiver.chunks()));
    }

    fn deliver(&mut self, index: u32) {
        let len = self.object.len() as u64;
        let range = chunk_range(len, index).unwrap();
        let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
        let bytes = self.object[range].to_vec();
        if let Arrival::Write { offset } = self.receiver.arrive(index, &bytes).unwrap() {
            let offset = usize::try_from(offset).unwrap();
            self.stored[offset..offset + bytes.len()].copy_from_slice(&bytes);
            self.receiver.mark(index);
        }
    }

    fn take(&mut self, at: usize) -> Option<u32> {
        let len = self.under_way.len();
        (len > 0).then(|| self.under_way.swap_remove(at % len))
    }

    fn happen(&mut self, step: &Step) {
        match *step {
            Step::Ask(window) => self.ask(window),
            Step::Deliver(at) => {
                if let Some(index) = self.take(at) {
                    self.deliver(index);
                }
            }
            Step::Lose(at) => drop(self.take(at)),
            Step::Duplicate(at) => {
                if let Some(&index) = self.under_way.get(at % self.under_way.len().max(1)) {
                    self.deliver(index);
                }
            }
            Step::Garbage(index, len) => assert!(self.receiver.arrive(index, &vec![0xee; len]).is_err()),
            Step::Reconnect => {
                self.under_way.clear();
                self.receiver.forget_asked();
            }
            Step::PowerCut => {
                self.under_way.clear();
                let bitmap = self.receiver.bitmap().to_vec();
                self.receiver = Receiver::resume(*self.receiver.header(), u64::MAX, &bitmap).unwrap();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_order_loss_and_duplication_ends_with_the_exact_bytes(
        chunks in 1_usize..12,
        tail in 10_usize..1000,
        steps in proptest::collection::vec(step(), 0..80),
    ) {
        let mut world = World::new((chunks - 1) * CHUNK + tail);
        for step in &steps {
            world.happen(step);
            let bits: u32 = world.receiver.bitmap().iter().map(|byte| byte.count_ones()).sum();
            prop_assert_eq!(bits, world.receiver.have());
        }
        world.happen(&Step::Reconnect);
        while !world.receiver.is_complete() {
            world.ask(8);
            prop_assert!(!world.under_way.is_empty(), "an incomplete transfer always asks");
            while let Some(index) = world.take(0) {
                world.deliver(index);
            }
        }
        prop_assert!(world.stored == world.object);
        prop_assert!(world.receiver.want(8).is_empty());
    }

    #[test]
    fn chunk_ranges_tile_the_object(len in 1_u64..(1 << 31)) {
        let count = u32::try_from(chunk_count(len)).unwrap();
        prop_assert_eq!(chunk_range(len, 0).unwrap().start, 0);
        prop_assert_eq!(chunk_range(len, count - 1).unwrap().end, len);
        prop_assert_eq!(chunk_range(len, count), None);
        prop_assert_eq!(chunk_range(u64::MAX, u32::MAX).map(|r| r.end - r.start), Some(u64::from(MAX_CHUNK_BYTES)));
    }
}
