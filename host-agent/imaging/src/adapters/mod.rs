//! Where pictures meet their decoders, the process its limits and the command line.

pub mod confine;
mod jpeg;
mod jpeg_structure;
mod png;
pub mod read;
mod resize;
pub mod serve;
