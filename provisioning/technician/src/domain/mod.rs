//! What a site is and what its files say. Knows no file system, no clock and no library.

pub(crate) mod broker;
pub(crate) mod config;
pub(crate) mod site;
