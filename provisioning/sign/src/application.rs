//! The use cases: make a root, change it, check and sign a payload, look into a bundle.

pub(crate) mod bundle;
pub(crate) mod change;
mod check;
pub(crate) mod inspect;
pub(crate) mod root;
