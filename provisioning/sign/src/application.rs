//! The use cases: make a root, check and sign a payload, look into a bundle.

pub(crate) mod bundle;
mod check;
pub(crate) mod inspect;
pub(crate) mod root;
