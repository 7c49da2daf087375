//! Frames on the line: `0x00 | COBS(body | CRC-32) | 0x00`, everything little-endian.
//!
//! COBS (Cheshire and Baker, "Consistent Overhead Byte Stuffing", 1999) keeps zeros out of a frame, so a
//! zero is always a border and the first whole frame after any damage decodes: each frame brings the border
//! before it, too. The CRC is CRC-32/ISO-HDLC over the body.
//!
//! | body | bytes |
//! |---|---|
//! | kind | 1 |
//! | sender's epoch | 4 |
//! | recipient's epoch, 0 while unknown | 4 |
//! | `Hello` (1): version | 1 |
//! | `Data` (2): offset in the stream; round; payload | 8; 1; 1 to [`MAX_PAYLOAD_BYTES`] |
//! | `Ack` (3): bytes received in order; offset that may be sent up to; 1 and the round of what arrived behind a gap, or two zeros | 8; 8; 2 |
//! | `Ping` (4), `Close` (5) | |
//!
//! Failure model: whatever is no frame is an error that costs at most itself and the frame it cut into.

use alloc::vec::Vec;
use core::num::NonZeroU32;

/// Most stream bytes in one frame: short enough that one damaged frame is soon sent again at 115,200 baud.
pub const MAX_PAYLOAD_BYTES: usize = 1024;
/// Kind and both epochs.
const HEADER_BYTES: usize = 1 + 4 + 4;
const CRC_BYTES: usize = 4;
/// Longest body with its check.
const MAX_CHECKED_BYTES: usize = HEADER_BYTES + 9 + MAX_PAYLOAD_BYTES + CRC_BYTES;
/// Longest text between two zeros.
const MAX_CODED_BYTES: usize = cobs::max_encoding_length(MAX_CHECKED_BYTES) + 1;
/// Longest frame on the line, both zeros included.
pub const MAX_FRAME_BYTES: usize = MAX_CODED_BYTES + 2;

const HELLO: u8 = 1;
const DATA: u8 = 2;
const ACK: u8 = 3;
const PING: u8 = 4;
const CLOSE: u8 = 5;

/// One life of one end: drawn at random whenever an end starts over, so that nothing of an earlier life is
/// ever taken for this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch(NonZeroU32);

impl Epoch {
    /// An epoch from 32 random bits.
    pub fn from_random(bits: u32) -> Self {
        Self(NonZeroU32::new(bits).unwrap_or(NonZeroU32::MIN))
    }

    fn decode(bytes: [u8; 4]) -> Option<Self> {
        NonZeroU32::new(u32::from_le_bytes(bytes)).map(Self)
    }
}

/// A frame; the payload lies in the decoder's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Who sends.
    pub from: Epoch,
    /// Whom it is for; `None` before the sender has heard anybody.
    pub to: Option<Epoch>,
    /// What is said.
    pub body: Body<'a>,
}

/// What a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Body<'a> {
    /// "I am here and speak this version."
    Hello {
        /// Version of frames and link.
        version: u8,
    },
    /// A piece of the byte stream.
    Data {
        /// Bytes of the stream before it.
        offset: u64,
        /// How often the sender has gone back to send again, modulo 256.
        round: u8,
        /// The piece, 1 to [`MAX_PAYLOAD_BYTES`].
        payload: &'a [u8],
    },
    /// How far the stream in the other direction has come. Values are absolute, so a later one replaces
    /// every lost one.
    Ack {
        /// Bytes received without a gap.
        received: u64,
        /// Offset up to which may be sent.
        limit: u64,
        /// The round of bytes that arrived and were dropped because something before them is missing.
        gap: Option<u8>,
    },
    /// "Send an acknowledgement."
    Ping,
    /// "I end this connection."
    Close,
}

/// Why bytes between two borders were no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// More bytes than any frame has; everything up to the next border is skipped.
    #[error("more than {MAX_CODED_BYTES} bytes without a border")]
    PeerTooLong,
    /// Not COBS.
    #[error("frame is not byte-stuffed")]
    PeerStuffing,
    /// Too short for a frame, or the check does not fit.
    #[error("frame is damaged")]
    PeerDamaged,
    /// Undamaged, and not a frame of this version.
    #[error("frame of an unknown form")]
    PeerForm,
}

/// Appends `frame` to `line`.
///
/// A payload beyond [`MAX_PAYLOAD_BYTES`] is cut there; [`super::link`] never hands one over.
pub fn encode(frame: &Frame<'_>, line: &mut Vec<u8>) {
    let mut body = Vec::with_capacity(MAX_CHECKED_BYTES);
    let kind = match frame.body {
        Body::Hello { .. } => HELLO,
        Body::Data { .. } => DATA,
        Body::Ack { .. } => ACK,
        Body::Ping => PING,
        Body::Close => CLOSE,
    };
    body.push(kind);
    body.extend_from_slice(&frame.from.0.get().to_le_bytes());
    body.extend_from_slice(&frame.to.map_or(0, |to| to.0.get()).to_le_bytes());
    match frame.body {
        Body::Hello { version } => body.push(version),
        Body::Data {
            offset,
            round,
            payload,
        } => {
            body.extend_from_slice(&offset.to_le_bytes());
            body.push(round);
            body.extend_from_slice(&payload[..payload.len().min(MAX_PAYLOAD_BYTES)]);
        }
        Body::Ack { received, limit, gap } => {
            body.extend_from_slice(&received.to_le_bytes());
            body.extend_from_slice(&limit.to_le_bytes());
            body.extend_from_slice(&gap.map_or([0, 0], |round| [1, round]));
        }
        Body::Ping | Body::Close => {}
    }
    body.extend_from_slice(&crc32fast::hash(&body).to_le_bytes());
    line.push(0);
    let start = line.len();
    line.resize(start + MAX_CODED_BYTES, 0);
    let coded = cobs::encode(&body, &mut line[start..]);
    line.truncate(start + coded);
    line.push(0);
}

/// Finds frames in whatever comes over the line. Holds at most one frame.
#[derive(Debug)]
pub struct Decoder {
    /// Invariant: no zero in it while `state` is not `Done`, at most [`MAX_CODED_BYTES`].
    coded: Vec<u8>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Collects what follows a border.
    Collecting,
    /// Too long already: skips to the next border.
    Skipping,
    /// A frame was handed out; what is collected is no longer needed.
    Done,
}

impl Default for Decoder {
    fn default() -> Self {
        Self {
            coded: Vec::with_capacity(MAX_CODED_BYTES),
            state: State::Collecting,
        }
    }
}

impl Decoder {
    /// Takes bytes from the front of `line` until a frame, or what should have been one, ends; `None` when
    /// all are taken. Call again while it answers.
    ///
    /// # Errors
    /// Inside the answer: [`FrameError`], after which the decoder stands at a border again.
    pub fn feed(&mut self, line: &mut &[u8]) -> Option<Result<Frame<'_>, FrameError>> {
        loop {
            if self.state == State::Done {
                self.coded.clear();
                self.state = State::Collecting;
            }
            let border = line.iter().position(|&byte| byte == 0);
            let (piece, rest) = line.split_at(border.unwrap_or(line.len()));
            self.collect(piece);
            let Some(rest) = border.and_then(|_| rest.get(1..)) else {
                *line = &[];
                return None;
            };
            *line = rest;
            if core::mem::replace(&mut self.state, State::Done) == State::Skipping {
                return Some(Err(FrameError::PeerTooLong));
            }
            // Two borders in a row stand between any two frames.
            if !self.coded.is_empty() {
                break;
            }
        }
        Some(decode(&mut self.coded))
    }

    fn collect(&mut self, piece: &[u8]) {
        if self.state == State::Collecting && self.coded.len() + piece.len() > MAX_CODED_BYTES {
            self.coded.clear();
            self.state = State::Skipping;
        }
        if self.state == State::Collecting {
            self.coded.extend_from_slice(piece);
        }
    }
}

/// Reads one frame from the text between two borders.
fn decode(coded: &mut [u8]) -> Result<Frame<'_>, FrameError> {
    let len = cobs::decode_in_place(coded).or(Err(FrameError::PeerStuffing))?;
    let checked = coded.get(..len).ok_or(FrameError::PeerStuffing)?;
    let (body, check) = checked
        .split_last_chunk::<CRC_BYTES>()
        .ok_or(FrameError::PeerDamaged)?;
    if crc32fast::hash(body) != u32::from_le_bytes(*check) {
        return Err(FrameError::PeerDamaged);
    }
    parse(body).ok_or(FrameError::PeerForm)
}

fn parse(body: &[u8]) -> Option<Frame<'_>> {
    let (&[kind], body) = body.split_first_chunk()?;
    let (from, body) = body.split_first_chunk()?;
    let (to, body) = body.split_first_chunk()?;
    let (from, to) = (Epoch::decode(*from)?, Epoch::decode(*to));
    let body = match (kind, body) {
        (HELLO, &[version]) => Body::Hello { version },
        (DATA, body) => {
            let (offset, body) = body.split_first_chunk()?;
            let (&round, payload) = body.split_first()?;
            let offset = u64::from_le_bytes(*offset);
            if payload.is_empty() || payload.len() > MAX_PAYLOAD_BYTES {
                return None;
            }
            Body::Data {
                offset,
                round,
                payload,
            }
        }
        (ACK, body) => {
            let (received, body) = body.split_first_chunk()?;
            let (limit, body) = body.split_first_chunk()?;
            let gap = match *body {
                [0, 0] => None,
                [1, round] => Some(round),
                _ => return None,
            };
            let (received, limit) = (u64::from_le_bytes(*received), u64::from_le_bytes(*limit));
            Body::Ack { received, limit, gap }
        }
        (PING, []) => Body::Ping,
        (CLOSE, []) => Body::Close,
        _ => return None,
    };
    Some(Frame { from, to, body })
}

#[cfg(test)]
mod tests;
