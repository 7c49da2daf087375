//! Boot: every candidate bundle is verified under the root, or refused with a reason in the log.

use std::path::Path;

use obscura_bundle::{Bundle, BundleError, MAX_BUNDLE_BYTES, TrustedRoot, Verified};
use obscura_protocol::CURRENT_VERSION;

use crate::{
    domain::{Entry, NotShelved, Shelf},
    ports::BundleSource,
};

/// A bundle whose signatures held.
#[derive(Debug)]
pub struct VerifiedBundle(pub Bundle<Verified>);

impl Entry for VerifiedBundle {
    fn model_id(&self) -> &str {
        &self.0.manifest().model_id
    }

    fn model_hash(&self) -> [u8; 32] {
        self.0.model_hash().0
    }

    fn security_counter(&self) -> u32 {
        self.0.manifest().security_counter
    }

    fn min_protocol(&self) -> u16 {
        self.0.manifest().min_protocol
    }
}

/// Why a candidate is not offered.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("cannot be read")]
    Unreadable(#[from] std::io::Error),
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error(transparent)]
    Shelf(#[from] NotShelved),
}

/// Verifies everything `source` has and keeps what may run.
///
/// # Errors
/// The source cannot be listed. A single bad bundle is no error: it is logged and left out.
pub fn boot(source: &dyn BundleSource, root: &TrustedRoot) -> std::io::Result<Shelf<VerifiedBundle>> {
    let mut shelf = Shelf::new(CURRENT_VERSION);
    for origin in source.candidates()? {
        if let Err(error) = admit(source, &origin, root, &mut shelf) {
            tracing::error!(
                bundle = %origin.display(),
                error = &error as &dyn std::error::Error,
                "bundle refused"
            );
        }
    }
    if shelf.iter().next().is_none() {
        tracing::warn!("no model may run: put a signed bundle (*.obb) into the model folder and restart");
    }
    Ok(shelf)
}

fn admit(
    source: &dyn BundleSource,
    origin: &Path,
    root: &TrustedRoot,
    shelf: &mut Shelf<VerifiedBundle>,
) -> Result<(), Refused> {
    let bytes = source.read(origin, MAX_BUNDLE_BYTES)?;
    let bundle = VerifiedBundle(obscura_bundle::verify(&bytes, root)?);
    let (model, counter) = (bundle.model_id().to_owned(), bundle.security_counter());
    if let Some(older) = shelf.add(bundle)? {
        tracing::info!(
            model,
            counter = older.security_counter(),
            "older bundle set aside"
        );
    }
    tracing::info!(model, counter, bundle = %origin.display(), "model verified");
    Ok(())
}
