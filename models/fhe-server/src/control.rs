//! How an evaluation is watched, stopped and bounded.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use obscura_circuit::Circuit;

use crate::{ServerError, measure};

/// What the caller of an evaluation wants to hear, and may forbid; by default nothing.
#[derive(Clone, Copy, Default)]
pub struct Control<'a> {
    /// Hears of every layer done and of every batch of look-ups, from any thread.
    pub progress: Option<&'a (dyn Fn(Progress) + Sync)>,
    /// Once it is true the evaluation ends with [`ServerError::Cancelled`], after a batch of look-ups at the
    /// latest.
    pub cancel: Option<&'a AtomicBool>,
    /// Most memory the evaluation may use besides circuit and keys, bytes; held against the prediction of
    /// [`crate::evaluation_bytes`] before anything is computed.
    pub memory_bytes: Option<usize>,
}

impl std::fmt::Debug for Control<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Control")
            .field("cancel", &self.cancel)
            .field("memory_bytes", &self.memory_bytes)
            .finish_non_exhaustive()
    }
}

/// How far an evaluation is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Layers done.
    pub layer: u32,
    /// Layers of the circuit.
    pub layers: u32,
    /// Look-ups done.
    pub look_ups_done: u64,
    /// Look-ups of the circuit.
    pub look_ups: u64,
}

/// The state behind one evaluation's [`Control`].
pub(crate) struct Watch<'a> {
    control: &'a Control<'a>,
    /// For benchmarks.
    pub(crate) probe: &'a measure::Watch<'a>,
    layers: u32,
    look_ups: u64,
    layer: AtomicU32,
    look_ups_done: AtomicU64,
}

impl<'a> Watch<'a> {
    pub(crate) fn new(control: &'a Control<'a>, circuit: &Circuit, probe: &'a measure::Watch<'a>) -> Self {
        let watch = Self {
            control,
            probe,
            layers: u32::try_from(circuit.layers().len()).unwrap_or(u32::MAX),
            look_ups: u64::try_from(circuit.look_ups()).unwrap_or(u64::MAX),
            layer: AtomicU32::new(0),
            look_ups_done: AtomicU64::new(0),
        };
        watch.tell();
        watch
    }

    /// Whether `needed_bytes` are allowed.
    pub(crate) fn check_memory(&self, needed_bytes: usize) -> Result<(), ServerError> {
        match self.control.memory_bytes {
            Some(allowed) if needed_bytes > allowed => Err(ServerError::OutOfMemory { needed_bytes }),
            _ => Ok(()),
        }
    }

    /// Whether to go on.
    pub(crate) fn check(&self) -> Result<(), ServerError> {
        match self.control.cancel {
            Some(cancel) if cancel.load(Ordering::Relaxed) => Err(ServerError::Cancelled),
            _ => Ok(()),
        }
    }

    /// Counts look-ups.
    pub(crate) fn looked_up(&self, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.look_ups_done.fetch_add(count, Ordering::Relaxed);
        self.tell();
    }

    /// Counts layers.
    pub(crate) fn finished(&self, layers: u32) {
        self.layer.fetch_add(layers, Ordering::Relaxed);
        self.tell();
    }

    fn tell(&self) {
        if let Some(progress) = self.control.progress {
            progress(Progress {
                layer: self.layer.load(Ordering::Relaxed),
                layers: self.layers,
                look_ups_done: self.look_ups_done.load(Ordering::Relaxed),
                look_ups: self.look_ups,
            });
        }
    }
}
