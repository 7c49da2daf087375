//! Moving a large object as content-addressed chunks that the receiver pulls.
//!
//! Both ends are state machines without I/O: the receiver says which chunks it wants and where an arrived
//! chunk belongs, the sender only cuts. The receiver's bitmap is all that a resume needs.

use alloc::{vec, vec::Vec};
use core::ops::Range;
use serde::{Deserialize, Serialize};

use crate::{
    codec,
    identity::{ClientId, Digest, PeerName},
};

/// Chunk length every object is cut into, in bytes; the last chunk may be shorter.
pub const MAX_CHUNK_BYTES: u32 = 256 * 1024;
/// Most chunks of one object: 1 GiB.
pub const MAX_CHUNKS: u32 = 4096;
/// Largest model bundle.
pub const MAX_BUNDLE_BYTES: u32 = 64 * 1024 * 1024;
/// First protocol version in which bundles are offered.
pub const BUNDLES_SINCE: u16 = 3;

/// What an object is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ObjectKind {
    /// Evaluation keys of one client for one parameter set.
    EvaluationKeys,
    /// A signed model bundle for the box. From version 3 on.
    Bundle,
}

/// Name, size and use of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectHeader {
    /// What it is for.
    pub kind: ObjectKind,
    /// SHA-256 of the whole object, its name.
    pub digest: Digest,
    /// Length, bytes.
    pub len_bytes: u64,
    /// Random name it is filed under.
    pub client: ClientId,
    /// SHA-256 of the cryptographic parameters it belongs to.
    pub parameter_hash: Digest,
}

impl ObjectHeader {
    /// The one header under which `device` may offer a bundle of `len_bytes` with this SHA-256.
    ///
    /// The name it is filed under follows from device and bundle, so that a device that knows no more than the
    /// file goes on where it stopped, and two devices never share a name.
    pub fn of_bundle(device: &PeerName, digest: Digest, len_bytes: u64) -> Self {
        let name = Digest::of(&[b"obscura bundle\0", device.as_str().as_bytes(), b"\0", &digest.0].concat());
        let mut client = [0; 16];
        client.copy_from_slice(&name.0[..16]);
        Self {
            kind: ObjectKind::Bundle,
            digest,
            len_bytes,
            client: ClientId(client),
            // A bundle states its parameters itself, under its signatures.
            parameter_hash: Digest([0; 32]),
        }
    }
}

/// A set of chunk numbers as runs, at most [`ChunkSet::MAX_RUNS`].
///
/// Invariant: runs are not empty, ascend without touching or overlapping, and end at or below [`MAX_CHUNKS`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WireChunkSet")]
pub struct ChunkSet(Vec<(u32, u32)>);

#[derive(Deserialize)]
struct WireChunkSet(
    #[serde(deserialize_with = "codec::bounded::<_, _, { ChunkSet::MAX_RUNS }>")] Vec<(u32, u32)>,
);

/// A chunk set from a peer breaks its invariant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("chunk runs must ascend, be apart and lie below {MAX_CHUNKS}")]
struct PeerChunkRuns;

impl TryFrom<WireChunkSet> for ChunkSet {
    type Error = PeerChunkRuns;

    fn try_from(WireChunkSet(runs): WireChunkSet) -> Result<Self, PeerChunkRuns> {
        let mut free_from = 0;
        for &(first, count) in &runs {
            let end = first
                .checked_add(count)
                .filter(|&end| count > 0 && end <= MAX_CHUNKS);
            let end = end.ok_or(PeerChunkRuns)?;
            if first < free_from {
                return Err(PeerChunkRuns);
            }
            free_from = end + 1;
        }
        Ok(Self(runs))
    }
}

impl ChunkSet {
    /// Most runs in one set, so that a set fits one message.
    pub const MAX_RUNS: usize = 64;

    /// Collects strictly ascending chunk numbers below [`MAX_CHUNKS`], up to the first that is not, and as
    /// far as [`Self::MAX_RUNS`] runs reach.
    pub fn from_ascending(indices: impl IntoIterator<Item = u32>) -> Self {
        let mut runs: Vec<(u32, u32)> = Vec::new();
        for index in indices {
            let full = runs.len() == Self::MAX_RUNS;
            match runs.last_mut() {
                _ if index >= MAX_CHUNKS => break,
                Some((first, count)) if *first + *count == index => *count += 1,
                Some((first, count)) if index < *first + *count => break,
                _ if full => break,
                _ => runs.push((index, 1)),
            }
        }
        Self(runs)
    }

    /// The chunk numbers below `limit`, ascending, each once.
    pub fn indices(&self, limit: u32) -> impl Iterator<Item = u32> + '_ {
        self.0
            .iter()
            .flat_map(move |&(first, count)| first..(first + count).min(limit))
    }

    /// Whether no chunk is in the set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Why a transfer was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// The object is empty or larger than the receiver takes.
    #[error("object is {got_bytes} bytes, 1 to {max_bytes} are allowed")]
    PeerObjectSize {
        /// Length offered.
        got_bytes: u64,
        /// Length allowed.
        max_bytes: u64,
    },
    /// The chunk's number lies outside the object.
    #[error("chunk {index} does not exist, the object has {chunks}")]
    PeerNoSuchChunk {
        /// Number received.
        index: u32,
        /// Chunks of the object.
        chunks: u32,
    },
    /// The chunk's length is not the one its number implies.
    #[error("chunk {index} is {got_bytes} bytes instead of {want_bytes}")]
    PeerChunkLength {
        /// Chunk number.
        index: u32,
        /// Length received.
        got_bytes: usize,
        /// Length expected.
        want_bytes: usize,
    },
    /// A stored bitmap does not fit the object.
    #[error("bitmap is {got_bytes} bytes instead of {want_bytes}")]
    DeviceBitmapLength {
        /// Length found.
        got_bytes: usize,
        /// Length expected.
        want_bytes: usize,
    },
}

/// Chunks of an object of `len_bytes`.
fn chunk_count(len_bytes: u64) -> u64 {
    len_bytes.div_ceil(u64::from(MAX_CHUNK_BYTES))
}

/// Byte range of chunk `index` in an object of `len_bytes`, `None` outside it.
pub fn chunk_range(len_bytes: u64, index: u32) -> Option<Range<u64>> {
    let start = u64::from(index) * u64::from(MAX_CHUNK_BYTES);
    (start < len_bytes).then(|| start..len_bytes.min(start + u64::from(MAX_CHUNK_BYTES)))
}

/// The receiving side: which chunks are there, which are asked for.
#[derive(Clone, Debug)]
pub struct Receiver {
    header: ObjectHeader,
    /// Invariant: one bit per chunk, least significant first, unused bits zero.
    bitmap: Vec<u8>,
    chunks: u32,
    have: u32,
    /// Invariant: chunks asked for and not yet arrived, ascending, at most one window.
    asked: Vec<u32>,
}

/// What to do with an arrived chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Write it at this offset, then call [`Receiver::mark`].
    Write {
        /// Byte offset in the object.
        offset: u64,
    },
    /// It is there already.
    Duplicate,
}

impl Receiver {
    /// Begins the transfer of `header` into a store that takes `max_object_bytes`.
    ///
    /// # Errors
    /// [`TransferError::PeerObjectSize`].
    pub fn new(header: ObjectHeader, max_object_bytes: u64) -> Result<Self, TransferError> {
        let max_bytes = max_object_bytes.min(u64::from(MAX_CHUNKS) * u64::from(MAX_CHUNK_BYTES));
        if header.len_bytes == 0 || header.len_bytes > max_bytes {
            return Err(TransferError::PeerObjectSize {
                got_bytes: header.len_bytes,
                max_bytes,
            });
        }
        let chunks = u32::try_from(chunk_count(header.len_bytes))
            .expect("the size check above bounds the count by MAX_CHUNKS");
        Ok(Self {
            header,
            bitmap: vec![0; chunks.div_ceil(8) as usize],
            chunks,
            have: 0,
            asked: Vec::new(),
        })
    }

    /// Continues a transfer from a stored bitmap.
    ///
    /// # Errors
    /// [`TransferError`] when header or bitmap do not fit.
    pub fn resume(header: ObjectHeader, max_object_bytes: u64, bitmap: &[u8]) -> Result<Self, TransferError> {
        let mut receiver = Self::new(header, max_object_bytes)?;
        if bitmap.len() != receiver.bitmap.len() {
            let (got_bytes, want_bytes) = (bitmap.len(), receiver.bitmap.len());
            return Err(TransferError::DeviceBitmapLength {
                got_bytes,
                want_bytes,
            });
        }
        for index in 0..receiver.chunks {
            if bitmap[index as usize / 8] >> (index % 8) & 1 == 1 {
                receiver.mark(index);
            }
        }
        Ok(receiver)
    }

    /// The object.
    pub fn header(&self) -> &ObjectHeader {
        &self.header
    }

    /// The bitmap to store for a resume.
    pub fn bitmap(&self) -> &[u8] {
        &self.bitmap
    }

    /// Chunks present.
    pub fn have(&self) -> u32 {
        self.have
    }

    /// Chunks in all.
    pub fn chunks(&self) -> u32 {
        self.chunks
    }

    /// Whether every chunk is there; the hash is still to be checked.
    pub fn is_complete(&self) -> bool {
        self.have == self.chunks
    }

    fn has(&self, index: u32) -> bool {
        self.bitmap[index as usize / 8] >> (index % 8) & 1 == 1
    }

    /// The next chunks to ask for when at most half of `window` are under way; empty otherwise.
    pub fn want(&mut self, window: u32) -> ChunkSet {
        if self.asked.len() * 2 > window as usize {
            return ChunkSet::default();
        }
        let free = (window as usize).saturating_sub(self.asked.len());
        let mut next: Vec<u32> = (0..self.chunks)
            .filter(|&i| !self.has(i) && self.asked.binary_search(&i).is_err())
            .take(free)
            .collect();
        let set = ChunkSet::from_ascending(next.iter().copied());
        next.truncate(set.indices(self.chunks).count());
        self.asked.extend(next);
        self.asked.sort_unstable();
        set
    }

    /// Forgets what was asked, after a new session: everything missing is asked again.
    pub fn forget_asked(&mut self) {
        self.asked.clear();
    }

    /// Judges an arrived chunk; nothing changes until [`Self::mark`].
    ///
    /// # Errors
    /// [`TransferError`] when number or length are wrong.
    pub fn arrive(&self, index: u32, bytes: &[u8]) -> Result<Arrival, TransferError> {
        let range = chunk_range(self.header.len_bytes, index).ok_or(TransferError::PeerNoSuchChunk {
            index,
            chunks: self.chunks,
        })?;
        let want_bytes = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        if bytes.len() != want_bytes {
            return Err(TransferError::PeerChunkLength {
                index,
                got_bytes: bytes.len(),
                want_bytes,
            });
        }
        Ok(if self.has(index) {
            Arrival::Duplicate
        } else {
            Arrival::Write { offset: range.start }
        })
    }

    /// Records that chunk `index` is stored; numbers outside the object are ignored.
    pub fn mark(&mut self, index: u32) {
        self.asked.retain(|&i| i != index);
        if index < self.chunks && !self.has(index) {
            self.bitmap[index as usize / 8] |= 1 << (index % 8);
            self.have += 1;
        }
    }
}

#[cfg(test)]
mod tests;
