//! What the gate is told at start.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use obscura_protocol::{
    identity::{PeerName, PublicKey, SiteId},
    message::{Limits, MAX_ITEM_BYTES},
    transfer::{MAX_CHUNK_BYTES, MAX_CHUNKS},
};

/// Chunks of an upload in flight at once.
const WINDOW_CHUNKS: u32 = 16;

/// The devices that may speak, with their envelope keys.
#[derive(Clone, Debug, Default)]
pub struct Roster(pub BTreeMap<PeerName, PublicKey>);

/// Names and limits.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The site.
    pub site: SiteId,
    /// The box's own name.
    pub own_name: PeerName,
    /// The devices that may speak.
    pub roster: Roster,
    /// Those of them that may send models.
    pub model_senders: BTreeSet<PeerName>,
    /// Space for evaluation keys, bytes.
    pub store_quota_bytes: u64,
    /// Sets of evaluation keys one device may keep.
    pub max_clients_per_device: usize,
    /// Jobs one device may have open.
    pub max_jobs_per_device: u32,
    /// How long an upload may rest before it is forgotten.
    pub max_unfinished: Duration,
    /// How long evaluation keys may go unused before they are forgotten.
    pub max_unused: Duration,
    /// How long one item may be computed.
    pub max_item_time: Duration,
}

impl Settings {
    /// What a welcome says.
    pub(super) fn limits(&self) -> Limits {
        let transferable = u64::from(MAX_CHUNKS) * u64::from(MAX_CHUNK_BYTES);
        Limits {
            max_object_bytes: self.store_quota_bytes.min(transferable),
            max_item_bytes: u32::try_from(MAX_ITEM_BYTES).unwrap_or(u32::MAX),
            window_chunks: WINDOW_CHUNKS,
            max_jobs: self.max_jobs_per_device,
        }
    }
}
