//! The only place that names the file system, the certificate library and the operating system.

pub(crate) mod os_entropy;
pub(crate) mod rcgen_authority;
pub(crate) mod site_folder;
