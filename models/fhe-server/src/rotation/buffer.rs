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

/// Asks for memory before it is needed, where the processor has an instruction for it.
#[derive(Clone, Copy)]
pub(super) struct Prefetch {
    #[cfg(target_arch = "x86_64")]
    sse: Option<pulp::core_arch::x86::Sse>,
}

impl Prefetch {
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self {
            #[cfg(target_arch = "x86_64")]
            sse: pulp::core_arch::x86::Sse::try_new(),
        }
    }

    /// Asks for the cache lines of `count` numbers from number `index` on; these may lie beyond the end.
    #[inline(always)]
    pub(super) fn lines(self, numbers: &[f64], index: usize, count: usize) {
        #[cfg(target_arch = "x86_64")]
        if let Some(sse) = self.sse {
            for line in 0..(count * size_of::<f64>()).div_ceil(LINE) {
                let at = index + line * (LINE / size_of::<f64>());
                // A hint for any address: it neither reads nor faults.
                sse._mm_prefetch::<3>(numbers.as_ptr().wrapping_add(at).cast());
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = (numbers, index, count);
    }
}
