//! Enrols another device: certificate, keys, configuration, roster entry.
//!
//! The folder appears before the roster entry. A run stopped between the two is completed by the same
//! command.

use obscura_protocol::identity::PeerName;

use super::{DeviceFolder, ProvisionError, public_of};
use crate::{
    domain::site::{Member, check_device_name},
    ports::{Authorities, Entropy, SiteStore},
};

/// Adds `name` to the site, for the bundle of `model`, with or without leave to send models, and returns its roster
/// entry.
///
/// # Errors
/// [`ProvisionError`]; the roster is unchanged then.
pub(crate) fn add_device(
    name: &PeerName,
    model: &str,
    may_send_models: bool,
    store: &dyn SiteStore,
    authorities: &dyn Authorities,
    entropy: &dyn Entropy,
) -> Result<Member, ProvisionError> {
    let site = store.site()?;
    check_device_name(name, &site.box_name)?;
    let mut members = store.roster()?;
    let stored = store.device_seed(name.as_str())?;
    let listed = members.iter().any(|member| &member.name == name);
    if stored.is_some() && listed {
        return Err(ProvisionError::MisuseDeviceExists { name: name.clone() });
    }
    let seed = if let Some(seed) = stored {
        seed
    } else {
        let seed = entropy.seed()?;
        let authority = authorities.reopen(site.id, store.authority()?)?;
        let mut draft = store.draft_device(name.as_str())?;
        DeviceFolder {
            site: &site,
            name,
            model,
            root: &store.root()?,
            ca_certificate: &authority.own().certificate,
            tls: &authority.issue_client(name.as_str())?,
            seed: &seed,
        }
        .put(&mut *draft, "")?;
        draft.publish()?;
        seed
    };
    let member = Member {
        name: name.clone(),
        envelope: public_of(&seed),
        enabled: true,
        may_send_models,
    };
    // An entry whose folder is gone is of no use to anyone: the new key takes its place.
    members.retain(|other| &other.name != name);
    members.push(member.clone());
    store.replace_roster(&members)?;
    Ok(member)
}
