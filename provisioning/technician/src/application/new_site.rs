//! Makes a whole site: authority, broker, box and its first device.
//!
//! The folder is built beside its place and renamed last: a run that is stopped leaves no half of a site,
//! and the same command works again.

use obscura_bundle::Root;
use obscura_protocol::identity::{PeerName, SiteId};

use super::{DeviceFolder, ProvisionError, public_of, put_tls, seed_line};
use crate::{
    domain::{
        broker, config,
        site::{Member, Site, check_address, check_device_name},
    },
    ports::{Authorities, Content, Entropy, SiteStore},
};

/// Says in the box's folder what the file is for.
const FIRST_START: &str =
    "This box has never started. Its first start makes the rollback floors and deletes this file.\n";

/// What the technician decides.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    /// Name of the box.
    pub(crate) box_name: PeerName,
    /// Name of the first device.
    pub(crate) device: PeerName,
    /// Id of the model whose bundle that device will have.
    pub(crate) model: &'a str,
    /// Where the broker will listen.
    pub(crate) address: &'a str,
    /// TCP port of the broker.
    pub(crate) port: u16,
    /// The root document, as `obscura-sign` wrote it.
    pub(crate) root: &'a [u8],
}

/// Makes the site and returns its facts.
///
/// # Errors
/// [`ProvisionError`]; there is no site then.
pub(crate) fn new_site(
    plan: &Plan<'_>,
    store: &dyn SiteStore,
    authorities: &dyn Authorities,
    entropy: &dyn Entropy,
) -> Result<Site, ProvisionError> {
    check_address(plan.address)?;
    check_device_name(&plan.device, &plan.box_name)?;
    let root = Root::from_bytes(plan.root).map_err(|source| ProvisionError::ConfigRoot { source })?;
    let mut draft = store.draft_site()?;

    let id_seed = entropy.seed()?;
    let mut id = [0; 16];
    id.copy_from_slice(&id_seed[..16]);
    let (box_envelope, box_receipt, device_seed) = (entropy.seed()?, entropy.seed()?, entropy.seed()?);
    let site = Site {
        id: SiteId(id),
        box_name: plan.box_name.clone(),
        box_envelope: public_of(&box_envelope),
        box_receipt: public_of(&box_receipt),
        address: plan.address.to_owned(),
        port: plan.port,
        root_fingerprint: root.fingerprint(),
    };
    let authority = authorities.create(site.id, plan.address)?;
    let ca = &authority.own().certificate;
    let member = Member {
        name: plan.device.clone(),
        envelope: public_of(&device_seed),
        enabled: true,
        may_send_models: false,
    };

    put_tls(&mut *draft, "authority/", "ca", authority.own())?;
    draft.put("authority/site.toml", Content::Public(&config::site_toml(&site)))?;

    draft.put(
        "broker/mosquitto.conf",
        Content::Public(&broker::mosquitto_conf(&site, store.owned_by_root())),
    )?;
    draft.put("broker/acl", Content::Public(&broker::acl(&site)))?;
    draft.put("broker/ca.pem", Content::Public(ca))?;
    put_tls(
        &mut *draft,
        "broker/",
        "server",
        &authority.issue_server(plan.address)?,
    )?;

    draft.put("box/box.toml", Content::Public(&config::box_toml(&site)))?;
    draft.put("box/root.bin", Content::Binary(plan.root))?;
    draft.put("box/ca.pem", Content::Public(ca))?;
    put_tls(
        &mut *draft,
        "box/",
        "mqtt",
        &authority.issue_client(plan.box_name.as_str())?,
    )?;
    draft.put(
        "box/envelope.key",
        Content::Secret(seed_line(&box_envelope).as_bytes()),
    )?;
    draft.put(
        "box/receipt.key",
        Content::Secret(seed_line(&box_receipt).as_bytes()),
    )?;
    draft.put(
        "box/roster.toml",
        Content::Public(&config::roster_toml(&[member])),
    )?;
    draft.put("box/models", Content::Folder)?;
    draft.put("box/state", Content::Folder)?;
    // Only where this lies does a box without rollback floors make them; later it would be tampering.
    draft.put("box/state/trust/first-start", Content::Public(FIRST_START))?;

    DeviceFolder {
        site: &site,
        name: &plan.device,
        model: plan.model,
        root: plan.root,
        ca_certificate: ca,
        tls: &authority.issue_client(plan.device.as_str())?,
        seed: &device_seed,
    }
    .put(&mut *draft, &format!("{}/", plan.device))?;
    draft.publish()?;
    Ok(site)
}
