//! What every process of the box needs to be a process: its part of the configuration file, its key file,
//! its log, the line to the launcher that ends it, and the way to give up the network.
//!
//! Knows nothing of carriers, models or encryption.

mod config;
mod lifeline;
mod log;
mod network;

pub use config::{
    ConfigError, check_range, default_incoming_dir, default_runtime_dir, from_hex, read, read_bounded,
    read_identity, resolve,
};
pub use lifeline::on_end_of_input;
pub use log::start_log;
pub use network::{NetworkError, forbid_network};

/// Exit codes of every binary of the box.
pub mod exit {
    /// Usage or configuration.
    pub const CONFIG: u8 = 2;
    /// A signature, root or fingerprint is not what was pinned.
    pub const TRUST: u8 = 5;
    /// The machine or the program failed.
    pub const INTERNAL: u8 = 70;
    /// Explanation for `--help`.
    pub const HELP: &str = "Exit codes: 0 ended as asked, 2 usage or configuration, 5 trust failure (root, \
                            fingerprint or signature), 70 internal failure";
}
