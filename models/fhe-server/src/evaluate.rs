//! Evaluation of a circuit on one encrypted item.

use obscura_circuit::Circuit;
use obscura_fhe_core::{Item, Plan, WordSize};

use crate::{
    Control, EvaluationKeys, ServerError, answer::answer, batched, control::Watch, keys::Kernel, measure,
    single,
};

/// Evaluates `circuit` under `plan`, which must have been made from it, on one encrypted item.
///
/// The answer's bytes are those of [`obscura_fhe_core::Answer`], the same for the same item and keys on any
/// number of cores. Runs on all threads of the current rayon pool.
///
/// # Errors
/// [`ServerError`] when item or keys are not of the plan's parameters, when `control` says so, or when memory
/// runs out.
pub fn evaluate(
    plan: &Plan,
    circuit: &Circuit,
    keys: &EvaluationKeys,
    item: &[u8],
    control: &Control<'_>,
) -> Result<Vec<u8>, ServerError> {
    evaluate_watched(plan, circuit, keys, item, control, &measure::Watch::default())
}

/// [`evaluate`], with somebody measuring.
pub(crate) fn evaluate_watched(
    plan: &Plan,
    circuit: &Circuit,
    keys: &EvaluationKeys,
    item: &[u8],
    control: &Control<'_>,
    probe: &measure::Watch<'_>,
) -> Result<Vec<u8>, ServerError> {
    if keys.parameters() != plan.parameters() {
        return Err(ServerError::PeerParameters);
    }
    let item = Item::from_bytes(plan, item)?;
    let watch = Watch::new(control, circuit, probe);
    watch.check()?;
    watch.check_memory(evaluation_bytes(plan, circuit))?;
    let outputs = match &keys.kernel {
        Kernel::Single(kernel) => single::evaluate(plan, circuit, kernel, &item, &watch)?,
        Kernel::Batched(kernel) => batched::evaluate(plan, circuit, kernel, &item, &watch)?,
    };
    Ok(answer(keys, &outputs).to_bytes(plan))
}

/// Predicted memory of one evaluation besides circuit and keys, bytes, on the threads of the current rayon
/// pool.
pub fn evaluation_bytes(plan: &Plan, circuit: &Circuit) -> usize {
    match plan.words() {
        WordSize::Bits64 => single::evaluation_bytes(plan, circuit),
        WordSize::Bits32 => batched::evaluation_bytes(plan, circuit),
    }
}
