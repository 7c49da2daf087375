//! The configuration file, the encryption library and the local sockets.

mod clock;
mod config;
mod machine;
mod server;
mod tfhe;
mod trust;

pub use clock::SteadyClock;
pub use config::{Setup, load};
pub use server::serve;
pub use tfhe::TfheEngine;
pub use trust::SocketTrust;
