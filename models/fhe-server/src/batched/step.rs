//! One step: tiles of positions, each from source to sink before the next.

use obscura_circuit::{Circuit, Operation, SumPool};
use obscura_fhe_core::Plan;
use rayon::prelude::*;

use super::{
    BatchedKeys, look_up::LookUp, schedule::Step, sink::Sink, source::Source, tile::Tiles, to_word, zeros,
};
use crate::{ServerError, control::Watch, measure::Part};

/// The tensor that `step` makes from `read`.
///
/// # Errors
/// [`ServerError::Cancelled`], [`ServerError::OutOfMemory`], or [`ServerError::MisusePlan`].
pub(super) fn run(
    plan: &Plan,
    circuit: &Circuit,
    keys: &BatchedKeys,
    step: &Step,
    read: &[u32],
    watch: &Watch<'_>,
) -> Result<Vec<u32>, ServerError> {
    let size = plan.parameters().large_dimension() + 1;
    let layer = |layer: Option<usize>| layer.map(|l| &circuit.layers()[l].operation);
    let tiles = Tiles::new(circuit, step, rayon::current_num_threads());
    let table = step.lut.and_then(|lut| plan.table(lut));
    let look_up = match (layer(step.lut), table) {
        (Some(Operation::Lut(lut)), Some(table)) => Some(LookUp::new(lut, table, keys, size, watch)),
        (None, _) => None,
        _ => return Err(ServerError::MisusePlan),
    };
    let pool = match layer(step.pool) {
        Some(Operation::SumPool(pool)) => Some(pool),
        _ => None,
    };
    let source = Source {
        read,
        size,
        positions: tiles.positions,
        channels: tiles.channels,
        dense: layer(step.dense).and_then(Operation::dense),
        delta: plan.delta(step.dense.map_or(step.reads, |dense| dense + 1)),
        shift: table.map_or(0, |table| table.input_shift),
    };
    let sink = Sink::new(size, tiles.positions, pool);
    let mut tensor = zeros(circuit.shape(step.makes).elements() * size)?;
    let mut words = zeros(tiles.per_tile * tiles.channels * size)?;
    for positions in tiles.iter() {
        watch.check()?;
        let tile = &mut words[..positions.len() * tiles.channels * size];
        let threads = rayon::current_num_threads();
        watch
            .probe
            .timed(Part::Linear, threads, || source.fill(positions.clone(), tile))?;
        let show = |layer: Option<usize>, tile: &[u32], shift: u32| {
            if let (Some(layer), Some(_)) = (layer, watch.probe.inspect) {
                for (number, ciphertext) in tile.chunks_exact(size).enumerate() {
                    let position = positions.start + number / tiles.channels;
                    let element = number % tiles.channels * tiles.positions + position;
                    watch.probe.show(layer, element, ciphertext, shift);
                }
            }
        };
        show(step.dense, tile, to_word(source.shift).wrapping_neg());
        if let Some(look_up) = &look_up {
            look_up.apply(tile)?;
            show(
                step.lut,
                tile,
                table.map_or(0, |table| to_word(table.output_shift())),
            );
        }
        sink.deliver(positions, tile, &mut tensor);
    }
    if let Some(table) = table {
        let terms = pool.map_or(1, SumPool::window_len);
        let terms = u64::try_from(terms).unwrap_or(u64::MAX);
        let shift = to_word(table.output_shift().wrapping_mul(terms));
        tensor.par_chunks_exact_mut(size).for_each(|ciphertext| {
            if let Some(body) = ciphertext.last_mut() {
                *body = body.wrapping_add(shift);
            }
        });
    }
    if let (Some(layer), Some(_)) = (step.pool, watch.probe.inspect) {
        for (element, ciphertext) in tensor.chunks_exact(size).enumerate() {
            watch.probe.show(layer, element, ciphertext, 0);
        }
    }
    Ok(tensor)
}
