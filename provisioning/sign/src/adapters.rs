//! Files: documents with a size limit, and sealed signing keys.

pub(crate) mod files;
pub(crate) mod keys;
