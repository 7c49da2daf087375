//! Frames against damage.

use super::*;
use alloc::{vec, vec::Vec};
use proptest::prelude::*;

/// A frame with its payload, so that it can be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kept {
    Hello(u8),
    Data(u64, u8, Vec<u8>),
    Ack(u64, u64, Option<u8>),
    Ping,
    Close,
}

impl Kept {
    fn of(frame: &Frame<'_>) -> Self {
        match frame.body {
            Body::Hello { version } => Self::Hello(version),
            Body::Data {
                offset,
                round,
                payload,
            } => Self::Data(offset, round, payload.to_vec()),
            Body::Ack { received, limit, gap } => Self::Ack(received, limit, gap),
            Body::Ping => Self::Ping,
            Body::Close => Self::Close,
        }
    }

    fn line(&self) -> Vec<u8> {
        let body = match self {
            &Self::Hello(version) => Body::Hello { version },
            Self::Data(offset, round, payload) => Body::Data {
                offset: *offset,
                round: *round,
                payload,
            },
            &Self::Ack(received, limit, gap) => Body::Ack { received, limit, gap },
            Self::Ping => Body::Ping,
            Self::Close => Body::Close,
        };
        let mut line = Vec::new();
        encode(
            &Frame {
                from: Epoch::from_random(7),
                to: Some(Epoch::from_random(9)),
                body,
            },
            &mut line,
        );
        line
    }
}

fn frames() -> impl Strategy<Value = Kept> {
    let payload = prop_oneof![
        proptest::collection::vec(any::<u8>(), 1..=MAX_PAYLOAD_BYTES),
        // Nothing to stuff, and everything to stuff.
        (1..=MAX_PAYLOAD_BYTES).prop_map(|len| vec![0xff; len]),
        (1..=MAX_PAYLOAD_BYTES).prop_map(|len| vec![0; len]),
    ];
    prop_oneof![
        any::<u8>().prop_map(Kept::Hello),
        (any::<u64>(), any::<u8>(), payload)
            .prop_map(|(offset, round, payload)| Kept::Data(offset, round, payload)),
        any::<(u64, u64, Option<u8>)>().prop_map(|(received, limit, gap)| Kept::Ack(received, limit, gap)),
        Just(Kept::Ping),
        Just(Kept::Close),
    ]
}

/// Every good frame in `pieces`, and the errors between them.
fn decoded<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Kept>, Vec<FrameError>) {
    let (mut decoder, mut good, mut bad) = (Decoder::default(), Vec::new(), Vec::new());
    for mut piece in pieces {
        while let Some(frame) = decoder.feed(&mut piece) {
            match frame {
                Ok(frame) => good.push(Kept::of(&frame)),
                Err(error) => bad.push(error),
            }
        }
    }
    (good, bad)
}

/// One fault: its place as a fraction of the line, and what happens there.
#[derive(Clone, Debug)]
enum Fault {
    Insert(Vec<u8>),
    Delete(usize),
    Flip(u8),
    Truncate,
}

fn faults() -> impl Strategy<Value = Vec<(prop::sample::Index, Fault)>> {
    let fault = prop_oneof![
        proptest::collection::vec(any::<u8>(), 1..40).prop_map(Fault::Insert),
        (1_usize..2000).prop_map(Fault::Delete),
        (1_u8..=255).prop_map(Fault::Flip),
        Just(Fault::Truncate),
    ];
    proptest::collection::vec((any::<prop::sample::Index>(), fault), 1..6)
}

fn damage(mut line: Vec<u8>, faults: &[(prop::sample::Index, Fault)]) -> Vec<u8> {
    for (place, fault) in faults {
        if line.is_empty() {
            break;
        }
        let at = place.index(line.len());
        match fault {
            Fault::Insert(bytes) => drop(line.splice(at..at, bytes.iter().copied())),
            Fault::Delete(len) => drop(line.drain(at..(at + len).min(line.len()))),
            Fault::Flip(mask) => line[at] ^= mask,
            Fault::Truncate => line.truncate(at),
        }
    }
    line
}

proptest! {
    #[test]
    fn every_frame_comes_back_however_the_line_is_cut(
        frames in proptest::collection::vec(frames(), 1..8),
        cut in 1_usize..3000,
    ) {
        let line: Vec<u8> = frames.iter().flat_map(Kept::line).collect();
        prop_assert_eq!(decoded(line.chunks(cut)), (frames, Vec::new()));
    }

    #[test]
    fn the_first_frame_after_any_damage_decodes(
        before in proptest::collection::vec(frames(), 0..6),
        faults in faults(),
        after in proptest::collection::vec(frames(), 1..4),
        cut in 1_usize..3000,
    ) {
        let damaged = damage(before.iter().flat_map(Kept::line).collect(), &faults);
        let line: Vec<u8> = damaged.into_iter().chain(after.iter().flat_map(Kept::line)).collect();
        let (good, _) = decoded(line.chunks(cut));
        prop_assert!(good.ends_with(&after), "{good:?}");
        // Whatever else decodes was sent: no fault makes a frame of its own.
        for frame in &good[..good.len() - after.len()] {
            prop_assert!(before.contains(frame), "{frame:?}");
        }
    }

    #[test]
    fn arbitrary_bytes_are_never_a_frame_and_never_kept(bytes in proptest::collection::vec(any::<u8>(), 0..9000)) {
        let mut decoder = Decoder::default();
        let mut line = &bytes[..];
        while let Some(frame) = decoder.feed(&mut line) {
            prop_assert!(frame.is_err());
        }
        prop_assert!(decoder.coded.capacity() <= MAX_CODED_BYTES);
    }

    #[test]
    fn a_line_holds_no_zero_inside_a_frame_and_no_frame_is_too_long(frame in frames()) {
        let line = frame.line();
        prop_assert!(line.len() <= MAX_FRAME_BYTES);
        let zeros: Vec<usize> = (0..line.len()).filter(|&at| line[at] == 0).collect();
        prop_assert_eq!(zeros, vec![0, line.len() - 1]);
    }
}

#[test]
fn skips_an_over_long_frame_to_its_border() {
    let mut line = vec![1; 3 * MAX_FRAME_BYTES];
    line.extend(Kept::Ping.line());
    assert_eq!(
        decoded(line.chunks(100)),
        (vec![Kept::Ping], vec![FrameError::PeerTooLong])
    );
}

#[test]
fn refuses_every_single_bit_flip() {
    let line = Kept::Data(3, 1, vec![5; 20]).line();
    for at in 1..line.len() - 1 {
        for bit in 0..8 {
            let mut flipped = line.clone();
            flipped[at] ^= 1 << bit;
            let (good, bad) = decoded([&flipped[..]]);
            assert!(good.is_empty() && !bad.is_empty(), "byte {at}, bit {bit}");
        }
    }
}

#[test]
fn refuses_undamaged_frames_of_another_form() {
    let wrap = |body: &[u8]| {
        let checked = [body, &crc32fast::hash(body).to_le_bytes()].concat();
        let mut coded = vec![0; checked.len() + 8];
        let len = cobs::encode(&checked, &mut coded);
        [&[0], &coded[..len], &[0]].concat()
    };
    let epochs = [7, 0, 0, 0, 9, 0, 0, 0];
    for (kind, rest) in [
        (0, &[][..]),
        (6, &[]),
        (HELLO, &[]),
        (HELLO, &[1, 1]),
        (DATA, &[0; 7]),
        (DATA, &[0; 9]),
        (DATA, &[1; 9 + MAX_PAYLOAD_BYTES + 1]),
        (ACK, &[0; 17]),
        (ACK, &[2; 18]),
        (ACK, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
        (ACK, &[1; 19]),
        (PING, &[0]),
        (CLOSE, &[0]),
    ] {
        let line = wrap(&[&[kind], &epochs[..], rest].concat());
        let (good, bad) = decoded([&line[..]]);
        assert!(good.is_empty(), "{kind} {rest:?}");
        assert_eq!(bad.len(), 1, "{kind} {rest:?}");
    }
    // Nobody has epoch zero.
    let (good, bad) = decoded([&wrap(&[PING, 0, 0, 0, 0, 9, 0, 0, 0])[..]]);
    assert_eq!((good, bad), (vec![], vec![FrameError::PeerForm]));
}

#[test]
fn version_1_has_these_bytes() {
    let line = Kept::Ack(0x0102, 0x0304, Some(5)).line();
    let body = [
        3, 7, 0, 0, 0, 9, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0, 4, 3, 0, 0, 0, 0, 0, 0, 1, 5,
    ];
    let mut coded = line[1..line.len() - 1].to_vec();
    let len = cobs::decode_in_place(&mut coded).unwrap();
    assert_eq!(&coded[..len - 4], body);
    // CRC-32/ISO-HDLC, whose check value for "123456789" is CBF43926.
    assert_eq!(crc32fast::hash(b"123456789"), 0xCBF4_3926);
    assert_eq!(coded[len - 4..len], crc32fast::hash(&body).to_le_bytes());
}
