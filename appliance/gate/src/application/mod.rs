//! The gate's state machine.

mod bundles;
mod gate;
mod jobs;
mod keys;
mod outlook;
mod peers;
mod settings;
mod submit;
mod tally;
mod upload;
mod work;

pub use gate::{Gate, Held};
pub use settings::{Roster, Settings};

#[cfg(test)]
mod tests;
