//! Slots and floors: what may run, what runs first, and what may never run again.

mod floors;
mod slots;

pub use floors::{BelowFloor, FloorFull, Floors, MAX_MODELS};
pub use slots::{Slot, SlotId, Slots, TRIES};
