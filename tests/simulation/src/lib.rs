//! Deterministic simulation of sessions, transfers and jobs: the real gate and several real links, everything
//! around them simulated, faults included.
//!
//! It must not know how gate and link do what they do: it sees events, effects, and what each keeps in memory.
//! A run is a function of its seed. Faults come first and stop; then everything must finish in a stated
//! virtual time. [`Invariant`] names the rules that are checked at every step.
//!
//! Failure model: a broken rule ends a run and names it, the moment and the last things that happened. A panic
//! of a state machine is a broken rule.

mod agent;
mod campaign;
mod compute;
mod counts;
mod desk;
mod disk;
mod gate;
mod invariant;
mod judge;
mod keys;
mod network;
mod plan;
mod random;
mod trace;
mod world;

pub use campaign::{Campaign, Failure, Summary};
pub use counts::{Count, Counts};
pub use invariant::Invariant;
pub use trace::Line;
pub use world::{Outcome, PATIENCE_MS};

/// Runs one seed; `all` keeps every line of its trace instead of the last ones.
pub fn run(seed: u64, all: bool) -> Outcome {
    let mut world = world::World::new(seed, all);
    // A world that panicked is only read, never run again.
    let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.run()));
    world.into_outcome(ran.is_err())
}

#[cfg(test)]
mod tests;
