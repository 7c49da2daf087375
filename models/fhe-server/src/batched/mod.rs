//! Evaluation in batches: block-binary small secret, 32-bit words, look-ups by this crate's own kernels.
//!
//! The circuit is cut into steps (`schedule`). A step takes positions of one tensor, multiplies them by weights,
//! looks the results up and sums them into pools, as far as its layers say so; a tile of positions goes through
//! all of that before the next begins, so that what a pool sums never exists as a tensor.

mod look_up;
mod positions;
mod schedule;
mod sink;
mod source;
mod step;
#[cfg(test)]
mod tests;
mod tile;

use obscura_circuit::Circuit;
use obscura_fhe_core::{Item, ParameterSet, Plan};

use crate::{
    ServerError,
    control::Watch,
    input::expand,
    key_switch::KeySwitchKey,
    keys::{Seeded, expand_bootstrap, expand_key_switch},
    rotation::{self, RotationInput, RotationKey},
};
use positions::Positions;
use schedule::Schedule;

/// The key-switching key as its kernel reads it; `None` for parameters the kernel is not written for.
fn key_switch_key(set: &ParameterSet, key: Seeded) -> Option<KeySwitchKey> {
    KeySwitchKey::new(
        set.large_dimension(),
        set.lwe_dimension + 1,
        set.key_switch_base_log2,
        set.key_switch_levels,
        expand_key_switch(set, key).as_ref(),
    )
}

/// The keys as the batched kernels read them.
pub(crate) struct BatchedKeys {
    key_switch: KeySwitchKey,
    rotation: RotationKey,
    positions: Positions,
    /// N.
    polynomial_size: usize,
}

impl BatchedKeys {
    /// `None` for parameters the kernels are not written for.
    pub(crate) fn new(set: &ParameterSet, key_switch: Seeded, bootstrap: Seeded) -> Option<Self> {
        // The words in tfhe's form are dropped before the next key is expanded.
        let key_switch = key_switch_key(set, key_switch)?;
        let rotation = RotationKey::new(shape(set), expand_bootstrap(set, bootstrap).as_ref())?;
        Some(Self {
            key_switch,
            rotation,
            positions: Positions::new(set),
            polynomial_size: set.polynomial_size,
        })
    }

    /// Key switch of ciphertexts `[count][k N + 1]` to `[count][n + 1]`, on the calling thread.
    pub(crate) fn switch(&self, large: &[u32], small: &mut [u32]) {
        self.key_switch.switch(large, small);
    }

    /// Rotation of one table by ciphertexts `[count][n + 1]`, on the calling thread.
    pub(crate) fn rotate(&self, small: &[u32], table: &[f64], out: &mut [u32]) {
        let width = self.key_switch.outputs();
        let mut positions = vec![0; small.len()];
        for (from, to) in small.chunks_exact(width).zip(positions.chunks_exact_mut(width)) {
            self.positions.switch(from, to);
        }
        let inputs: Vec<RotationInput<'_>> = positions
            .chunks_exact(width)
            .filter_map(|positions| {
                let (&body, mask) = positions.split_last()?;
                Some(RotationInput { mask, body, table })
            })
            .collect();
        self.rotation.rotate(&inputs, out);
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.key_switch.memory_bytes() + self.rotation.memory_bytes()
    }

    pub(crate) fn predicted_bytes(set: &ParameterSet) -> usize {
        let key_switch = KeySwitchKey::predicted_bytes(
            set.large_dimension(),
            set.lwe_dimension + 1,
            set.key_switch_levels as usize,
        );
        let matrix = (set.glwe_dimension + 1).pow(2) * set.rotation_levels as usize;
        key_switch + set.lwe_dimension * matrix * set.polynomial_size * size_of::<f64>()
    }
}

fn shape(set: &ParameterSet) -> rotation::Shape {
    rotation::Shape {
        polynomial_size: set.polynomial_size,
        glwe_dimension: set.glwe_dimension,
        lwe_dimension: set.lwe_dimension,
        block: set.lwe_block,
        base_log2: set.rotation_base_log2,
        levels: set.rotation_levels as usize,
    }
}

/// Predicted memory of an evaluation on the threads of the current rayon pool.
pub(crate) fn evaluation_bytes(plan: &Plan, circuit: &Circuit) -> usize {
    Schedule::new(circuit).peak_bytes(plan, circuit, rayon::current_num_threads())
}

/// The words of all outputs in the circuit's order, widened to 64 bits.
pub(crate) fn evaluate(
    plan: &Plan,
    circuit: &Circuit,
    keys: &BatchedKeys,
    item: &Item,
    watch: &Watch<'_>,
) -> Result<Vec<u64>, ServerError> {
    let set = plan.parameters();
    let size = set.large_dimension() + 1;
    let schedule = Schedule::new(circuit);
    let mut tensors: Vec<Option<Vec<u32>>> = vec![None; circuit.layers().len() + 1];
    let mut input = zeros(plan.input_len() * size)?;
    expand(set, item, &mut input, to_word);
    tensors[0] = Some(input);
    for (index, step) in schedule.steps.iter().enumerate() {
        let read = tensors[step.reads].as_deref().ok_or(ServerError::MisusePlan)?;
        let result = step::run(plan, circuit, keys, step, read, watch)?;
        tensors[step.makes] = Some(result);
        for &tensor in schedule.free_after(index) {
            tensors[tensor] = None;
        }
        watch.finished(step.layers());
    }
    let mut outputs = reserve(plan.output_len() * size)?;
    for output in plan.outputs() {
        let tensor = tensors[output.reads].as_deref().ok_or(ServerError::MisusePlan)?;
        outputs.extend(tensor.iter().map(|&word| u64::from(word) << 32));
    }
    Ok(outputs)
}

/// A 64-bit torus word rounded to 32 bits.
fn to_word(word: u64) -> u32 {
    (word.wrapping_add(1 << 31) >> 32) as u32
}

/// An empty buffer for `len` elements, or the news that there is no memory for it.
fn reserve<T>(len: usize) -> Result<Vec<T>, ServerError> {
    let mut buffer = Vec::new();
    let needed_bytes = len.saturating_mul(size_of::<T>());
    match buffer.try_reserve_exact(len) {
        Ok(()) => Ok(buffer),
        Err(_) => Err(ServerError::OutOfMemory { needed_bytes }),
    }
}

/// Zeros, or the news that there is no memory for them.
fn zeros<T: Copy + Default>(len: usize) -> Result<Vec<T>, ServerError> {
    let mut buffer = reserve(len)?;
    buffer.resize(len, T::default());
    Ok(buffer)
}
