//! Buffers whose vectors do not straddle cache lines.

/// Bytes of a cache line.
const LINE: usize = 64;

/// Zeros that start at a cache line.
pub(super) struct Aligned {
    numbers: Vec<f64>,
    start: usize,
    len: usize,
}

impl Aligned {
    pub(super) fn zeros(len: usize) -> Self {
        let numbers = vec![0.0; len + LINE / size_of::<f64>()];
        let start = numbers.as_ptr().align_offset(LINE).min(LINE / size_of::<f64>());
        Self { numbers, start, len }
    }

    pub(super) fn as_slice(&self) -> &[f64] {
        &self.numbers[self.start..self.start + self.len]
    }

    pub(super) fn as_mut_slice(&mut self) -> &mut [f64] {
        &mut self.numbers[self.start..self.start + self.len]
    }
}
