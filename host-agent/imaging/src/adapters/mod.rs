//! Where pictures meet their decoders, results their canvas, the process its limits and the command line.

pub mod confine;
pub mod draw;
mod jpeg;
mod jpeg_structure;
mod png;
pub mod read;
mod resize;
pub mod serve;
