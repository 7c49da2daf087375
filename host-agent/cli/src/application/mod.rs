//! The use cases of the command line.

mod feed;
mod heard;
mod revoke;
mod run;
mod send_model;
#[cfg(test)]
mod tests;
mod unlock;
mod words;

pub(crate) use feed::{NamedImage, check_images};
pub(crate) use revoke::revoke_keys;
pub(crate) use run::{Named, Run, check_records};
pub(crate) use send_model::{Sent, SignedModel, send_model};
pub(crate) use unlock::{VaultExt, make_keys};
pub(crate) use words::Places;
