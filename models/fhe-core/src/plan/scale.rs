//! Scales: how much of the torus one integer of each tensor takes.

use obscura_circuit::{Circuit, Interval, Operation};

use crate::{PlanError, WordSize};

/// Torus units (2^-64) per integer of each tensor, the input first.
///
/// A table dictates the scale of what it reads (its entries fill half of the torus); values no table reads
/// take as much of the torus as they reach. An integer is at least one unit of a word.
pub(super) fn deltas(circuit: &Circuit, words: WordSize) -> Result<Vec<u64>, PlanError> {
    let layers = circuit.layers();
    let group = groups(circuit);
    let dictated = dictated(circuit, &group)?;
    let least = match words {
        WordSize::Bits32 => 1 << 32,
        WordSize::Bits64 => 2,
    };
    let name = |tensor: usize| tensor.checked_sub(1).map_or("input", |i| &*layers[i].name);
    (0..group.len())
        .map(|tensor| {
            let delta = dictated[group[tensor]].unwrap_or_else(|| free(circuit, &group, group[tensor]));
            // Even, because tables are stored centred in half steps.
            let delta = delta & !1;
            if delta < least {
                Err(PlanError::TooWide {
                    layer: name(tensor).into(),
                })
            } else {
                Ok(delta)
            }
        })
        .collect()
}

/// The group of a tensor is the first tensor it is a linear image of; a group shares one scale.
fn groups(circuit: &Circuit) -> Vec<usize> {
    let mut group = vec![0];
    for (index, layer) in circuit.layers().iter().enumerate() {
        group.push(match layer.operation {
            Operation::Lut(_) => index + 1,
            Operation::Linear(_) | Operation::Conv2d(_) | Operation::SumPool(_) => group[layer.reads],
        });
    }
    group
}

fn dictated(circuit: &Circuit, group: &[usize]) -> Result<Vec<Option<u64>>, PlanError> {
    let mut dictated: Vec<Option<u64>> = vec![None; group.len()];
    for layer in circuit.layers() {
        let Operation::Lut(lut) = &layer.operation else {
            continue;
        };
        let entries = u64::try_from(lut.entries()).unwrap_or(u64::MAX);
        let delta = (1_u64 << 63) / lut.step.unsigned_abs().saturating_mul(entries).max(1);
        let slot = &mut dictated[group[layer.reads]];
        if slot.is_some_and(|other| other != delta) {
            return Err(PlanError::ConflictingSteps {
                layer: layer.name.clone(),
            });
        }
        *slot = Some(delta);
    }
    Ok(dictated)
}

/// The scale of a group no table reads.
fn free(circuit: &Circuit, group: &[usize], own: usize) -> u64 {
    let members = (0..group.len()).filter(|&tensor| group[tensor] == own);
    let reach = members
        .flat_map(|tensor| circuit.reach(tensor))
        .copied()
        .reduce(Interval::hull);
    // One value of slack on each side, so that noise at an extreme decodes to the extreme.
    let span = reach.map_or(4, |r| r.max.abs_diff(r.min).saturating_add(3));
    u64::MAX / span
}
