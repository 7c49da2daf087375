//! What the use cases need from outside, in their own words.

use obscura_protocol::identity::SiteId;
use zeroize::Zeroizing;

use crate::domain::site::{Member, Site};

/// Where random bytes come from.
pub(crate) trait Entropy {
    /// The next 32 bytes of the operating system's generator.
    ///
    /// # Errors
    /// [`EntropyUnavailable`].
    fn seed(&self) -> Result<Zeroizing<[u8; 32]>, EntropyUnavailable>;
}

/// The operating system gave no randomness.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the operating system gave no randomness")]
pub(crate) struct EntropyUnavailable;

/// A certificate and its key, both PEM.
pub(crate) struct Issued {
    /// The certificate.
    pub(crate) certificate: String,
    /// The private key, PKCS #8.
    pub(crate) key: Zeroizing<String>,
}

/// A certificate was not issued.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum AuthorityError {
    /// The certificate library refused.
    #[error("the certificate could not be made: {source}")]
    DeviceIssue {
        /// What the library said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The stored key of the authority is not a P-256 key.
    #[error("the authority's key is damaged or not a P-256 key: {source}")]
    DeviceKey {
        /// What the library said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Issues the certificates of one site.
pub(crate) trait Authority {
    /// The authority's own certificate (PEM) and key.
    fn own(&self) -> &Issued;
    /// A certificate for the broker at `address`.
    ///
    /// # Errors
    /// [`AuthorityError`].
    fn issue_server(&self, address: &str) -> Result<Issued, AuthorityError>;
    /// A certificate for the client `name`.
    ///
    /// # Errors
    /// [`AuthorityError`].
    fn issue_client(&self, name: &str) -> Result<Issued, AuthorityError>;
}

/// Makes and reopens authorities.
pub(crate) trait Authorities {
    /// A new authority for the site `id`, limited to a broker at `address`.
    ///
    /// # Errors
    /// [`AuthorityError`].
    fn create(&self, id: SiteId, address: &str) -> Result<Box<dyn Authority>, AuthorityError>;
    /// The authority of the site `id` from its stored PEM files.
    ///
    /// # Errors
    /// [`AuthorityError`].
    fn reopen(&self, id: SiteId, own: Issued) -> Result<Box<dyn Authority>, AuthorityError>;
}

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content<'a> {
    /// A key: mode 0600.
    Secret(&'a [u8]),
    /// Anything else, inside folders of mode 0700.
    Public(&'a str),
    /// Public bytes that are not text.
    Binary(&'a [u8]),
    /// A folder of mode 0700.
    Folder,
}

/// Something went wrong with files of a site.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum StoreError {
    /// There is something already.
    #[error(
        "{path} exists already and is left as it is; to start over, move it away, or choose another folder"
    )]
    MisuseExists {
        /// What exists.
        path: std::path::PathBuf,
    },
    /// The folder is not a site made by this program.
    #[error("{path} is missing or unreadable: {source}; is this the folder of a site?")]
    MisuseNotASite {
        /// What was looked for.
        path: std::path::PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// A file of the site does not parse.
    #[error("{path} is damaged: {what}")]
    DeviceDamaged {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Reading or writing failed.
    #[error("{path}: {source}")]
    DeviceIo {
        /// The file.
        path: std::path::PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
}

/// A folder under construction; nobody sees it before it is complete.
pub(crate) trait Draft {
    /// Puts a file or a folder into the draft, at a path relative to it.
    ///
    /// # Errors
    /// [`StoreError`].
    fn put(&mut self, path: &str, content: Content<'_>) -> Result<(), StoreError>;
    /// Makes the folder visible under its name, all at once.
    ///
    /// # Errors
    /// [`StoreError`]; the draft is gone then.
    fn publish(self: Box<Self>) -> Result<(), StoreError>;
}

/// The folder of one site.
pub(crate) trait SiteStore {
    /// Begins a new site. Leftovers of a run that was stopped are removed.
    ///
    /// # Errors
    /// [`StoreError::MisuseExists`] when there is a site.
    fn draft_site(&self) -> Result<Box<dyn Draft>, StoreError>;
    /// Begins the folder of a new device of an existing site.
    ///
    /// # Errors
    /// [`StoreError::MisuseExists`] when the device has one.
    fn draft_device(&self, name: &str) -> Result<Box<dyn Draft>, StoreError>;
    /// The site's public facts.
    ///
    /// # Errors
    /// [`StoreError`].
    fn site(&self) -> Result<Site, StoreError>;
    /// The authority's certificate and key.
    ///
    /// # Errors
    /// [`StoreError`].
    fn authority(&self) -> Result<Issued, StoreError>;
    /// The root document.
    ///
    /// # Errors
    /// [`StoreError`].
    fn root(&self) -> Result<Vec<u8>, StoreError>;
    /// The seed in the device folder `name`, where there is one.
    ///
    /// # Errors
    /// [`StoreError`].
    fn device_seed(&self, name: &str) -> Result<Option<Zeroizing<[u8; 32]>>, StoreError>;
    /// The devices on the roster.
    ///
    /// # Errors
    /// [`StoreError`].
    fn roster(&self) -> Result<Vec<Member>, StoreError>;
    /// Replaces the roster, all at once.
    ///
    /// # Errors
    /// [`StoreError`].
    fn replace_roster(&self, members: &[Member]) -> Result<(), StoreError>;
    /// Whether files made now belong to root.
    fn owned_by_root(&self) -> bool;
}
