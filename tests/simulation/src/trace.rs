//! What happened, in order: a hash of all of it, and its last lines for whoever must find out why.

use std::{collections::VecDeque, fmt};

/// Lines kept unless all are wanted.
const KEPT: usize = 80;

/// One thing that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Virtual time, milliseconds.
    pub at_ms: u64,
    /// Device number from 1, or 0 for the box.
    pub who: u64,
    /// What.
    pub what: &'static str,
    /// What kind, a message's name for instance.
    pub kind: &'static str,
    /// Whom or what it concerns: the first bytes of an id, or the last of a signature.
    pub about: u64,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, millis) = (self.at_ms / 1000, self.at_ms % 1000);
        write!(f, "{seconds:5}.{millis:03} s  ")?;
        match self.who {
            0 => f.write_str("box     ")?,
            device => write!(f, "device-{device}")?,
        }
        write!(f, "  {:24} {:12} {:016x}", self.what, self.kind, self.about)
    }
}

/// The record of a run.
#[derive(Debug)]
pub(crate) struct Trace {
    hash: u64,
    most: usize,
    lines: VecDeque<Line>,
}

impl Trace {
    /// An empty record that keeps its last lines, or `all` of them.
    pub(crate) fn new(all: bool) -> Self {
        Self {
            // FNV-1a, 64 bits: offset basis.
            hash: 0xcbf2_9ce4_8422_2325,
            most: if all { usize::MAX } else { KEPT },
            lines: VecDeque::new(),
        }
    }

    /// Adds a line.
    pub(crate) fn add(&mut self, line: Line) {
        self.mix(&line.at_ms.to_le_bytes());
        self.mix(&line.who.to_le_bytes());
        self.mix(line.what.as_bytes());
        self.mix(line.kind.as_bytes());
        self.mix(&line.about.to_le_bytes());
        if self.lines.len() == self.most {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    fn mix(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// A hash of every line there was.
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    /// The lines that were kept, the first one first.
    pub(crate) fn into_lines(self) -> Vec<Line> {
        self.lines.into()
    }
}
