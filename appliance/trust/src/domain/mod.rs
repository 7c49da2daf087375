//! The verified models of this box.

mod shelf;

pub use shelf::{Entry, NotShelved, Shelf};
