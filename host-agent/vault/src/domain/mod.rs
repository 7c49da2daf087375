//! The vault's own notions: secrets, open jobs, the stated error of a table.

pub mod bounds;
pub mod job;
pub mod secrets;
