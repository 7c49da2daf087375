//! Starting, taking in what arrived, and answering compute.

mod check;
mod intake;
mod models;
mod roots;
mod service;
#[cfg(test)]
mod tests;

pub use intake::Origin;
pub use models::{Models, NotOffered, Refused, StartError, Stores};
pub use roots::RootChainError;
pub use service::Service;
