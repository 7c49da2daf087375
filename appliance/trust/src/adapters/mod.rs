//! The configuration file, the model folder and the local socket.

mod config;
mod folder;
mod server;

pub use config::{Setup, SetupError, load};
pub use folder::FolderBundles;
pub use server::serve;
