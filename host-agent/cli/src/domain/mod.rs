//! What a run of the command produced.

pub(crate) mod report;
