//! Where the command line meets the world: processes, terminal, files, signals.

pub(crate) mod config;
pub(crate) mod face;
pub(crate) mod images;
pub(crate) mod input;
pub(crate) mod json;
pub(crate) mod model;
pub(crate) mod pictures;
pub(crate) mod process;
pub(crate) mod signals;
pub(crate) mod text;
