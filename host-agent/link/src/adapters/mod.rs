//! Where the link meets the world: configuration, carrier, journal, command line.

pub mod config;
pub mod journal;
pub mod process;
pub mod random;
