//! The use cases: make a site, add a device, show what is there, look into a signed model.

pub(crate) mod add_device;
pub(crate) mod inspect;
pub(crate) mod new_site;
pub(crate) mod show;

use obscura_protocol::identity::Identity;
use zeroize::Zeroizing;

use crate::{
    domain::{
        config,
        site::{Site, SiteError},
    },
    ports::{AuthorityError, Content, Draft, EntropyUnavailable, Issued, StoreError},
};

/// Why a use case stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ProvisionError {
    /// Names or addresses do not make a site.
    #[error(transparent)]
    Site(#[from] SiteError),
    /// Files.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Certificates.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// Randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyUnavailable),
    /// The root document is not one.
    #[error("the root document is not valid: {source}; make one with `obscura-sign root new`")]
    ConfigRoot {
        /// What is wrong with it.
        source: obscura_bundle::RootError,
    },
    /// The model is not signed under the root, altered, or not readable.
    #[error("the model is refused: {0}; do not use it, fetch it again from where it was signed")]
    PeerBundle(#[from] obscura_bundle::BundleError),
    /// The device is complete already.
    #[error("{name} is on the roster already and has its folder; nothing was changed")]
    MisuseDeviceExists {
        /// The device.
        name: obscura_protocol::identity::PeerName,
    },
}

/// A seed as the one line of its file.
fn seed_line(seed: &Zeroizing<[u8; 32]>) -> Zeroizing<String> {
    use std::fmt::Write as _;
    let mut line = Zeroizing::new(String::with_capacity(65));
    for byte in seed.iter() {
        // Writing into a string cannot fail.
        let _ = write!(line, "{byte:02x}");
    }
    line.push('\n');
    line
}

/// Puts a certificate and its key into a draft.
fn put_tls(draft: &mut dyn Draft, at: &str, name: &str, issued: &Issued) -> Result<(), StoreError> {
    draft.put(&format!("{at}{name}.pem"), Content::Public(&issued.certificate))?;
    draft.put(
        &format!("{at}{name}.key.pem"),
        Content::Secret(issued.key.as_bytes()),
    )
}

/// Everything in a device's folder, under `at` in the draft.
struct DeviceFolder<'a> {
    site: &'a Site,
    name: &'a obscura_protocol::identity::PeerName,
    /// Id of the model whose bundle the device will have.
    model: &'a str,
    root: &'a [u8],
    ca_certificate: &'a str,
    tls: &'a Issued,
    seed: &'a Zeroizing<[u8; 32]>,
}

impl DeviceFolder<'_> {
    fn put(&self, draft: &mut dyn Draft, at: &str) -> Result<(), StoreError> {
        draft.put(
            &format!("{at}agent.toml"),
            Content::Public(&config::agent_toml(self.site, self.name, self.model)),
        )?;
        draft.put(&format!("{at}root.bin"), Content::Binary(self.root))?;
        draft.put(&format!("{at}ca.pem"), Content::Public(self.ca_certificate))?;
        put_tls(draft, at, "mqtt", self.tls)?;
        draft.put(
            &format!("{at}envelope.key"),
            Content::Secret(seed_line(self.seed).as_bytes()),
        )
    }
}

/// The public half of a seed.
fn public_of(seed: &Zeroizing<[u8; 32]>) -> obscura_protocol::identity::PublicKey {
    Identity::from_seed(seed).public()
}
