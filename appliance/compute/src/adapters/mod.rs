//! The configuration file, the encryption library and the local sockets.

mod config;
mod server;
mod tfhe;
mod trust;

pub use config::{Setup, load};
pub use server::serve;
pub use tfhe::TfheEngine;
pub use trust::SocketTrust;
