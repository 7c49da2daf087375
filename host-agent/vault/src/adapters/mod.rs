//! Where the vault meets the world: configuration, files, the model, the socket to the command line.

pub mod config;
pub mod files;
pub mod key_objects;
pub mod model;
pub mod random;
pub mod scans;
pub mod serve;
