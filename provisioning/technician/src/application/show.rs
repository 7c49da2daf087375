//! Lists the members of a site with the fingerprints people compare.

use std::fmt::Write as _;

use obscura_protocol::identity::Digest;

use super::ProvisionError;
use crate::{
    domain::site::{Member, Site},
    ports::SiteStore,
};

/// What can be shown of a site.
#[derive(Debug)]
pub(crate) struct Overview {
    /// The facts.
    pub(crate) site: Site,
    /// SHA-256 of the authority's certificate file.
    pub(crate) authority: Digest,
    /// The devices.
    pub(crate) members: Vec<Member>,
}

/// Reads the site.
///
/// # Errors
/// [`ProvisionError`].
pub(crate) fn show(store: &dyn SiteStore) -> Result<Overview, ProvisionError> {
    Ok(Overview {
        site: store.site()?,
        authority: Digest::of(store.authority()?.certificate.as_bytes()),
        members: store.roster()?,
    })
}

impl Overview {
    /// The overview as text for people.
    pub(crate) fn to_text(&self) -> String {
        let site = &self.site;
        let mut text = format!(
            "site {}\n  broker          {}:{}\n  model root      {}\n  authority       {}\n\nbox {}\n  \
             envelope key    {}\n  receipt key     {}\n",
            site.id,
            site.address,
            site.port,
            site.root_fingerprint,
            self.authority,
            site.box_name,
            site.box_envelope.fingerprint(),
            site.box_receipt.fingerprint(),
        );
        for member in &self.members {
            let state = match (member.enabled, member.may_send_models) {
                (false, _) => " (locked out)",
                (true, true) => " (may send models)",
                (true, false) => "",
            };
            // Writing into a string cannot fail.
            let _ = write!(
                text,
                "\ndevice {}{state}\n  envelope key    {}\n",
                member.name,
                member.envelope.fingerprint()
            );
        }
        text
    }
}
