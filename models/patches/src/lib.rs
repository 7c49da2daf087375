//! From picture files to the integers a model reads, many at a time, for training.
//!
//! A device decodes a picture with `obscura-imaging` and makes integers of it as the signed contract says. Training
//! reads what this crate writes, which goes the same way through the same code, so its integers are identical by
//! construction. Knows no labels and no model; a desk tool, linked into no product.
//!
//! Failure model: one picture that cannot be read refuses the whole run with its name. Files appear under their names
//! only when they are complete.

mod error;
mod files;
mod output;
mod reader;

pub use error::PatchesError;
pub use files::pictures;
pub use output::{INTEGERS_FORMAT, Written, write};
pub use reader::{Extent, Reader};
