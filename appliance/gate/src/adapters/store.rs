//! Objects on disk: one folder per client with header, data, bitmap and a mark of conformance.
//!
//! Whole bundles leave it for the folder of incoming models, which is on the same file system: there the trust
//! process finds them at its next start.
//!
//! Invariant: the bitmap never claims a chunk whose bytes are not durable. A folder appears under its name
//! only with a complete header, so whatever a power cut leaves is either usable or swept away at start.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use obscura_protocol::{
    codec,
    identity::{ClientId, PeerName},
    transfer::{MAX_CHUNKS, ObjectHeader},
};
use serde::{Deserialize, Serialize};

use super::disk::Disk;
use crate::ports::{StoreChange, StoredObject};

const HEADER: &str = "header";
const DATA: &str = "data";
const BITMAP: &str = "bitmap";
const CONFORMING: &str = "conforming";
/// Largest header file.
const MAX_HEADER_BYTES: usize = 512;
/// Format of the header file.
const VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
struct Header {
    version: u8,
    device: PeerName,
    object: ObjectHeader,
}

/// The folder of all objects.
#[derive(Debug)]
pub(super) struct Store {
    folder: PathBuf,
    /// Where whole bundles go.
    incoming: PathBuf,
    disk: Disk,
    /// Clients with a failed change: nothing more is recorded for them, so that no bitmap runs ahead of
    /// its data.
    broken: BTreeSet<ClientId>,
}

impl Store {
    /// Opens the store in `folder`, which hands bundles over to `incoming`, making both if needed.
    pub(super) fn open(folder: PathBuf, incoming: PathBuf) -> io::Result<Self> {
        Self::on(Disk::default(), folder, incoming)
    }

    fn on(disk: Disk, folder: PathBuf, incoming: PathBuf) -> io::Result<Self> {
        disk.create_folder(&folder)?;
        disk.create_folder(&incoming)?;
        Ok(Self {
            folder,
            incoming,
            disk,
            broken: BTreeSet::new(),
        })
    }

    /// Everything usable, the longest unused first. What is not usable is deleted and logged.
    pub(super) fn scan(&self) -> io::Result<Vec<StoredObject>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            match read_object(&path) {
                Ok(object) => found.push(object),
                Err(error) => {
                    tracing::warn!(folder = %path.display(), %error, "swept away an unfinished object");
                    fs::remove_dir_all(&path)?;
                }
            }
        }
        found.sort_by_key(|(used, _)| *used);
        Ok(found.into_iter().map(|(_, object)| object).collect())
    }

    /// Opens the bytes of an object for reading.
    pub(super) fn data_path(folder: &Path, client: &ClientId) -> PathBuf {
        folder.join(client.to_string()).join(DATA)
    }

    /// Carries out one change. After an error nothing but `Create` and `Remove` works for this client.
    pub(super) fn apply(&mut self, change: StoreChange) -> Result<(), (ClientId, io::Error)> {
        let client = client_of(&change);
        let fresh = matches!(change, StoreChange::Create { .. } | StoreChange::Remove { .. });
        if fresh {
            self.broken.remove(&client);
        } else if self.broken.contains(&client) {
            // Its failure was reported already.
            return Ok(());
        }
        self.carry_out(change).map_err(|error| {
            self.broken.insert(client);
            (client, error)
        })
    }

    fn carry_out(&self, change: StoreChange) -> io::Result<()> {
        let file = |client: &ClientId, name: &str| self.folder.join(client.to_string()).join(name);
        match change {
            StoreChange::Create { device, object } => self.create(device, object),
            StoreChange::Write {
                client,
                offset,
                bytes,
            } => self.disk.write_at(&file(&client, DATA), offset, &bytes),
            StoreChange::Persist { client, bitmap } => {
                self.disk.sync(&file(&client, DATA))?;
                self.disk.replace(&file(&client, BITMAP), &bitmap)
            }
            StoreChange::MarkConforming { client } => self.disk.replace(&file(&client, CONFORMING), &[]),
            StoreChange::Touch { client } => {
                File::open(file(&client, HEADER))?.set_modified(SystemTime::now())
            }
            StoreChange::Deliver { client, digest } => {
                let data = file(&client, DATA);
                self.disk.sync(&data)?;
                self.disk
                    .rename(&data, &self.incoming.join(format!("{digest}.obb")))?;
                // Without its data the folder is swept away at the next start, should the power go here.
                self.remove(&client)
            }
            StoreChange::Remove { client } => self.remove(&client),
        }
    }

    fn remove(&self, client: &ClientId) -> io::Result<()> {
        // Out of sight first: a half-deleted folder must not look like an object.
        let (from, gone) = (self.object(client), self.fresh(client));
        self.disk.remove_folder(&gone)?;
        match self.disk.rename(&from, &gone) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            done => done?,
        }
        self.disk.remove_folder(&gone)
    }

    fn object(&self, client: &ClientId) -> PathBuf {
        self.folder.join(client.to_string())
    }

    /// A name no object has, for folders that come or go.
    fn fresh(&self, client: &ClientId) -> PathBuf {
        self.folder.join(format!("{client}.part"))
    }

    fn create(&self, device: PeerName, object: ObjectHeader) -> io::Result<()> {
        let (fresh, path) = (self.fresh(&object.client), self.object(&object.client));
        self.disk.remove_folder(&fresh)?;
        self.disk.create_folder(&fresh)?;
        let chunks = object
            .len_bytes
            .div_ceil(u64::from(obscura_protocol::transfer::MAX_CHUNK_BYTES));
        let bitmap_len = usize::try_from(chunks.div_ceil(8)).map_err(io::Error::other)?;
        self.disk.allocate(&fresh.join(DATA), object.len_bytes)?;
        self.disk.replace(&fresh.join(BITMAP), &vec![0; bitmap_len])?;
        let header = codec::encode(&Header {
            version: VERSION,
            device,
            object,
        });
        self.disk.replace(&fresh.join(HEADER), &header)?;
        self.disk.remove_folder(&path)?;
        self.disk.rename(&fresh, &path)
    }
}

fn client_of(change: &StoreChange) -> ClientId {
    match change {
        StoreChange::Create { object, .. } => object.client,
        StoreChange::Write { client, .. }
        | StoreChange::Persist { client, .. }
        | StoreChange::MarkConforming { client }
        | StoreChange::Touch { client }
        | StoreChange::Deliver { client, .. }
        | StoreChange::Remove { client } => *client,
    }
}

fn read_object(path: &Path) -> io::Result<(SystemTime, StoredObject)> {
    let name = path.file_name().and_then(|name| name.to_str());
    let header_path = path.join(HEADER);
    let bytes = read_small(&header_path, MAX_HEADER_BYTES)?;
    let header: Header = codec::decode(&bytes, MAX_HEADER_BYTES).map_err(io::Error::other)?;
    let right = header.version == VERSION && name == Some(header.object.client.to_string().as_str());
    let data = fs::metadata(path.join(DATA))?;
    if !right || data.len() != header.object.len_bytes {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let used = fs::metadata(&header_path)?.modified()?;
    let written = fs::metadata(path.join(BITMAP))?.modified()?;
    let object = StoredObject {
        device: header.device,
        object: header.object,
        bitmap: read_small(&path.join(BITMAP), MAX_CHUNKS as usize / 8)?,
        conforming: path.join(CONFORMING).exists(),
        // A clock that was set back makes keys look fresh, never old.
        unused: used.max(written).elapsed().unwrap_or_default(),
    };
    Ok((used, object))
}

fn read_small(path: &Path, max_bytes: usize) -> io::Result<Vec<u8>> {
    let bytes = obscura_process::read_bounded(path, max_bytes as u64).map_err(io::Error::other)?;
    Ok(bytes.to_vec())
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
