//! Messages in a byte stream: four little-endian bytes of length, then the message.
//!
//! Failure model: a length beyond the limit ends the stream, before anything is kept for it.

use std::io::{self, Write};

/// The other end announced a message that is too large.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("message of {got_bytes} bytes announced, at most {max_bytes} are allowed")]
pub(super) struct PeerTooLarge {
    got_bytes: usize,
    max_bytes: usize,
}

/// Puts messages together. Keeps what has arrived of one, never more.
#[derive(Debug)]
pub(super) struct Inbox {
    max_bytes: usize,
    length: [u8; 4],
    /// Bytes of the length that have arrived.
    length_has: usize,
    message: Vec<u8>,
}

impl Inbox {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            length: [0; 4],
            length_has: 0,
            message: Vec::new(),
        }
    }

    /// Takes bytes from the front of `stream` until a message is whole; `None` when all are taken.
    pub(super) fn next(&mut self, stream: &mut &[u8]) -> Result<Option<Vec<u8>>, PeerTooLarge> {
        let missing = &mut self.length[self.length_has..];
        let (piece, rest) = stream.split_at(missing.len().min(stream.len()));
        missing[..piece.len()].copy_from_slice(piece);
        self.length_has += piece.len();
        *stream = rest;
        if self.length_has < self.length.len() {
            return Ok(None);
        }
        let got_bytes = usize::try_from(u32::from_le_bytes(self.length)).unwrap_or(usize::MAX);
        if got_bytes > self.max_bytes {
            let max_bytes = self.max_bytes;
            return Err(PeerTooLarge { got_bytes, max_bytes });
        }
        let missing = got_bytes - self.message.len();
        let (piece, rest) = stream.split_at(missing.min(stream.len()));
        self.message.extend_from_slice(piece);
        *stream = rest;
        if self.message.len() < got_bytes {
            return Ok(None);
        }
        self.length_has = 0;
        Ok(Some(std::mem::take(&mut self.message)))
    }
}

/// A message on its way out.
#[derive(Debug)]
pub(super) struct Sending {
    length: [u8; 4],
    payload: Vec<u8>,
    /// Bytes gone, of length and payload together.
    gone: usize,
}

impl Sending {
    /// The payload is shorter than 4 GiB: its sender has a limit.
    pub(super) fn new(payload: Vec<u8>) -> Self {
        Self {
            length: u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes(),
            payload,
            gone: 0,
        }
    }

    /// Writes what `out` takes; whether that was all.
    pub(super) fn write_to(&mut self, out: &mut impl Write) -> io::Result<bool> {
        loop {
            let rest = match self.gone.checked_sub(self.length.len()) {
                None => &self.length[self.gone..],
                Some(at) => &self.payload[at..],
            };
            if rest.is_empty() && self.gone >= self.length.len() {
                return Ok(true);
            }
            match out.write(rest) {
                Ok(0) => return Ok(false),
                Ok(len) => self.gone += len,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back_however_the_stream_is_cut() {
        let messages = [vec![], vec![1], vec![2; 70_000], vec![0; 4]];
        let mut stream = Vec::new();
        for message in &messages {
            assert!(Sending::new(message.clone()).write_to(&mut stream).unwrap());
        }
        for cut in [1, 2, 3, 5, 1000, stream.len()] {
            let (mut inbox, mut got) = (Inbox::new(70_000), Vec::new());
            for mut piece in stream.chunks(cut) {
                while let Some(message) = inbox.next(&mut piece).unwrap() {
                    got.push(message);
                }
            }
            assert_eq!(got, messages, "cut into {cut}");
        }
    }

    #[test]
    fn an_announcement_beyond_the_limit_is_refused_before_anything_is_kept() {
        let mut inbox = Inbox::new(100);
        let mut stream = &[101, 0, 0, 0, 1, 1][..];
        let (got_bytes, max_bytes) = (101, 100);
        assert_eq!(
            inbox.next(&mut stream),
            Err(PeerTooLarge { got_bytes, max_bytes })
        );
        assert_eq!(inbox.message.capacity(), 0);
    }

    #[test]
    fn a_writer_that_takes_little_is_asked_again() {
        struct Narrow(Vec<u8>, bool);
        impl Write for Narrow {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.1 = !self.1;
                if self.1 {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                self.0.extend(bytes.first());
                Ok(1)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (mut narrow, mut sending) = (Narrow(Vec::new(), false), Sending::new(vec![7, 8]));
        let turns = (0..100).find(|_| sending.write_to(&mut narrow).unwrap()).unwrap();
        assert_eq!(narrow.0, [2, 0, 0, 0, 7, 8]);
        assert_eq!(turns, 6);
    }
}
