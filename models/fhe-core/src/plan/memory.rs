//! What an evaluation holds in memory.

use obscura_circuit::{Circuit, Operation};

use crate::{ParameterSet, WordSize};

/// Bytes of ciphertexts an evaluation holds at its peak.
///
/// With 32-bit words a tensor is dropped after its last reader, and what only the next of the layers dense,
/// table and pool reads never exists as a whole. With 64-bit words all tensors are kept.
pub(super) fn memory_bytes(circuit: &Circuit, set: &ParameterSet) -> usize {
    let (word_bytes, frugal) = match set.words() {
        WordSize::Bits32 => (4, true),
        WordSize::Bits64 => (8, false),
    };
    let layers = circuit.layers().len();
    let exists = |tensor: usize| !frugal || sole_reader(circuit, tensor).is_none();
    let held = |step: usize| {
        (0..=step)
            .filter(|&tensor| exists(tensor) && (!frugal || last_reader(circuit, tensor) >= step))
            .map(|tensor| circuit.shape(tensor).elements())
            .fold(0, usize::saturating_add)
    };
    let peak = (0..=layers).filter(|&step| exists(step)).map(held).max();
    let ciphertext = (set.large_dimension() + 1).saturating_mul(word_bytes);
    peak.unwrap_or(0).saturating_mul(ciphertext)
}

/// The last tensor that is made while `tensor` is needed; outputs are needed to the end.
fn last_reader(circuit: &Circuit, tensor: usize) -> usize {
    if circuit.outputs().iter().any(|output| output.reads == tensor) {
        return usize::MAX;
    }
    let readers = circuit
        .layers()
        .iter()
        .zip(1..)
        .filter(|(layer, _)| layer.reads == tensor);
    readers
        .map(|(_, made)| whole(circuit, made))
        .max()
        .unwrap_or(tensor)
}

/// The first tensor from `tensor` on that exists as a whole.
fn whole(circuit: &Circuit, tensor: usize) -> usize {
    let mut tensor = tensor;
    while let Some(next) = sole_reader(circuit, tensor) {
        tensor = next;
    }
    tensor
}

/// The tensor made by the layer that `tensor` flows into piece by piece.
fn sole_reader(circuit: &Circuit, tensor: usize) -> Option<usize> {
    let made_by = circuit.layers().get(tensor.checked_sub(1)?)?;
    if circuit.outputs().iter().any(|output| output.reads == tensor) {
        return None;
    }
    let mut readers = circuit
        .layers()
        .iter()
        .zip(1..)
        .filter(|(layer, _)| layer.reads == tensor);
    let (reader, made) = readers.next()?;
    let joins = match made_by.operation {
        Operation::Linear(_) | Operation::Conv2d(_) => matches!(reader.operation, Operation::Lut(_)),
        Operation::Lut(_) => matches!(reader.operation, Operation::SumPool(_)),
        Operation::SumPool(_) => false,
    };
    (joins && readers.next().is_none()).then_some(made)
}
